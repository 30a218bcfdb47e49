/* A descriptor for an event loop: of both rings, at both ends. */
#include "check.h"

#include <poll.h>
#include <sys/epoll.h>

/* Returns whether a descriptor is readable within a time. */
static int readable(int fd, int milliseconds) {
    struct pollfd poll_fd = {fd, POLLIN, 0};
    const int count = poll(&poll_fd, 1, milliseconds);
    CHECK(count >= 0 && (poll_fd.revents & ~POLLIN) == 0);
    return count;
}

/* The descriptor of a handle that is not ready: it is readable at first, and no more once it was asked. */
static int quiet(ringmain_end *end, size_t need) {
    const int fd = ringmain_readiness_fd(end);
    CHECK(fd > 2);
    IS(ringmain_readiness_fd(end), fd);
    IS(readable(fd, 30000), 1);
    IS(ringmain_is_ready(end, need), 0);
    IS(readable(fd, 20), 0);
    return fd;
}

static void both_rings(void) {
    uint64_t number = 7, found[4];
    char bytes[8];
    static const char filler[2000] = {0};
    ringmain_options numbers = numbers_of(4), texts = options_of(4096);
    char name[64];
    numbers.flags = texts.flags = RINGMAIN_UNLINK_ON_CLOSE;
    strcpy(name, name_of("ready-s"));
    ringmain_end *tx = attach(RINGMAIN_STREAM_PRODUCER, name, &numbers);
    ringmain_end *rx = attach(RINGMAIN_STREAM_CONSUMER, name, &numbers);
    strcpy(name, name_of("ready-m"));
    ringmain_end *writer = attach(RINGMAIN_MESSAGE_PRODUCER, name, &texts);
    ringmain_end *reader = attach(RINGMAIN_MESSAGE_CONSUMER, name, &texts);
    FAILS(ringmain_is_ready(rx, 1), -EINVAL, "no descriptor: call ringmain_readiness_fd() before");
    const int elements = quiet(rx, 2), messages = quiet(reader, 1);
    /* One element is less than was asked for; two are ready, until somebody has taken them. */
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(readable(elements, 30000), 1);
    IS(ringmain_is_ready(rx, 2), 1);
    IS(readable(elements, 0), 1);
    IS(ringmain_stream_pop(rx, found, 2, RINGMAIN_NOW), 2);
    IS(ringmain_is_ready(rx, 2), 0);
    IS(readable(elements, 20), 0);
    IS(ringmain_message_push(writer, "hello", 5, RINGMAIN_NOW), 0);
    IS(readable(messages, 30000), 1);
    IS(ringmain_is_ready(reader, 1), 1);
    IS(ringmain_message_pop(reader, bytes, 8, RINGMAIN_NOW), 5);
    IS(ringmain_is_ready(reader, 1), 0);
    /* Room, for the producers. */
    IS(ringmain_stream_push_all(tx, (const uint64_t *)filler, 4, RINGMAIN_NOW, NULL), 0);
    const int slots = quiet(tx, 1);
    IS(ringmain_message_push(writer, filler, sizeof filler, RINGMAIN_NOW), 0);
    IS(ringmain_message_push(writer, filler, 1500, RINGMAIN_NOW), 0);
    const int room = quiet(writer, sizeof filler);
    IS(ringmain_stream_pop(rx, found, 4, RINGMAIN_NOW), 4);
    IS(ringmain_pause(rx), 0);
    IS(readable(slots, 30000), 1);
    IS(ringmain_is_ready(tx, 1), 1);
    static char large[sizeof filler];
    IS(ringmain_message_pop(reader, large, sizeof large, RINGMAIN_NOW), sizeof filler);
    IS(ringmain_pause(reader), 0);
    IS(readable(room, 30000), 1);
    IS(ringmain_is_ready(writer, sizeof filler), 1);
    FAILS(ringmain_is_ready(writer, 5000), -EMSGSIZE, "5000");
    FAILS(ringmain_is_ready(rx, 5), -EMSGSIZE, "5");
    /* The end of the other side is ready, and stays so. */
    IS(ringmain_is_ready(rx, 1), 0);
    IS(ringmain_close(tx), 0);
    IS(readable(elements, 30000), 1);
    IS(ringmain_is_ready(rx, 1), 1);
    FAILS(ringmain_wait(rx, 1, RINGMAIN_NOW), -EPIPE, "has closed the ring");
    IS(ringmain_is_ready(rx, 1), 1);
    IS(ringmain_close(rx), 0);
    IS(ringmain_close(writer), 0);
    IS(ringmain_close(reader), 0);
}

/* A loop that waits for many rings, by edge, while another process sends and dies. */
static void by_edge(void) {
    enum { RINGS = 8, EACH = 500 };
    ringmain_end *rings[RINGS];
    char names[RINGS][64], what[8];
    uint64_t number, sums[RINGS] = {0};
    int at, left = RINGS;
    ringmain_options options = numbers_of(4);
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    CHECK(loop >= 0);
    for (at = 0; at < RINGS; at++) {
        snprintf(what, sizeof what, "edge%d", at);
        strcpy(names[at], name_of(what));
        rings[at] = attach(RINGMAIN_STREAM_CONSUMER, names[at], &options);
        struct epoll_event event;
        event.events = EPOLLIN | EPOLLET;
        event.data.u32 = (uint32_t)at;
        CHECK(epoll_ctl(loop, EPOLL_CTL_ADD, ringmain_readiness_fd(rings[at]), &event) == 0);
    }
    pid_t child = fork_among_sleepers();
    CHECK(child >= 0);
    if (child == 0) {
        ringmain_end *senders[RINGS];
        options.flags = 0;
        for (at = 0; at < RINGS; at++) senders[at] = attach(RINGMAIN_STREAM_PRODUCER, names[at], &options);
        for (number = 1; number <= EACH; number++)
            for (at = 0; at < RINGS; at++) IS(ringmain_stream_push(senders[at], &number, 1, LONG), 1);
        /* One half is closed, the other dies with the process. */
        for (at = 0; at < RINGS / 2; at++) IS(ringmain_close(senders[at]), 0);
        kill(getpid(), SIGKILL);
    }
    while (left > 0) {
        struct epoll_event events[RINGS];
        const int count = epoll_wait(loop, events, RINGS, 30000);
        CHECK(count > 0);
        for (int event = 0; event < count; event++) {
            const uint32_t ring = events[event].data.u32;
            int ready;
            while (rings[ring] != NULL && (ready = ringmain_is_ready(rings[ring], 1)) == 1) {
                if (ringmain_stream_pop(rings[ring], &number, 1, RINGMAIN_NOW) == 1) {
                    sums[ring] += number;
                    continue;
                }
                IS(ringmain_wait(rings[ring], 1, RINGMAIN_NOW), ring < RINGS / 2 ? -EPIPE : -ECONNRESET);
                IS(ringmain_close(rings[ring]), 0);
                rings[ring] = NULL;
                left--;
            }
        }
    }
    IS(ended(child), 128 + SIGKILL);
    for (at = 0; at < RINGS; at++) IS(sums[at], EACH * (EACH + 1) / 2);
    close(loop);
}

int main(void) {
    both_rings();
    by_edge();
    return 0;
}

/* Receives the ticks of producer.c in an event loop, beside a timer; either may be started first, killed at any time,
 * and started again. */
#include <ringmain.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct tick {
    uint64_t time;
    double price;
};

static int failed(const char *call) { return fprintf(stderr, "%s: %s\n", call, ringmain_last_error()), 1; }

int main(int count, char **arguments) {
    const struct itimerspec second = {{1, 0}, {1, 0}};
    const int loop = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timer}, ring = {.events = EPOLLIN};
    struct tick ticks[256];
    double sum = 0;
    size_t number = 0, seconds = 0;
    ringmain_end *rx;
    if (ringmain_attach(RINGMAIN_STREAM_CONSUMER, count > 1 ? arguments[1] : "ticks",
                        &RINGMAIN_OPTIONS(.capacity = 1 << 16, .type_tag = "tick", RINGMAIN_ELEMENT(struct tick)),
                        &rx) < 0)
        return failed("attach");
    timerfd_settime(timer, 0, &second, NULL);
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &event);
    if ((ring.data.fd = ringmain_readiness_fd(rx)) < 0) return failed("readiness_fd");
    epoll_ctl(loop, EPOLL_CTL_ADD, ring.data.fd, &ring);
    for (;;) {
        const int events = epoll_wait(loop, &event, 1, -1);
        if (events < 0 && errno != EINTR) return perror("epoll_wait"), 1;
        if (events < 1) continue;
        if (event.data.fd == timer) {
            uint64_t times;
            if (read(timer, &times, sizeof times) == sizeof times) seconds += times;
            /* If the producer was killed: is the next one there? */
            ring.events = EPOLLIN;
            epoll_ctl(loop, EPOLL_CTL_MOD, ring.data.fd, &ring);
            continue;
        }
        /* Until there is no more for now; or no more at all, which a wait for no time tells. */
        while (ringmain_is_ready(rx, 1) == 1) {
            ptrdiff_t popped = ringmain_stream_pop(rx, ticks, 256, RINGMAIN_NOW);
            const int status = popped < 0 ? ringmain_wait(rx, 1, RINGMAIN_NOW) : 0;
            if (status == -ECONNRESET) {
                /* It stays ready until then, so the loop leaves it alone until the timer expires. */
                ring.events = 0;
                epoll_ctl(loop, EPOLL_CTL_MOD, ring.data.fd, &ring);
                break;
            }
            if (status < 0) {
                fprintf(stderr, "after %zu seconds\n", seconds);
                printf("%zu ticks, sum %.1f; %s\n", number, sum, ringmain_last_error());
                return ringmain_close(rx) < 0 || status != -EPIPE;
            }
            for (; popped > 0; popped--, number++) sum += ticks[popped - 1].price;
        }
    }
}

/* Receives the ticks of producer.c in an event loop, beside a timer; either may be started first. */
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
    struct epoll_event event = {.events = EPOLLIN, .data.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC)};
    const int loop = epoll_create1(EPOLL_CLOEXEC), timer = event.data.fd;
    struct tick ticks[256];
    double sum = 0;
    size_t number = 0, seconds = 0;
    ringmain_end *rx;
    if (ringmain_attach(RINGMAIN_STREAM_CONSUMER, count > 1 ? arguments[1] : "ticks",
                        &RINGMAIN_OPTIONS(.capacity = 1 << 16, .type_tag = "tick", RINGMAIN_ELEMENT(struct tick),
                                          .flags = RINGMAIN_UNLINK_ON_CLOSE),
                        &rx) < 0)
        return failed("attach");
    timerfd_settime(timer, 0, &second, NULL);
    epoll_ctl(loop, EPOLL_CTL_ADD, timer, &event);
    if ((event.data.fd = ringmain_readiness_fd(rx)) < 0) return failed("readiness_fd");
    epoll_ctl(loop, EPOLL_CTL_ADD, event.data.fd, &event);
    while (epoll_wait(loop, &event, 1, -1) >= 0) {
        if (event.data.fd == timer) {
            uint64_t times;
            if (read(timer, &times, sizeof times) == sizeof times) seconds += times;
            continue;
        }
        /* Until there is no more for now; or no more at all, which a wait for no time tells. */
        while (ringmain_is_ready(rx, 1) == 1) {
            ptrdiff_t popped = ringmain_stream_pop(rx, ticks, 256, RINGMAIN_NOW);
            if (popped < 0 && ringmain_wait(rx, 1, RINGMAIN_NOW) < 0) {
                fprintf(stderr, "after %zu seconds\n", seconds);
                printf("%zu ticks, sum %.1f; %s\n", number, sum, ringmain_last_error());
                return ringmain_close(rx) < 0;
            }
            for (; popped > 0; popped--, number++) sum += ticks[popped - 1].price;
        }
    }
    return failed("epoll_wait");
}

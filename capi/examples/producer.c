/* Sends ticks, which consumer.c receives; either may be started first, killed at any time, and started again. */
#include <ringmain.h>
#include <stdio.h>

struct tick {
    uint64_t time;
    double price;
};

static int failed(const char *call) { return fprintf(stderr, "producer: %s: %s\n", call, ringmain_last_error()), 1; }

int main(int count, char **arguments) {
    const char *name = count > 1 ? arguments[1] : "ticks";
    ringmain_end *tx;
    if (ringmain_attach(RINGMAIN_STREAM_PRODUCER, name,
                        &RINGMAIN_OPTIONS(.capacity = 1 << 16, .type_tag = "tick", RINGMAIN_ELEMENT(struct tick),
                                          .flags = RINGMAIN_AWAIT_SUCCESSOR | RINGMAIN_UNLINK_ON_CLOSE),
                        &tx) < 0)
        return failed("attach");
    for (uint64_t time = 0; time < 100000; time++) {
        struct tick tick = {time, 0.5 * (double)time};
        if (ringmain_stream_push(tx, &tick, 1, RINGMAIN_FOREVER) < 0) return failed("push");
    }
    /* Until all is read, by whichever consumer: one that comes later finds no ring. */
    if (ringmain_wait(tx, 1 << 16, RINGMAIN_FOREVER) < 0) return failed("wait");
    return ringmain_close(tx) < 0 ? failed("close") : 0;
}

/* Receives the ticks that producer.c sends; either may be started first, killed at any time, and started again. */
#include <poll.h>
#include <ringmain.h>
#include <stdio.h>

struct tick {
    uint64_t time;
    double price;
};

int main(int count, char **arguments) {
    const char *name = count > 1 ? arguments[1] : "ticks";
    struct tick ticks[256];
    double sum = 0;
    size_t number = 0;
    ptrdiff_t popped;
    ringmain_end *rx;
    if (ringmain_attach(RINGMAIN_STREAM_CONSUMER, name,
                        &RINGMAIN_OPTIONS(.capacity = 1 << 16, .type_tag = "tick", RINGMAIN_ELEMENT(struct tick)),
                        &rx) < 0)
        return fprintf(stderr, "consumer: %s\n", ringmain_last_error()), 1;
    /* As many as are there, at least one, until the producer has closed the ring and all is read. */
    while ((popped = ringmain_stream_pop(rx, ticks, 256, RINGMAIN_FOREVER)) > 0 || popped == -ECONNRESET) {
        if (popped < 0) poll(NULL, 0, 10); /* It was killed: the next one sends all of its own. */
        for (; popped > 0; popped--, number++) sum += ticks[popped - 1].price;
    }
    printf("%zu ticks, sum %.1f; %s\n", number, sum, ringmain_last_error());
    return ringmain_close(rx) < 0 || popped != -EPIPE;
}

/* One end of a flow, for compare.rs: peer ROLE RING SIZE WAY NAME COUNT PROCESSOR. A consumer prints the nanoseconds
 * from its first element or message to its last. It is the same program as the peer in Rust, call by call. As `both`,
 * it is both ends in turn, of which capi/check counts the instructions. */
#include <ringmain.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* So many values are sent, and then received, where one process is both ends. */
#define BURST 64

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static inline void must(int succeeded, const char *call) {
    if (__builtin_expect(!succeeded, 0)) {
        fprintf(stderr, "peer.c: %s: %s\n", call, ringmain_last_error());
        exit(1);
    }
}

/* Every word of a value has another number. */
static inline __attribute__((always_inline)) void fill(uint64_t *value, uint64_t number, size_t words) {
    for (size_t at = 0; at < words; at++) value[at] = number + at;
}

/* Sends a value of a size that is known when this is compiled, as in Rust. */
static inline __attribute__((always_inline)) void send(ringmain_end *tx, uint64_t number, int streams, int in_place,
                                                       const size_t words) {
    uint64_t value[8];
    if (in_place && streams) {
        ringmain_slots slots;
        must(ringmain_stream_claim(tx, 1, 1, RINGMAIN_FOREVER, &slots) == 1, "claim");
        fill((uint64_t *)slots.first, number, words);
        must(ringmain_stream_commit(tx, 1) == 0, "commit");
    } else if (in_place) {
        void *room;
        must(ringmain_message_claim(tx, 8 * words, RINGMAIN_FOREVER, &room) == 0, "claim");
        fill((uint64_t *)room, number, words);
        must(ringmain_message_commit(tx, 8 * words) == 0, "commit");
    } else if (streams) {
        fill(value, number, words);
        must(ringmain_stream_push(tx, value, 1, RINGMAIN_FOREVER) == 1, "push");
    } else {
        fill(value, number, words);
        must(ringmain_message_push(tx, value, 8 * words, RINGMAIN_FOREVER) == 0, "push");
    }
}

/* Receives one, and returns the sum of its words. */
static inline __attribute__((always_inline)) uint64_t receive(ringmain_end *rx, int streams, int in_place,
                                                              const size_t words) {
    uint64_t value[8], sum = 0;
    const uint64_t *found = value;
    if (in_place && streams) {
        ringmain_elements elements;
        must(ringmain_stream_peek(rx, 1, 1, RINGMAIN_FOREVER, &elements) == 1, "peek");
        found = (const uint64_t *)elements.first;
    } else if (in_place) {
        ringmain_record record;
        must(ringmain_message_peek(rx, RINGMAIN_FOREVER, &record) == 0 && record.len == 8 * words, "peek");
        found = (const uint64_t *)record.bytes;
    } else if (streams) {
        must(ringmain_stream_pop(rx, value, 1, RINGMAIN_FOREVER) == 1, "pop");
    } else {
        must(ringmain_message_pop(rx, value, 8 * words, RINGMAIN_FOREVER) == (ptrdiff_t)(8 * words), "pop");
    }
    for (size_t at = 0; at < words; at++) sum += found[at];
    if (in_place && streams)
        must(ringmain_stream_release(rx, 1) == 0, "release");
    else if (in_place)
        must(ringmain_message_release(rx) == 1, "release");
    return sum;
}

/* Plays one end, or both one after the other, and returns the sum of what was received. */
static inline __attribute__((always_inline)) uint64_t play(ringmain_end *tx, ringmain_end *rx, uint64_t total,
                                                           int streams, int in_place, const size_t words,
                                                           int64_t *begun) {
    uint64_t sum = 0;
    if (rx == NULL) {
        for (uint64_t number = 0; number < total; number++) send(tx, number, streams, in_place, words);
    } else if (tx == NULL) {
        for (uint64_t number = 0; number < total; number++) {
            sum += receive(rx, streams, in_place, words);
            if (number == 0) *begun = now();
        }
    } else {
        /* In bursts, of which one load of a position serves all. */
        for (uint64_t number = 0; number < total; number += BURST) {
            for (uint64_t at = 0; at < BURST; at++) send(tx, number + at, streams, in_place, words);
            for (uint64_t at = 0; at < BURST; at++) sum += receive(rx, streams, in_place, words);
        }
    }
    return sum;
}

/* As both ends, it makes no pauses: their instructions depend on the time. */
static ringmain_end *attach(int sends, int streams, const char *name, size_t size, int both) {
    ringmain_end *end;
    must(ringmain_attach((streams ? RINGMAIN_STREAM_PRODUCER : RINGMAIN_MESSAGE_PRODUCER) + (sends ? 0 : 1), name,
                         &RINGMAIN_OPTIONS(.capacity = streams ? 65536 / size : 65536, .element_size = size,
                                           .element_align = 8, .wait = RINGMAIN_SPIN,
                                           .flags = both ? RINGMAIN_PACE : 0),
                         &end) == 0,
         "attach");
    return end;
}

int main(int count, char **arguments) {
    must(count == 8, "seven arguments");
    const int both = strcmp(arguments[1], "both") == 0;
    const int sends = both || strcmp(arguments[1], "producer") == 0, streams = strcmp(arguments[2], "stream") == 0;
    const size_t size = strtoul(arguments[3], NULL, 10);
    const int in_place = strcmp(arguments[4], "place") == 0;
    const uint64_t total = strtoull(arguments[6], NULL, 10);
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET(strtoul(arguments[7], NULL, 10), &processors);
    sched_setaffinity(0, sizeof processors, &processors);
    ringmain_end *tx = sends ? attach(1, streams, arguments[5], size, both) : NULL;
    ringmain_end *rx = both || !sends ? attach(0, streams, arguments[5], size, both) : NULL;
    uint64_t sum = 0;
    int64_t begun = now();
#define CASE(is_stream, is_in_place, words)                                           \
    if (streams == (is_stream) && in_place == (is_in_place) && size == 8 * (words))   \
        sum = play(tx, rx, total, is_stream, is_in_place, words, &begun);
    CASE(0, 0, 1)
    CASE(0, 0, 8)
    CASE(0, 1, 1)
    CASE(0, 1, 8)
    CASE(1, 0, 1)
    CASE(1, 0, 8)
    CASE(1, 1, 1)
    CASE(1, 1, 8)
    if (rx != NULL) {
        const int64_t elapsed = now() - begun;
        const uint64_t words = size / 8, beside = words * (words - 1) / 2;
        must(sum == words * (total * (total - 1) / 2) + total * beside, "the sum");
        printf("%lld\n", (long long)elapsed);
        must(ringmain_close(rx) == 0, "close");
    }
    if (both) ringmain_unlink(arguments[5]);
    return tx != NULL && ringmain_close(tx) != 0;
}

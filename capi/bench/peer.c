/* One end of a flow, for compare.rs: peer ROLE RING SIZE WAY NAME COUNT PROCESSOR. A consumer prints the nanoseconds
 * from its first element or message to its last. It is the same program as the peer in Rust, call by call. */
#include <ringmain.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void must(int succeeded, const char *call) {
    if (!succeeded) {
        fprintf(stderr, "peer.c: %s: %s\n", call, ringmain_last_error());
        exit(1);
    }
}

int main(int count, char **arguments) {
    must(count == 8, "seven arguments");
    const int sends = strcmp(arguments[1], "producer") == 0, streams = strcmp(arguments[2], "stream") == 0;
    const size_t size = strtoul(arguments[3], NULL, 10);
    const int in_place = strcmp(arguments[4], "place") == 0;
    const uint64_t total = strtoull(arguments[6], NULL, 10);
    cpu_set_t processors;
    CPU_ZERO(&processors);
    CPU_SET(strtoul(arguments[7], NULL, 10), &processors);
    sched_setaffinity(0, sizeof processors, &processors);
    ringmain_end *end;
    must(ringmain_attach((streams ? 1 : 3) + (sends ? 0 : 1), arguments[5],
                         &RINGMAIN_OPTIONS(.capacity = streams ? 65536 / size : 65536, .element_size = size,
                                           .element_align = 8, .wait = RINGMAIN_SPIN),
                         &end) == 0,
         "attach");
    unsigned char bytes[64] = {0};
    uint64_t sum = 0;
    int64_t begun = 0;
    for (uint64_t number = 0; number < total; number++) {
        void *room = bytes;
        ringmain_slots slots;
        ringmain_elements elements;
        ringmain_record record;
        if (sends) {
            if (in_place && streams) {
                must(ringmain_stream_claim(end, 1, 1, RINGMAIN_FOREVER, &slots) == 1, "claim");
                room = slots.first;
            } else if (in_place) {
                must(ringmain_message_claim(end, size, RINGMAIN_FOREVER, &room) == 0, "claim");
            }
            memset(room, 0, size);
            memcpy(room, &number, 8);
            if (in_place && streams)
                must(ringmain_stream_commit(end, 1) == 0, "commit");
            else if (in_place)
                must(ringmain_message_commit(end, size) == 0, "commit");
            else if (streams)
                must(ringmain_stream_push(end, bytes, 1, RINGMAIN_FOREVER) == 1, "push");
            else
                must(ringmain_message_push(end, bytes, size, RINGMAIN_FOREVER) == 0, "push");
        } else {
            uint64_t found;
            const void *there = bytes;
            if (in_place && streams) {
                must(ringmain_stream_peek(end, 1, 1, RINGMAIN_FOREVER, &elements) == 1, "peek");
                there = elements.first;
            } else if (in_place) {
                must(ringmain_message_peek(end, RINGMAIN_FOREVER, &record) == 0, "peek");
                there = record.bytes;
            } else if (streams) {
                must(ringmain_stream_pop(end, bytes, 1, RINGMAIN_FOREVER) == 1, "pop");
            } else {
                must(ringmain_message_pop(end, bytes, sizeof bytes, RINGMAIN_FOREVER) == (ptrdiff_t)size, "pop");
            }
            memcpy(&found, there, 8);
            sum += found;
            if (in_place && streams)
                must(ringmain_stream_release(end, 1) == 0, "release");
            else if (in_place)
                must(ringmain_message_release(end) == 1, "release");
            if (number == 0) begun = now();
        }
    }
    if (!sends) {
        must(sum == total * (total - 1) / 2, "the sum");
        printf("%lld\n", (long long)(now() - begun));
    }
    return ringmain_close(end) != 0;
}

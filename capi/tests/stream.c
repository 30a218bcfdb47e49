/* Elements of one size: each call of a stream ring. */
#include "check.h"

static ringmain_end *tx, *rx;

static void open_both(size_t capacity) {
    ringmain_options options = numbers_of(capacity);
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    tx = attach(RINGMAIN_STREAM_PRODUCER, name_of("stream"), &options);
    rx = attach(RINGMAIN_STREAM_CONSUMER, name_of("stream"), &options);
}

static void close_both(void) {
    IS(ringmain_close(tx), 0);
    IS(ringmain_close(rx), 0);
}

static void one_by_one(void) {
    uint64_t number = 7, position = 99;
    open_both(4);
    FAILS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_NOW), -EAGAIN, "the ring is empty");
    for (uint64_t round = 0; round < 100; round++) {
        IS(ringmain_stream_push(tx, &round, 1, RINGMAIN_NOW), 1);
        IS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_FOREVER), 1);
        IS(number, round);
    }
    IS(ringmain_position(rx, &position), 0);
    IS(position, 100);
    FAILS(ringmain_stream_pop(rx, &number, 1, SOON), -ETIMEDOUT, "the time that was given is over");
    close_both();
}

static void in_bulk(void) {
    uint64_t numbers[8], found[8];
    size_t done = 99;
    for (uint64_t at = 0; at < 8; at++) numbers[at] = at + 10;
    open_both(4);
    IS(ringmain_room(tx), 4);
    IS(ringmain_stream_push(tx, numbers, 8, RINGMAIN_NOW), 4);
    IS(ringmain_room(tx), 0);
    IS(ringmain_len(rx), 4);
    FAILS(ringmain_stream_push(tx, numbers, 8, RINGMAIN_NOW), -EAGAIN, "the ring is full");
    FAILS(ringmain_stream_push(tx, numbers, 8, SOON), -ETIMEDOUT, "the time that was given is over");
    IS(ringmain_stream_push(tx, NULL, 0, RINGMAIN_NOW), 0);
    IS(ringmain_stream_pop(rx, found, 3, RINGMAIN_NOW), 3);
    IS(memcmp(found, numbers, 24), 0);
    /* All of them, as far as that goes. */
    FAILS(ringmain_stream_push_all(tx, numbers, 8, SOON, &done), -ETIMEDOUT, "the time that was given is over");
    IS(done, 3);
    FAILS(ringmain_stream_push_all(tx, numbers, 8, RINGMAIN_NOW, NULL), -EAGAIN, "full");
    IS(ringmain_stream_pop_all(rx, found, 4, RINGMAIN_FOREVER, &done), 0);
    IS(done, 4);
    IS(found[0], 13);
    IS(memcmp(found + 1, numbers, 24), 0);
    FAILS(ringmain_stream_pop_all(rx, found, 4, SOON, &done), -ETIMEDOUT, "the time that was given is over");
    IS(done, 0);
    IS(ringmain_stream_push_all(tx, numbers, 4, LONG, &done), 0);
    IS(done, 4);
    IS(ringmain_pause(rx), 0);
    /* What the other end left comes first, and then that it left. */
    IS(ringmain_close(tx), 0);
    FAILS(ringmain_stream_pop_all(rx, found, 8, LONG, &done), -EPIPE, "has closed the ring");
    IS(done, 4);
    IS(ringmain_close(rx), 0);
}

/* What a ring of `capacity` elements can never hold is refused as that, also if it is full or empty now, and whatever
 * the limit is. */
static void never_fits(size_t capacity) {
    static const int64_t limits[] = {RINGMAIN_NOW, SOON, RINGMAIN_FOREVER};
    static const uint64_t numbers[64] = {0};
    uint64_t found[64];
    ringmain_slots slots;
    ringmain_elements elements;
    const size_t more = capacity + 1;
    for (size_t at = 0; at < 9; at++) {
        const int64_t limit = limits[at % 3];
        /* Empty, with one element, and full. */
        const size_t used = at < 3 ? 0 : at < 6 ? 1 : capacity;
        IS(ringmain_stream_push(tx, numbers, used, RINGMAIN_NOW), used);
        FAILS(ringmain_stream_peek(rx, more, more, limit, &elements), -EMSGSIZE, "asked for, the ring can hold");
        FAILS(ringmain_stream_peek(rx, more, SIZE_MAX, limit, &elements), -EMSGSIZE, "asked for, the ring can hold");
        FAILS(ringmain_stream_claim(tx, more, more, limit, &slots), -EMSGSIZE, "asked for, the ring can hold");
        FAILS(ringmain_stream_claim(tx, more, SIZE_MAX, limit, &slots), -EMSGSIZE, "asked for, the ring can hold");
        FAILS(ringmain_wait(tx, more, limit), -EMSGSIZE, "asked for, the ring can hold");
        FAILS(ringmain_wait(rx, more, limit), -EMSGSIZE, "asked for, the ring can hold");
        /* What takes as much as there is has no such bound. */
        IS(ringmain_stream_pop(rx, found, 64, RINGMAIN_NOW), used == 0 ? -EAGAIN : (long long)used);
    }
}

static void in_place(void) {
    uint64_t number = 0;
    ringmain_slots slots;
    ringmain_elements elements;
    open_both(8);
    for (uint64_t round = 0; round < 50; round++) {
        IS(ringmain_stream_claim(tx, 5, 5, RINGMAIN_NOW, &slots), 5);
        IS(slots.first_count + slots.second_count, 5);
        for (size_t at = 0; at < 5; at++) {
            uint64_t *first = (uint64_t *)slots.first, *second = (uint64_t *)slots.second;
            *(at < slots.first_count ? first + at : second + (at - slots.first_count)) = 10 * round + at;
        }
        /* Nothing else is allowed meanwhile. */
        FAILS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), -EINVAL, "a claim of slots is open");
        FAILS(ringmain_len(tx), -EINVAL, "a claim of slots is open");
        FAILS(ringmain_stream_commit(tx, 6), -EINVAL, "commit of 6, but 5 slots were claimed");
        IS(ringmain_stream_commit(tx, 4), 0);
        FAILS(ringmain_stream_commit(tx, 0), -EINVAL, "nothing is open, expected a claim of slots");

        IS(ringmain_stream_peek(rx, 1, 99, RINGMAIN_FOREVER, &elements), 4);
        IS(elements.position, 4 * round);
        for (size_t at = 0; at < 4; at++) {
            const uint64_t *first = (const uint64_t *)elements.first, *second = (const uint64_t *)elements.second;
            number = at < elements.first_count ? first[at] : second[at - elements.first_count];
            IS(number, 10 * round + at);
        }
        FAILS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_NOW), -EINVAL, "a peek at elements is open");
        FAILS(ringmain_stream_release(rx, 5), -EINVAL, "release of 5, but 4 elements were peeked at");
        if (round % 2 == 0) {
            IS(ringmain_keep(rx), 0);
            IS(ringmain_stream_peek(rx, 4, 4, RINGMAIN_NOW, &elements), 4);
        }
        IS(ringmain_stream_release(rx, 1), 0);
        IS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_NOW), 1);
        IS(number, 10 * round + 1);
        uint64_t rest[8];
        IS(ringmain_stream_copy(rx, rest, 8, RINGMAIN_NOW), 2);
        IS(rest[1], 10 * round + 3);
        FAILS(ringmain_stream_copy(rx, rest, 8, RINGMAIN_NOW), -EINVAL, "a peek at elements is open");
        IS(ringmain_stream_release(rx, 2), 0);
    }
    FAILS(ringmain_stream_copy(rx, &number, 1, SOON), -ETIMEDOUT, "the time that was given is over");
    FAILS(ringmain_stream_peek(rx, 1, 1, SOON, &elements), -ETIMEDOUT, "the time that was given is over");
    FAILS(ringmain_stream_peek(rx, 1, 1, RINGMAIN_NOW, &elements), -EAGAIN, "empty");
    never_fits(8);
    FAILS(ringmain_stream_claim(tx, 3, 2, RINGMAIN_NOW, &slots), -EINVAL, "at least 3 and at most 2");
    FAILS(ringmain_keep(rx), -EINVAL, "nothing is open, expected a peek");
    FAILS(ringmain_abort(tx), -EINVAL, "nothing is open, expected a claim or a batch");
    IS(ringmain_stream_claim(tx, 0, 3, SOON, &slots), 3);
    IS(ringmain_abort(tx), 0);
    IS(ringmain_len(tx), 0);
    /* What is open is given up. */
    IS(ringmain_stream_claim(tx, 8, 8, RINGMAIN_NOW, &slots), 8);
    IS(ringmain_close(tx), 0);
    FAILS(ringmain_stream_peek(rx, 1, 1, LONG, &elements), -EPIPE, "has closed the ring");
    IS(ringmain_close(rx), 0);
}

static void waiting(void) {
    uint64_t number = 1;
    open_both(2);
    FAILS(ringmain_wait(rx, 1, RINGMAIN_NOW), -EAGAIN, "the ring is empty");
    FAILS(ringmain_wait(rx, 1, SOON), -ETIMEDOUT, "the time that was given is over");
    IS(ringmain_wait(tx, 2, RINGMAIN_FOREVER), 0);
    FAILS(ringmain_wait(tx, 3, RINGMAIN_FOREVER), -EMSGSIZE, "3 asked for, the ring can hold 2");
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_wait(rx, 1, RINGMAIN_NOW), 0);
    FAILS(ringmain_wait(tx, 2, RINGMAIN_NOW), -EAGAIN, "the ring is full");
    IS(ringmain_set_wait(tx, RINGMAIN_PARK), 0);
    FAILS(ringmain_wait(tx, 2, SOON), -ETIMEDOUT, "the time that was given is over");
    FAILS(ringmain_set_wait(tx, 7), -EINVAL, "wait is 7, expected RINGMAIN_SPIN_THEN_PARK");
    IS(ringmain_close(tx), 0);
    /* One is left, two were asked for. */
    FAILS(ringmain_wait(rx, 2, LONG), -EPIPE, "left 1 of the 2");
    IS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_NOW), 1);
    FAILS(ringmain_wait(rx, 1, RINGMAIN_NOW), -EPIPE, "has closed the ring");
    IS(ringmain_close(rx), 0);
}

/* Elements of any size, across the end of the buffer, in two processes. */
static void sizes(void) {
    static const size_t all[] = {1, 2, 3, 4, 7, 8, 12, 16, 24, 33, 64, 100, 264, 1500};
    for (size_t which = 0; which < sizeof all / sizeof *all; which++) {
        const size_t size = all[which];
        unsigned char element[1500];
        ringmain_options options = options_of(8);
        options.element_size = size;
        options.element_align = 1;
        options.flags = RINGMAIN_UNLINK_ON_CLOSE;
        rx = attach(RINGMAIN_STREAM_CONSUMER, name_of("sizes"), &options);
        char name[64];
        strcpy(name, name_of("sizes"));
        pid_t child = fork_among_sleepers();
        CHECK(child >= 0);
        if (child == 0) {
            options.flags = 0;
            tx = attach(RINGMAIN_STREAM_PRODUCER, name, &options);
            for (int number = 0; number < 300; number++) {
                memset(element, number % 251, size);
                IS(ringmain_stream_push(tx, element, 1, LONG), 1);
            }
            IS(ringmain_close(tx), 0);
            _exit(0);
        }
        for (int number = 0; number < 300; number++) {
            memset(element, 255, size);
            IS(ringmain_stream_pop(rx, element, 1, LONG), 1);
            for (size_t at = 0; at < size; at++) IS(element[at], number % 251);
        }
        FAILS(ringmain_stream_pop(rx, element, 1, LONG), -EPIPE, "has closed the ring");
        IS(ended(child), 0);
        IS(ringmain_close(rx), 0);
    }
}

int main(void) {
    one_by_one();
    in_bulk();
    in_place();
    waiting();
    sizes();
    return 0;
}

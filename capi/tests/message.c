/* Messages of any length: each call of a message ring. */
#include "check.h"

static ringmain_end *tx, *rx;
static char found[4096];

static void open_both(size_t capacity, size_t alignment) {
    ringmain_options options = options_of(capacity);
    options.record_alignment = alignment;
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    tx = attach(RINGMAIN_MESSAGE_PRODUCER, name_of("message"), &options);
    rx = attach(RINGMAIN_MESSAGE_CONSUMER, name_of("message"), &options);
}

static void close_both(void) {
    IS(ringmain_close(tx), 0);
    IS(ringmain_close(rx), 0);
}

static void one_by_one(void) {
    open_both(4096, 0);
    FAILS(ringmain_message_pop(rx, found, sizeof found, RINGMAIN_NOW), -EAGAIN, "the ring is empty");
    /* A time that has passed. */
    FAILS(ringmain_message_pop(rx, found, sizeof found, -5), -EAGAIN, "the ring is empty");
    FAILS(ringmain_message_pop(rx, found, sizeof found, SOON), -ETIMEDOUT, "within the time");
    FAILS(ringmain_message_next_len(rx, SOON), -ETIMEDOUT, "within the time");
    FAILS(ringmain_wait(rx, 1, SOON), -ETIMEDOUT, "within the time");
    IS(ringmain_message_push(tx, "buy 100", 7, RINGMAIN_NOW), 0);
    IS(ringmain_message_push(tx, NULL, 0, RINGMAIN_FOREVER), 0);
    IS(ringmain_wait(rx, 1, RINGMAIN_NOW), 0);
    IS(ringmain_message_next_len(rx, RINGMAIN_NOW), 7);
    FAILS(ringmain_message_pop(rx, found, 6, RINGMAIN_NOW), -EMSGSIZE, "a message of 7 bytes, the buffer has 6");
    FAILS(ringmain_message_pop(rx, found, 6, LONG), -EMSGSIZE, "a message of 7 bytes, the buffer has 6");
    IS(ringmain_message_pop(rx, found, 7, RINGMAIN_NOW), 7);
    IS(memcmp(found, "buy 100", 7), 0);
    IS(ringmain_message_pop(rx, NULL, 0, RINGMAIN_FOREVER), 0);
    FAILS(ringmain_message_push(tx, found, 4096, RINGMAIN_FOREVER), -EMSGSIZE, "4096 asked for");
    FAILS(ringmain_message_push_tagged(tx, 1, "x", 1, RINGMAIN_NOW), -EINVAL, "aligned to 8 bytes have no word");
    memset(found, 'x', sizeof found);
    IS(ringmain_wait(tx, 4000, RINGMAIN_NOW), 0);
    IS(ringmain_message_push(tx, found, 4000, RINGMAIN_NOW), 0);
    FAILS(ringmain_message_push(tx, found, 100, RINGMAIN_NOW), -EAGAIN, "the ring is full");
    FAILS(ringmain_message_push(tx, found, 100, SOON), -ETIMEDOUT, "within the time");
    FAILS(ringmain_wait(tx, 100, RINGMAIN_NOW), -EAGAIN, "the ring is full");
    CHECK(ringmain_room(tx) < 100);
    CHECK(ringmain_len(rx) >= 4000);
    IS(ringmain_pause(rx), 0);
    close_both();
}

static void with_words_and_parts(void) {
    uint64_t word = 0;
    char buy[] = "buy ", number[] = "100";
    struct iovec parts[3];
    parts[0].iov_base = buy;
    parts[0].iov_len = 4;
    parts[1].iov_base = number;
    parts[1].iov_len = 3;
    parts[2].iov_base = number;
    parts[2].iov_len = 0;
    open_both(4096, 64);
    IS(ringmain_message_push_tagged(tx, 1ull << 63, "one", 3, RINGMAIN_NOW), 0);
    IS(ringmain_message_push_vectored(tx, parts, 3, RINGMAIN_NOW), 0);
    IS(ringmain_message_push_vectored(tx, NULL, 0, LONG), 0);
    IS(ringmain_message_pop_tagged(rx, &word, found, sizeof found, RINGMAIN_NOW), 3);
    CHECK(word == 1ull << 63 && memcmp(found, "one", 3) == 0);
    IS(ringmain_message_pop_tagged(rx, &word, found, sizeof found, RINGMAIN_FOREVER), 7);
    CHECK(word == 0 && memcmp(found, "buy 100", 7) == 0);
    IS(ringmain_message_pop(rx, found, 0, RINGMAIN_NOW), 0);
    FAILS(ringmain_message_pop_tagged(rx, &word, found, 1, SOON), -ETIMEDOUT, "within the time");
    parts[1].iov_base = NULL;
    FAILS(ringmain_message_push_vectored(tx, parts, 3, RINGMAIN_NOW), -EINVAL, "a part of the message is NULL");
    FAILS(ringmain_message_push_vectored(tx, NULL, 1, RINGMAIN_NOW), -EINVAL, "1 parts at 0x0");
    close_both();
}

static void in_place(void) {
    void *bytes = NULL;
    ringmain_record record;
    open_both(4096, 16);
    for (uint64_t round = 0; round < 200; round++) {
        IS(ringmain_message_claim(tx, 100, RINGMAIN_NOW, &bytes), 0);
        CHECK((uintptr_t)bytes % 16 == 0);
        memset(bytes, (int)round, 90);
        FAILS(ringmain_message_push(tx, "x", 1, RINGMAIN_NOW), -EINVAL, "a claim of room is open");
        FAILS(ringmain_message_commit(tx, 101), -EINVAL, "commit of 101 bytes, but 100 were claimed");
        IS(round % 2 == 0 ? ringmain_message_commit(tx, 90) : ringmain_message_commit_tagged(tx, round, 90), 0);
        IS(ringmain_message_peek(rx, RINGMAIN_FOREVER, &record), 0);
        IS(record.len, 90);
        IS(record.word, round % 2 == 0 ? 0 : round);
        for (size_t at = 0; at < 90; at++) IS(((const unsigned char *)record.bytes)[at], round);
        FAILS(ringmain_message_next_len(rx, RINGMAIN_NOW), -EINVAL, "a peek at messages is open");
        if (round % 3 == 0) {
            IS(ringmain_keep(rx), 0);
            const uint64_t position = record.position;
            IS(ringmain_message_peek(rx, RINGMAIN_NOW, &record), 0);
            IS(record.position, position);
        }
        IS(ringmain_message_release(rx), 1);
    }
    FAILS(ringmain_message_release(rx), -EINVAL, "nothing is open, expected a peek at messages");
    FAILS(ringmain_message_commit(tx, 0), -EINVAL, "nothing is open, expected a claim of room");
    FAILS(ringmain_message_peek(rx, RINGMAIN_NOW, &record), -EAGAIN, "empty");
    FAILS(ringmain_message_peek(rx, SOON, &record), -ETIMEDOUT, "within the time");
    FAILS(ringmain_message_claim(tx, 5000, LONG, &bytes), -EMSGSIZE, "5000 asked for");
    IS(ringmain_message_claim(tx, 3000, LONG, &bytes), 0);
    IS(ringmain_abort(tx), 0);
    IS(ringmain_len(tx), 0);
    IS(ringmain_message_claim(tx, 3000, LONG, &bytes), 0);
    IS(ringmain_message_commit(tx, 3000), 0);
    FAILS(ringmain_message_claim(tx, 3000, SOON, &bytes), -ETIMEDOUT, "within the time");
    close_both();
    /* Without words, a tag is refused and the claim stays open. */
    open_both(4096, 8);
    IS(ringmain_message_claim(tx, 8, RINGMAIN_NOW, &bytes), 0);
    FAILS(ringmain_message_commit_tagged(tx, 1, 8), -EINVAL, "have no word");
    IS(ringmain_message_commit(tx, 0), 0);
    IS(ringmain_message_pop(rx, found, 8, RINGMAIN_NOW), 0);
    close_both();
}

static void in_batches(void) {
    void *bytes = NULL;
    uint64_t position = 0;
    struct iovec part;
    open_both(4096, 16);
    IS(ringmain_batch_begin(tx), 0);
    IS(ringmain_message_push(tx, "one", 3, RINGMAIN_NOW), 0);
    part.iov_base = found;
    part.iov_len = 0;
    IS(ringmain_message_push_tagged(tx, 2, "two", 3, LONG), 0);
    IS(ringmain_message_push_vectored(tx, &part, 1, RINGMAIN_FOREVER), 0);
    FAILS(ringmain_message_pop(rx, found, 8, RINGMAIN_NOW), -EAGAIN, "empty");
    FAILS(ringmain_batch_begin(tx), -EINVAL, "a batch is open");
    FAILS(ringmain_message_claim(tx, 8, RINGMAIN_NOW, &bytes), -EINVAL, "a batch is open");
    FAILS(ringmain_wait(tx, 8, RINGMAIN_NOW), -EINVAL, "a batch is open");
    FAILS(ringmain_message_push(tx, found, 4070, SOON), -EMSGSIZE, "4070 asked for");
    IS(ringmain_batch_commit(tx), 3);
    FAILS(ringmain_batch_commit(tx), -EINVAL, "nothing is open, expected a batch");

    /* Copied one after the other, and given back together, or not at all. */
    for (int round = 0; round < 2; round++) {
        IS(ringmain_message_copy_next(rx, found, sizeof found, RINGMAIN_NOW), 3);
        CHECK(memcmp(found, "one", 3) == 0);
        FAILS(ringmain_message_copy_next(rx, found, 2, LONG), -EMSGSIZE, "a message of 3 bytes, the buffer has 2");
        IS(ringmain_message_copy_next(rx, found, 3, RINGMAIN_FOREVER), 3);
        CHECK(memcmp(found, "two", 3) == 0);
        IS(ringmain_message_copy_next(rx, NULL, 0, LONG), 0);
        FAILS(ringmain_message_copy_next(rx, found, 3, RINGMAIN_NOW), -EAGAIN, "empty");
        FAILS(ringmain_message_copy_next(rx, found, 3, SOON), -ETIMEDOUT, "within the time");
        FAILS(ringmain_message_pop(rx, found, 3, RINGMAIN_NOW), -EINVAL, "a peek at messages is open");
        if (round == 0) {
            IS(ringmain_keep(rx), 0);
            IS(ringmain_position(rx, &position), 0);
            IS(position, 0);
        } else {
            IS(ringmain_message_release(rx), 3);
        }
    }
    IS(ringmain_len(rx), 0);
    FAILS(ringmain_message_copy_next(rx, found, 3, RINGMAIN_NOW), -EAGAIN, "empty");
    FAILS(ringmain_message_release(rx), -EINVAL, "nothing is open");
    IS(ringmain_batch_begin(tx), 0);
    IS(ringmain_message_push(tx, "gone", 4, RINGMAIN_NOW), 0);
    IS(ringmain_abort(tx), 0);
    IS(ringmain_batch_begin(tx), 0);
    IS(ringmain_batch_commit(tx), 0);
    FAILS(ringmain_message_pop(rx, found, 8, RINGMAIN_NOW), -EAGAIN, "empty");
    close_both();
}

/* Messages of all lengths, in two processes. */
static void between_processes(void) {
    char name[64];
    strcpy(name, name_of("flow"));
    ringmain_options options = options_of(1 << 16);
    options.wait_for_ns = LONG;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        options.capacity = 0;
        rx = attach(RINGMAIN_MESSAGE_CONSUMER, name, &options);
        for (size_t number = 0; number < 20000; number++) {
            const size_t len = number % 1000;
            IS(ringmain_message_pop(rx, found, sizeof found, LONG), len);
            for (size_t at = 0; at < len; at++) IS((unsigned char)found[at], number % 256);
        }
        FAILS(ringmain_message_pop(rx, found, sizeof found, LONG), -EPIPE, "has closed the ring");
        IS(ringmain_close(rx), 0);
        _exit(0);
    }
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    tx = attach(RINGMAIN_MESSAGE_PRODUCER, name, &options);
    for (size_t number = 0; number < 20000; number++) {
        memset(found, (int)(number % 256), number % 1000);
        IS(ringmain_message_push(tx, found, number % 1000, LONG), 0);
    }
    while (ringmain_peer(tx) == RINGMAIN_PEER_NEVER) usleep(1000);
    IS(ringmain_close(tx), 0);
    IS(ended(child), 0);
}

int main(void) {
    one_by_one();
    with_words_and_parts();
    in_place();
    in_batches();
    between_processes();
    return 0;
}

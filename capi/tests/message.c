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
    FAILS(ringmain_message_pop(rx, found, sizeof found, SOON), -ETIMEDOUT, "the time that was given is over");
    FAILS(ringmain_message_next_len(rx, SOON), -ETIMEDOUT, "the time that was given is over");
    FAILS(ringmain_wait(rx, 1, SOON), -ETIMEDOUT, "the time that was given is over");
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
    FAILS(ringmain_message_push(tx, found, 100, SOON), -ETIMEDOUT, "the time that was given is over");
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
    FAILS(ringmain_message_pop_tagged(rx, &word, found, 1, SOON), -ETIMEDOUT, "the time that was given is over");
    parts[1].iov_base = NULL;
    FAILS(ringmain_message_push_vectored(tx, parts, 3, RINGMAIN_NOW), -EINVAL, "a part of the message is NULL");
    /* An empty part has no address, as for writev(). */
    parts[1].iov_len = 0;
    IS(ringmain_message_push_vectored(tx, parts, 3, RINGMAIN_NOW), 0);
    IS(ringmain_message_pop(rx, found, sizeof found, RINGMAIN_NOW), 4);
    CHECK(memcmp(found, "buy ", 4) == 0);
    IS(ringmain_message_push_vectored(tx, parts + 1, 1, RINGMAIN_NOW), 0);
    IS(ringmain_message_pop(rx, found, sizeof found, RINGMAIN_NOW), 0);
    IS(ringmain_batch_begin(tx), 0);
    IS(ringmain_message_push_vectored(tx, parts, 2, RINGMAIN_NOW), 0);
    IS(ringmain_message_push_vectored(tx, parts + 1, 1, RINGMAIN_NOW), 0);
    IS(ringmain_batch_commit(tx), 2);
    IS(ringmain_message_pop(rx, found, sizeof found, RINGMAIN_NOW), 4);
    IS(ringmain_message_pop(rx, found, sizeof found, RINGMAIN_NOW), 0);
    /* More than there are addresses for. */
    parts[1].iov_base = parts[2].iov_base = parts[0].iov_base;
    parts[1].iov_len = parts[2].iov_len = SIZE_MAX / 2;
    FAILS(ringmain_message_push_vectored(tx, parts, 3, RINGMAIN_NOW), -EMSGSIZE, "asked for, the ring can hold");
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
    FAILS(ringmain_message_peek(rx, SOON, &record), -ETIMEDOUT, "the time that was given is over");
    FAILS(ringmain_message_claim(tx, 5000, LONG, &bytes), -EMSGSIZE, "5000 asked for");
    IS(ringmain_message_claim(tx, 3000, LONG, &bytes), 0);
    IS(ringmain_abort(tx), 0);
    IS(ringmain_len(tx), 0);
    IS(ringmain_message_claim(tx, 3000, LONG, &bytes), 0);
    IS(ringmain_message_commit(tx, 3000), 0);
    FAILS(ringmain_message_claim(tx, 3000, SOON, &bytes), -ETIMEDOUT, "the time that was given is over");
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
        FAILS(ringmain_message_copy_next(rx, found, 3, SOON), -ETIMEDOUT, "the time that was given is over");
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

/* What the ring can never hold, beside the messages of a batch too, is refused as that, whatever the limit is. */
static void never_fits(void) {
    static const int64_t limits[] = {RINGMAIN_NOW, SOON, RINGMAIN_FOREVER};
    static char large[5000];
    void *bytes = NULL;
    struct iovec part;
    ringmain_info info;
    int at;
    open_both(4096, 16);
    info.size = sizeof info;
    IS(ringmain_end_info(tx, &info), 0);
    part.iov_base = large;
    for (at = 0; at < 6; at++) {
        const int64_t limit = limits[at % 3];
        const size_t more = info.max_len + 1;
        /* Full, or empty. */
        if (at == 3) IS(ringmain_message_push(tx, large, info.max_len, RINGMAIN_NOW), 0);
        part.iov_len = more;
        FAILS(ringmain_message_push(tx, large, more, limit), -EMSGSIZE, "asked for, the ring can hold 4064");
        FAILS(ringmain_message_push_tagged(tx, 1, large, more, limit), -EMSGSIZE, "the ring can hold 4064");
        FAILS(ringmain_message_push_vectored(tx, &part, 1, limit), -EMSGSIZE, "the ring can hold 4064");
        FAILS(ringmain_message_claim(tx, more, limit, &bytes), -EMSGSIZE, "the ring can hold 4064");
        FAILS(ringmain_wait(tx, more, limit), -EMSGSIZE, "the ring can hold 4064");
        /* In a batch: alone, and after others. */
        IS(ringmain_batch_begin(tx), 0);
        FAILS(ringmain_message_push(tx, large, more, limit), -EMSGSIZE, "the ring can hold 4064");
        if (at < 3) {
            IS(ringmain_message_push(tx, large, 1000, RINGMAIN_NOW), 0);
            IS(ringmain_message_push(tx, large, 1000, RINGMAIN_NOW), 0);
            part.iov_len = 2017;
            const char *words = "2017 bytes after 2 messages of the batch that is open: the ring can hold 2016 beside";
            FAILS(ringmain_message_push(tx, large, 2017, limit), -EMSGSIZE, words);
            FAILS(ringmain_message_push_tagged(tx, 1, large, 2017, limit), -EMSGSIZE, words);
            FAILS(ringmain_message_push_vectored(tx, &part, 1, limit), -EMSGSIZE, words);
            IS(ringmain_message_push(tx, large, 2016, RINGMAIN_NOW), 0);
            FAILS(ringmain_message_push(tx, NULL, 0, limit), -EMSGSIZE, "0 bytes after 3 messages");
            /* It is still open, and what it has is sent. */
            IS(ringmain_batch_commit(tx), 3);
            for (; ringmain_len(rx) > 0;) CHECK(ringmain_message_pop(rx, large, sizeof large, RINGMAIN_NOW) >= 1000);
        } else {
            /* What has no room yet may get it. */
            FAILS(ringmain_message_push(tx, large, 10, RINGMAIN_NOW), -EAGAIN, "full");
            FAILS(ringmain_message_push(tx, large, 10, SOON), -ETIMEDOUT, "the time that was given is over");
            IS(ringmain_abort(tx), 0);
        }
    }
    /* Copies that fill the ring leave room for no further message before they are released. */
    IS(ringmain_message_copy_next(rx, large, sizeof large, RINGMAIN_NOW), 4064);
    FAILS(ringmain_message_copy_next(rx, large, sizeof large, RINGMAIN_NOW), -EAGAIN, "empty");
    FAILS(ringmain_message_copy_next(rx, large, sizeof large, LONG), -EMSGSIZE, "the ring can hold");
    IS(ringmain_message_release(rx), 1);
    close_both();
}

/* Messages of all lengths, in two processes. */
static void between_processes(void) {
    char name[64];
    strcpy(name, name_of("flow"));
    ringmain_options options = options_of(1 << 16);
    options.wait_for_ns = LONG;
    pid_t child = fork_among_sleepers();
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
    never_fits();
    between_processes();
    return 0;
}

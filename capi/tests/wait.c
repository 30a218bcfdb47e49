/* Waiting at many rings at once, and ending a wait from outside: by a thread, and by a handler of a signal. */
#include "check.h"

#include <pthread.h>

#define MANY RINGMAIN_MOST_INTERESTS

static ringmain_waitset *set;
static ringmain_interest list[MANY + 1];

/* Puts a handle into the list. */
static void want(size_t at, ringmain_end *end, size_t need) {
    memset(&list[at], 0x5a, sizeof list[at]);
    list[at].end = end;
    list[at].need = need;
}

static ringmain_end *numbers(const char *what, uint32_t which, uint32_t flags) {
    ringmain_options options = numbers_of(4);
    options.flags = flags;
    return attach(which, name_of(what), &options);
}

static ringmain_end *messages(const char *what, uint32_t which, uint32_t flags) {
    ringmain_options options = options_of(4096);
    options.flags = flags;
    return attach(which, name_of(what), &options);
}

/* Both kinds, both ends: what is ready, and stays so. */
static void what_is_ready(void) {
    uint64_t number = 7, found[4];
    char bytes[8];
    static const char filler[2000] = {0};
    ringmain_end *tx = numbers("s", RINGMAIN_STREAM_PRODUCER, RINGMAIN_UNLINK_ON_CLOSE);
    ringmain_end *rx = numbers("s", RINGMAIN_STREAM_CONSUMER, 0);
    ringmain_end *writer = messages("m", RINGMAIN_MESSAGE_PRODUCER, RINGMAIN_UNLINK_ON_CLOSE);
    ringmain_end *reader = messages("m", RINGMAIN_MESSAGE_CONSUMER, 0);
    want(0, rx, 2);
    want(1, reader, 99);
    IS(ringmain_waitset_wait(set, list, 2, RINGMAIN_NOW), 0);
    IS(ringmain_waitset_wait(set, list, 2, SOON), 0);
    IS(ringmain_waitset_wait(set, NULL, 0, SOON), 0);
    CHECK(list[0].ready == 0 && list[1].ready == 0 && list[0].end == rx && list[0].need == 2);
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_waitset_wait(set, list, 2, RINGMAIN_NOW), 0);
    FAILS(ringmain_wait(rx, 2, RINGMAIN_NOW), -EAGAIN, "2 elements asked for, 1 are there");
    IS(ringmain_message_push(writer, "hello", 5, RINGMAIN_NOW), 0);
    IS(ringmain_waitset_wait(set, list, 2, RINGMAIN_FOREVER), 1);
    CHECK(list[0].ready == 0 && list[1].ready == 1);
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    /* As long as nobody takes it. */
    IS(ringmain_waitset_wait(set, list, 2, RINGMAIN_FOREVER), 2);
    IS(ringmain_waitset_wait(set, list, 2, RINGMAIN_NOW), 2);
    CHECK(list[0].ready == 1 && list[1].ready == 1);
    IS(ringmain_message_pop(reader, bytes, 8, RINGMAIN_NOW), 5);
    /* Producers: 2 of 4 slots are free, and room for a message. */
    want(1, tx, 2);
    want(2, tx, 3);
    list[2].end = writer;
    IS(ringmain_waitset_wait(set, list, 3, LONG), 3);
    IS(ringmain_message_push(writer, filler, sizeof filler, RINGMAIN_NOW), 0);
    list[1].need = 3;
    list[2].need = sizeof filler + 90;
    IS(ringmain_waitset_wait(set, list, 3, LONG), 1);
    CHECK(list[0].ready == 1 && list[1].ready == 0 && list[2].ready == 0);
    list[2].need = 100;
    IS(ringmain_stream_pop(rx, found, 1, RINGMAIN_NOW), 1);
    IS(ringmain_waitset_wait(set, list, 3, LONG), 2);
    CHECK(list[0].ready == 0 && list[1].ready == 1 && list[2].ready == 1);
    IS(ringmain_waitset_set_wait(set, RINGMAIN_PARK), 0);
    IS(ringmain_waitset_wait(set, list, 1, SOON), 0);
    IS(ringmain_waitset_set_wait(set, RINGMAIN_SPIN_THEN_PARK), 0);
    IS(ringmain_close(tx), 0);
    IS(ringmain_close(rx), 0);
    IS(ringmain_close(writer), 0);
    IS(ringmain_close(reader), 0);
}

/* The end of the other side is ready, and the next call tells how it ended. */
static void ends(void) {
    uint64_t number;
    char name[64], path[80];
    int how;
    strcpy(name, name_of("ends"));
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    for (how = 0; how < 4; how++) {
        ringmain_end *rx = numbers("ends", RINGMAIN_STREAM_CONSUMER, RINGMAIN_UNLINK_ON_CLOSE);
        ringmain_end *tx = how == 1 ? NULL : numbers("ends", RINGMAIN_STREAM_PRODUCER, 0);
        want(0, rx, 1);
        if (how == 1) {
            pid_t child = fork_among_sleepers();
            CHECK(child >= 0);
            if (child == 0) {
                ringmain_options own = numbers_of(4);
                attach(RINGMAIN_STREAM_PRODUCER, name, &own);
                kill(getpid(), SIGKILL);
            }
            IS(ended(child), 128 + SIGKILL);
        } else if (how == 2) {
            CHECK(truncate(path, 4096) == 0);
        } else if (how == 3) {
            IS(ringmain_abandon(tx), 0);
        } else {
            IS(ringmain_close(tx), 0);
        }
        IS(ringmain_waitset_wait(set, list, 1, LONG), 1);
        IS(list[0].ready, 1);
        if (how == 0) FAILS(ringmain_stream_pop(rx, &number, 1, LONG), -EPIPE, "has closed the ring");
        if (how == 1) FAILS(ringmain_wait(rx, 1, RINGMAIN_NOW), -ECONNRESET, "is gone without");
        if (how == 2) FAILS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_NOW), -EBADMSG, "4096 bytes");
        if (how == 3) FAILS(ringmain_wait(rx, 1, RINGMAIN_NOW), -ECONNRESET, "is gone without");
        if (how == 2) IS(ringmain_close(tx), 0);
        IS(ringmain_close(rx), 0);
    }
}

/* Another process sends while this one sleeps, to one ring after the other. */
static void sleeping(void) {
    enum { RINGS = 5, ROUNDS = 200 };
    ringmain_end *rings[RINGS], *back;
    uint64_t number;
    char name[RINGS][64], what[8], answers[64];
    int at, round;
    strcpy(answers, name_of("answers"));
    ringmain_options options = numbers_of(4);
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    back = attach(RINGMAIN_STREAM_PRODUCER, answers, &options);
    for (at = 0; at < RINGS; at++) {
        snprintf(what, sizeof what, "sl%d", at);
        strcpy(name[at], name_of(what));
        rings[at] = attach(RINGMAIN_STREAM_CONSUMER, name[at], &options);
        want((size_t)at, rings[at], 1);
    }
    pid_t child = fork_among_sleepers();
    CHECK(child >= 0);
    if (child == 0) {
        ringmain_options own = numbers_of(4);
        ringmain_end *senders[RINGS], *rx = attach(RINGMAIN_STREAM_CONSUMER, answers, &own);
        for (at = 0; at < RINGS; at++) senders[at] = attach(RINGMAIN_STREAM_PRODUCER, name[at], &own);
        for (round = 0; round < ROUNDS; round++) {
            number = (uint64_t)round;
            /* Some rounds after the other one sleeps. */
            if (round % 10 == 0) usleep(1000);
            IS(ringmain_stream_push(senders[round % RINGS], &number, 1, LONG), 1);
            IS(ringmain_stream_pop(rx, &number, 1, LONG), 1);
            IS(number, round + 1);
        }
        for (at = 0; at < RINGS; at++) IS(ringmain_close(senders[at]), 0);
        IS(ringmain_close(rx), 0);
        /* No look for leaks: the handles of the parent are nobody's here. */
        _exit(0);
    }
    IS(ringmain_wait(back, 4, LONG), 0);
    for (round = 0; round < ROUNDS; round++) {
        IS(ringmain_waitset_wait(set, list, RINGS, LONG), 1);
        IS(list[round % RINGS].ready, 1);
        IS(ringmain_stream_pop(rings[round % RINGS], &number, 1, RINGMAIN_NOW), 1);
        IS(number, round);
        number++;
        IS(ringmain_stream_push(back, &number, 1, LONG), 1);
    }
    IS(ended(child), 0);
    for (at = 0; at < RINGS; at++) IS(ringmain_close(rings[at]), 0);
    IS(ringmain_close(back), 0);
}

static ringmain_waker *stop;

static void *wake_later(void *unused) {
    usleep(20000);
    CHECK(ringmain_wake(stop) == 0);
    return unused;
}

static void on_alarm(int signal) {
    (void)signal;
    ringmain_wake(stop);
}

/* Ends a wait that has begun: by a thread, and by a handler of a signal of this thread. */
static void wakes(ptrdiff_t (*wait)(ringmain_end *), ringmain_end *end) {
    int how;
    /* Before the wait. */
    CHECK(ringmain_wake(stop) == 0 && ringmain_wake(stop) == 0);
    FAILS(wait(end), -ECANCELED, "a waker of the handle has ended the wait");
    for (how = 0; how < 2; how++) {
        pthread_t thread;
        if (how == 0) CHECK(pthread_create(&thread, NULL, wake_later, NULL) == 0);
        if (how == 1) ualarm(20000, 0);
        FAILS(wait(end), -ECANCELED, "a waker of the handle has ended the wait");
        if (how == 0) CHECK(pthread_join(thread, NULL) == 0);
    }
}

static ptrdiff_t pop_one(ringmain_end *rx) {
    uint64_t number;
    return ringmain_stream_pop(rx, &number, 1, RINGMAIN_FOREVER);
}

static ptrdiff_t push_all(ringmain_end *tx) {
    static const uint64_t some[9] = {0};
    return ringmain_stream_push_all(tx, some, 9, RINGMAIN_FOREVER, NULL);
}

static ptrdiff_t pop_message(ringmain_end *rx) {
    char bytes[8];
    return ringmain_message_pop(rx, bytes, 8, RINGMAIN_FOREVER);
}

static ptrdiff_t wait_for_room(ringmain_end *tx) { return ringmain_wait(tx, 4000, RINGMAIN_FOREVER); }

static ptrdiff_t wait_in_a_set(ringmain_end *end) {
    want(0, end, 1);
    const ptrdiff_t woken = ringmain_waitset_wait(set, list, 1, RINGMAIN_FOREVER);
    CHECK(list[0].ready == 0);
    return woken;
}

static void calls(void) {
    uint64_t number = 1, found[4];
    struct sigaction action;
    ringmain_waker *same = NULL;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    ringmain_end *rx = numbers("call", RINGMAIN_STREAM_CONSUMER, RINGMAIN_UNLINK_ON_CLOSE);
    ringmain_end *tx = numbers("call", RINGMAIN_STREAM_PRODUCER, 0);
    ringmain_end *reader = messages("callm", RINGMAIN_MESSAGE_CONSUMER, RINGMAIN_UNLINK_ON_CLOSE);
    ringmain_end *writer = messages("callm", RINGMAIN_MESSAGE_PRODUCER, 0);

    IS(ringmain_end_waker(rx, &stop), 0);
    wakes(pop_one, rx);
    /* What is there is popped, and the call waits for the next call that has to wait. */
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_wake(stop), 0);
    IS(ringmain_stream_pop(rx, &number, 1, LONG), 1);
    FAILS(ringmain_stream_pop(rx, &number, 1, LONG), -ECANCELED, "a waker");
    FAILS(ringmain_stream_pop(rx, &number, 1, SOON), -ETIMEDOUT, "the time that was given is over");
    /* The same one again. */
    IS(ringmain_end_waker(rx, &same), 0);
    IS(ringmain_wake(same), 0);
    ringmain_waker_free(same);
    FAILS(ringmain_wait(rx, 1, LONG), -ECANCELED, "a waker");
    ringmain_waker_free(stop);

    IS(ringmain_end_waker(tx, &stop), 0);
    wakes(push_all, tx);
    ringmain_waker_free(stop);
    IS(ringmain_end_waker(reader, &stop), 0);
    wakes(pop_message, reader);
    ringmain_waker_free(stop);
    IS(ringmain_end_waker(writer, &stop), 0);
    static const char filler[1000] = {0};
    IS(ringmain_message_push(writer, filler, sizeof filler, RINGMAIN_NOW), 0);
    wakes(wait_for_room, writer);
    /* It outlives the handle. */
    IS(ringmain_close(writer), 0);
    IS(ringmain_wake(stop), 0);
    ringmain_waker_free(stop);

    IS(ringmain_stream_pop(rx, found, 4, RINGMAIN_NOW), 4);
    IS(ringmain_waitset_waker(set, &stop), 0);
    wakes(wait_in_a_set, rx);
    /* A call comes before what is ready, and the wait after that looks first. */
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_waitset_wait(set, list, 1, LONG), 1);
    IS(ringmain_wake(stop), 0);
    FAILS(wait_in_a_set(rx), -ECANCELED, "a waker");
    IS(ringmain_wake(stop), 0);
    IS(ringmain_waitset_wait(set, list, 1, LONG), 1);
    FAILS(wait_in_a_set(rx), -ECANCELED, "a waker");
    IS(ringmain_waitset_wait(set, list, 1, LONG), 1);
    IS(ringmain_close(tx), 0);
    IS(ringmain_close(rx), 0);
    IS(ringmain_close(reader), 0);
}

static void wrong_lists(void) {
    uint64_t number = 0;
    ringmain_slots slots;
    size_t at;
    ringmain_end *tx = numbers("wrong", RINGMAIN_STREAM_PRODUCER, RINGMAIN_UNLINK_ON_CLOSE);
    for (at = 0; at <= MANY; at++) want(at, tx, 1);
    FAILS(ringmain_waitset_wait(set, list, MANY + 1, LONG), -EINVAL, "a wait at 128 rings, a set can wait at 127");
    FAILS(ringmain_waitset_wait(set, list, 2, LONG), -EINVAL, "entry 1 of the list: a set waits at the handle");
    FAILS(ringmain_waitset_wait(set, NULL, 2, LONG), -EINVAL, "2 interests at 0x0");
    list[1].end = NULL;
    FAILS(ringmain_waitset_wait(set, list, 2, LONG), -EINVAL, "entry 1 of the list: the handle is NULL");
    list[0].need = 5;
    FAILS(ringmain_waitset_wait(set, list, 1, LONG), -EMSGSIZE, "5");
    IS(list[0].ready, 0);
    /* Also beside what is ready, and without a wait. */
    ringmain_end *other = numbers("wrong2", RINGMAIN_STREAM_PRODUCER, RINGMAIN_UNLINK_ON_CLOSE);
    want(1, other, 1);
    FAILS(ringmain_waitset_wait(set, list, 2, RINGMAIN_NOW), -EMSGSIZE, "5 asked for, the ring can hold 4");
    IS(list[1].ready, 0);
    IS(ringmain_close(other), 0);
    list[0].need = 1;
    IS(ringmain_stream_claim(tx, 1, 1, RINGMAIN_NOW, &slots), 1);
    FAILS(ringmain_waitset_wait(set, list, 1, LONG), -EINVAL, "entry 0 of the list: a claim of slots is open");
    FAILS(ringmain_end_waker(tx, &stop), -EINVAL, "a claim of slots is open");
    CHECK(stop == NULL);
    IS(ringmain_abort(tx), 0);
    /* Each handle is good afterwards. */
    IS(ringmain_waitset_wait(set, list, 1, LONG), 1);
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_close(tx), 0);
}

/* As many rings as a set can wait at. */
static void many(void) {
    static ringmain_end *ends[2 * MANY];
    uint64_t number = 3;
    size_t at;
    ringmain_options options = numbers_of(2);
    for (at = 0; at < MANY; at++) {
        options.descriptor = 0;
        ends[2 * at] = attach(RINGMAIN_STREAM_PRODUCER, NULL, &options);
        options.descriptor = ringmain_descriptor(ends[2 * at]);
        ends[2 * at + 1] = attach(RINGMAIN_STREAM_CONSUMER, NULL, &options);
        want(at, ends[2 * at + 1], 1);
    }
    IS(ringmain_waitset_wait(set, list, MANY, 5 * SOON), 0);
    IS(ringmain_stream_push(ends[2 * MANY - 2], &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_stream_push(ends[0], &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_waitset_wait(set, list, MANY, LONG), 2);
    for (at = 0; at < MANY; at++) IS(list[at].ready, at == 0 || at == MANY - 1);
    for (at = 0; at < 2 * MANY; at++) IS(ringmain_close(ends[at]), 0);
}

int main(void) {
    IS(ringmain_waitset_open(&set), 0);
    what_is_ready();
    ends();
    sleeping();
    wrong_lists();
    many();
    calls();
    /* A waker outlives its set. */
    ringmain_waitset_free(set);
    ringmain_waitset_free(NULL);
    IS(ringmain_wake(stop), 0);
    ringmain_waker_free(stop);
    ringmain_waker_free(NULL);
    return 0;
}

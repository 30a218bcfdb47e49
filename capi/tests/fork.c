/* What a forked child can do: nothing with the handles of its parent but to close its copies, and all else. This file
 * calls every function of the header in a child; tests/c.rs compares. */
#include "check.h"

#include <fcntl.h>
#include <sys/socket.h>

static ringmain_end *tx, *rx, *writer, *reader;
static ringmain_waitset *set;
static ringmain_waker *waker;
static uint64_t number = 7;

#define REFUSED(call) FAILS(call, -ECHILD, "was forked from")

/* Each call that takes a handle, and is no end of it. */
static void is_refused_in_the_child(void) {
    uint64_t found[4], word, position;
    char bytes[8];
    void *address;
    size_t done = 9;
    ringmain_slots slots;
    ringmain_elements elements;
    ringmain_record record;
    ringmain_waker *other = NULL;
    struct iovec part;
    part.iov_base = bytes;
    part.iov_len = 1;
    ringmain_interest list[] = {{rx, 1, 1, 0}};
    REFUSED(ringmain_seal(tx));
    REFUSED(ringmain_position(rx, &position));
    REFUSED(ringmain_len(rx));
    REFUSED(ringmain_room(tx));
    REFUSED(ringmain_peer(rx));
    REFUSED(ringmain_peer_state(rx));
    REFUSED(ringmain_peer_generation(rx, &position));
    REFUSED(ringmain_peer_changed(rx));
    REFUSED(ringmain_is_orphaned(rx));
    REFUSED(ringmain_is_truncated(rx));
    REFUSED(ringmain_set_wait(rx, RINGMAIN_PARK));
    REFUSED(ringmain_wait(rx, 1, RINGMAIN_NOW));
    REFUSED(ringmain_wait(writer, 8, LONG));
    REFUSED(ringmain_pause(rx));
    REFUSED(ringmain_abort(tx));
    REFUSED(ringmain_abort(writer));
    REFUSED(ringmain_keep(rx));
    REFUSED(ringmain_keep(reader));
    REFUSED(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW));
    REFUSED(ringmain_stream_push(tx, &number, 1, LONG));
    REFUSED(ringmain_stream_push(tx, NULL, 0, RINGMAIN_NOW));
    REFUSED(ringmain_stream_pop(rx, found, 4, RINGMAIN_NOW));
    REFUSED(ringmain_stream_pop(rx, found, 1, RINGMAIN_FOREVER));
    REFUSED(ringmain_stream_push_all(tx, &number, 1, LONG, &done));
    REFUSED(ringmain_stream_pop_all(rx, found, 1, LONG, &done));
    IS(done, 0);
    REFUSED(ringmain_stream_claim(tx, 1, 1, RINGMAIN_NOW, &slots));
    REFUSED(ringmain_stream_commit(tx, 1));
    REFUSED(ringmain_stream_peek(rx, 1, 1, RINGMAIN_NOW, &elements));
    REFUSED(ringmain_stream_copy(rx, found, 1, LONG));
    REFUSED(ringmain_stream_release(rx, 0));
    REFUSED(ringmain_message_push(writer, "x", 1, RINGMAIN_NOW));
    REFUSED(ringmain_message_push(writer, NULL, 0, LONG));
    REFUSED(ringmain_message_push_tagged(writer, 1, "x", 1, RINGMAIN_NOW));
    REFUSED(ringmain_message_push_vectored(writer, &part, 1, RINGMAIN_NOW));
    REFUSED(ringmain_message_push_vectored(writer, NULL, 0, RINGMAIN_NOW));
    REFUSED(ringmain_message_claim(writer, 1, RINGMAIN_NOW, &address));
    REFUSED(ringmain_message_commit(writer, 1));
    REFUSED(ringmain_message_commit_tagged(writer, 1, 1));
    REFUSED(ringmain_batch_begin(writer));
    REFUSED(ringmain_batch_commit(writer));
    REFUSED(ringmain_message_pop(reader, bytes, 8, RINGMAIN_NOW));
    REFUSED(ringmain_message_pop(reader, bytes, 8, RINGMAIN_FOREVER));
    REFUSED(ringmain_message_pop_tagged(reader, &word, bytes, 8, RINGMAIN_NOW));
    REFUSED(ringmain_message_next_len(reader, RINGMAIN_NOW));
    REFUSED(ringmain_message_peek(reader, RINGMAIN_NOW, &record));
    REFUSED(ringmain_message_copy_next(reader, bytes, 8, RINGMAIN_NOW));
    REFUSED(ringmain_message_release(reader));
    REFUSED(ringmain_waitset_wait(set, list, 1, LONG));
    IS(list[0].ready, 0);
    REFUSED(ringmain_end_waker(rx, &other));
    CHECK(other == NULL);
    /* One has its descriptor already. */
    REFUSED(ringmain_readiness_fd(tx));
    REFUSED(ringmain_readiness_fd(rx));
    REFUSED(ringmain_is_ready(tx, 1));
    REFUSED(ringmain_is_ready(rx, 1));
}

/* What says what a handle is, and what ends it. */
static void can_be_closed_in_the_child(void) {
    ringmain_info info;
    info.size = sizeof info;
    IS(ringmain_end_info(rx, &info), 0);
    CHECK(info.which == RINGMAIN_STREAM_CONSUMER && info.capacity == 8);
    CHECK(fcntl(ringmain_descriptor(tx), F_GETFD) >= 0);
    const int kept = ringmain_into_fd(tx);
    CHECK(kept > 2);
    IS(close(kept), 0);
    IS(ringmain_abandon(rx), 0);
    IS(ringmain_close(writer), 0);
    IS(ringmain_close(reader), 0);
}

/* Each call that takes no handle, and those of a ring of the child's own. */
static void all_else_in_the_child(void) {
    int pair[2];
    char note[RINGMAIN_NOTE], name[64];
    ringmain_end *own_tx = NULL, *own_rx = NULL;
    ringmain_offer *offer = NULL;
    ringmain_list *list = NULL;
    ringmain_waker *other = NULL;
    ringmain_stat stat;
    ringmain_options numbers = numbers_of(8);
    CHECK(strlen(ringmain_version()) > 0 && strlen(ringmain_strerror(-ECHILD)) > 0);
    CHECK(strstr(ringmain_last_error(), "was forked from") != NULL);
    strcpy(name, name_of("own"));
    IS(close(ringmain_create(RINGMAIN_STREAM_PRODUCER, name, &numbers)), 0);
    IS(ringmain_attach(RINGMAIN_STREAM_PRODUCER, name, &numbers, &own_tx), 0);
    stat.size = sizeof stat;
    IS(ringmain_look(name, &stat), 0);
    IS(stat.producer.process, getpid());
    IS(ringmain_list_open(&list), 0);
    IS(ringmain_list_next(list, &stat), 1);
    ringmain_list_free(list);
    IS(ringmain_unlink(name), 0);
    FAILS(ringmain_unlink_if_free(name, RINGMAIN_NOW), -ENOENT, "no ring");
    IS(ringmain_close(own_tx), 0);

    own_tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &numbers);
    IS(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    IS(ringmain_send(pair[0], ringmain_descriptor(own_tx)), 0);
    IS(close(ringmain_receive(pair[1])), 0);
    IS(ringmain_offer_send(pair[0], ringmain_descriptor(own_tx), &offer), 0);
    IS(ringmain_accept(pair[1], RINGMAIN_STREAM_CONSUMER, &numbers, &own_rx), 0);
    IS(ringmain_offer_answer(offer), RINGMAIN_ATTACHED);
    ringmain_offer_free(offer);
    const int copy = ringmain_inherit(ringmain_descriptor(own_tx), note, sizeof note);
    CHECK(copy > 2 && setenv("C_TEST_FORK", note, 1) == 0 && fcntl(copy, F_SETFD, 0) == 0);
    IS(close(ringmain_inherited("C_TEST_FORK")), 0);
    IS(close(copy) + close(pair[0]) + close(pair[1]), 0);

    /* The set is the child's, and a waker of the parent ends no wait here. */
    ringmain_interest interest[] = {{own_rx, 1, 0, 0}};
    IS(ringmain_waitset_set_wait(set, RINGMAIN_PARK), 0);
    IS(ringmain_wake(waker), 0);
    IS(ringmain_waitset_wait(set, interest, 1, SOON), 0);
    IS(ringmain_stream_push(own_tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_waitset_wait(set, interest, 1, LONG), 1);
    IS(ringmain_waitset_waker(set, &other), 0);
    IS(ringmain_wake(other), 0);
    FAILS(ringmain_waitset_wait(set, interest, 1, LONG), -ECANCELED, "a waker");
    ringmain_waker_free(other);
    ringmain_waker_free(waker);
    ringmain_waitset_free(set);
    IS(ringmain_waitset_open(&set), 0);
    ringmain_waitset_free(set);
    IS(ringmain_close(own_tx), 0);
    IS(ringmain_close(own_rx), 0);
}

/* Opens one of the things that a handle can have open. */
static void open_one(int what) {
    void *bytes;
    uint64_t found;
    ringmain_slots slots;
    ringmain_elements elements;
    ringmain_record record;
    if (what == 1) IS(ringmain_stream_claim(tx, 1, 1, RINGMAIN_NOW, &slots), 1);
    if (what == 2) IS(ringmain_stream_peek(rx, 1, 1, RINGMAIN_NOW, &elements), 1);
    if (what == 3) IS(ringmain_stream_copy(rx, &found, 1, RINGMAIN_NOW), 1);
    if (what == 4) IS(ringmain_message_claim(writer, 8, RINGMAIN_NOW, &bytes), 0);
    if (what == 5) IS(ringmain_batch_begin(writer), 0);
    if (what == 6) IS(ringmain_message_peek(reader, RINGMAIN_NOW, &record), 0);
    if (what == 7) IS(ringmain_message_copy_next(reader, &found, 8, RINGMAIN_NOW), 8);
}

int main(void) {
    char name[64];
    uint64_t found;
    int what;
    ringmain_options numbers = numbers_of(8), messages = options_of(4096);
    numbers.flags = messages.flags = RINGMAIN_UNLINK_ON_CLOSE;
    messages.record_alignment = 16;
    strcpy(name, name_of("fork-s"));
    tx = attach(RINGMAIN_STREAM_PRODUCER, name, &numbers);
    rx = attach(RINGMAIN_STREAM_CONSUMER, name, &numbers);
    strcpy(name, name_of("fork-m"));
    writer = attach(RINGMAIN_MESSAGE_PRODUCER, name, &messages);
    reader = attach(RINGMAIN_MESSAGE_CONSUMER, name, &messages);
    CHECK(ringmain_readiness_fd(rx) > 2);
    IS(ringmain_waitset_open(&set), 0);
    IS(ringmain_end_waker(rx, &waker), 0);
    for (what = 0; what < 8; what++) {
        IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
        IS(ringmain_message_push(writer, &number, 8, RINGMAIN_NOW), 0);
        open_one(what);
        pid_t child = fork_among_sleepers();
        CHECK(child >= 0);
        if (child == 0) {
            is_refused_in_the_child();
            can_be_closed_in_the_child();
            all_else_in_the_child();
            /* No look for leaks: what a thread of the parent had is nobody's here. */
            _exit(0);
        }
        IS(ended(child), 0);
        /* Nothing has become of what is open here. */
        if (what == 1) IS(ringmain_stream_commit(tx, 0), 0);
        if (what == 2 || what == 3) IS(ringmain_stream_release(rx, 0), 0);
        if (what == 4) IS(ringmain_abort(writer), 0);
        if (what == 5) IS(ringmain_batch_commit(writer), 0);
        if (what >= 6) IS(ringmain_keep(reader), 0);
        IS(ringmain_stream_pop(rx, &found, 1, RINGMAIN_NOW), 1);
        IS(found, number);
        IS(ringmain_message_pop(reader, &found, 8, RINGMAIN_NOW), 8);
        IS(found, number);
    }
    ringmain_waker_free(waker);
    ringmain_waitset_free(set);
    IS(ringmain_close(tx), 0);
    IS(ringmain_close(rx), 0);
    IS(ringmain_close(writer), 0);
    IS(ringmain_close(reader), 0);
    return 0;
}

/* Rings without a name: passed through a socket, inherited by a program, handed on, sealed. */
#include "check.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/socket.h>

static const char *VARIABLE = "C_TEST_RING";

/* Pops a number from a ring behind a descriptor, which is closed. */
static void pop_from(int descriptor, uint64_t expected) {
    uint64_t number = 0;
    ringmain_options options = numbers_of(0);
    options.descriptor = descriptor;
    CHECK(descriptor > 2);
    ringmain_end *rx = attach(RINGMAIN_STREAM_CONSUMER, NULL, &options);
    IS(close(descriptor), 0);
    IS(ringmain_stream_pop(rx, &number, 1, LONG), 1);
    IS(number, expected);
    IS(ringmain_close(rx), 0);
}

static void through_a_socket(void) {
    int pair[2];
    uint64_t number = 7;
    ringmain_info info;
    ringmain_offer *offer = NULL;
    ringmain_end *rx = NULL;
    ringmain_options options = numbers_of(64), other = options_of(0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    ringmain_end *tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &options);
    info.size = sizeof info;
    IS(ringmain_end_info(tx, &info), 0);
    CHECK(strcmp(info.name, "(anonymous)") == 0);
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_send(pair[0], ringmain_descriptor(tx)), 0);
    pop_from(ringmain_receive(pair[1]), 7);

    /* With an answer: received, attached, refused. */
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_offer_send(pair[0], ringmain_descriptor(tx), &offer), 0);
    pop_from(ringmain_receive(pair[1]), 7);
    IS(ringmain_offer_answer(offer), RINGMAIN_RECEIVED);
    ringmain_offer_free(offer);
    IS(ringmain_offer_send(pair[0], ringmain_descriptor(tx), &offer), 0);
    options.capacity = 0;
    IS(ringmain_accept(pair[1], RINGMAIN_STREAM_CONSUMER, &options, &rx), 0);
    IS(ringmain_offer_answer(offer), RINGMAIN_ATTACHED);
    ringmain_offer_free(offer);
    IS(ringmain_close(rx), 0);
    CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    IS(ringmain_offer_send(pair[0], ringmain_descriptor(tx), &offer), 0);
    IS(ringmain_offer_answer(offer), -EAGAIN);
    FAILS(ringmain_accept(pair[1], RINGMAIN_MESSAGE_CONSUMER, &other, &rx), -EPROTO,
          "has kind 1 (stream), expected 2 (message)");
    CHECK(rx == NULL);
    FAILS(ringmain_offer_answer(offer), -ECONNREFUSED, "has kind 1 (stream), expected 2 (message)");
    ringmain_offer_free(offer);
    ringmain_offer_free(NULL);

    /* What is no ring, and who is no peer. */
    FAILS(ringmain_accept(pair[1], 9, &other, &rx), -EINVAL, "which is 9");
    IS(ringmain_receive(pair[0]), -EAGAIN);
    IS(write(pair[0], "GET / HTTP/1.1\r\n", 16), 16);
    FAILS(ringmain_receive(pair[1]), -EPROTO, "expected");
    close(pair[0]);
    FAILS(ringmain_send(pair[1], 999), -EBADF, "");
    FAILS(ringmain_send(-1, ringmain_descriptor(tx)), -EINVAL, "the socket is -1");
    FAILS(ringmain_send(pair[1], -1), -EINVAL, "the descriptor is -1");
    FAILS(ringmain_receive(999), -EBADF, "");
    FAILS(ringmain_offer_send(pair[1], -1, &offer), -EINVAL, "the descriptor is -1");
    CHECK(offer == NULL);
    close(pair[1]);
    IS(ringmain_close(tx), 0);
}

/* Runs this program again, which inherits a ring: by fork and exec, or by posix_spawn. */
static void by_a_program(char *self) {
    char note[RINGMAIN_NOTE], setting[RINGMAIN_NOTE + 16];
    char child_argument[] = "child";
    uint64_t number = 11;
    int spawned;
    ringmain_options options = numbers_of(64);
    for (spawned = 0; spawned < 2; spawned++) {
        ringmain_end *tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &options);
        IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
        int copy = ringmain_inherit(ringmain_descriptor(tx), note, sizeof note);
        CHECK(copy > 2 && (fcntl(copy, F_GETFD) & FD_CLOEXEC) != 0);
        snprintf(setting, sizeof setting, "%s=%s", VARIABLE, note);
        char *arguments[] = {self, child_argument, NULL}, *environment[] = {setting, NULL};
        pid_t child;
        if (spawned) {
            posix_spawn_file_actions_t actions;
            CHECK(posix_spawn_file_actions_init(&actions) == 0);
            CHECK(posix_spawn_file_actions_adddup2(&actions, copy, copy) == 0);
            CHECK(posix_spawn(&child, self, &actions, NULL, arguments, environment) == 0);
            CHECK(posix_spawn_file_actions_destroy(&actions) == 0);
        } else {
            child = fork_among_sleepers();
            CHECK(child >= 0);
            if (child == 0) {
                fcntl(copy, F_SETFD, 0);
                execve(self, arguments, environment);
                _exit(99);
            }
        }
        close(copy);
        IS(ended(child), 0);
        IS(ringmain_close(tx), 0);
    }
    int nothing = open("/dev/null", O_RDWR);
    CHECK(nothing >= 0);
    FAILS(ringmain_inherit(nothing, note, sizeof note), -EPROTO, "");
    FAILS(ringmain_inherit(nothing, note, 10), -EINVAL, "of 10 bytes, expected 64");
    close(nothing);
    FAILS(ringmain_inherited("C_TEST_NOTHING"), -ENOENT, "C_TEST_NOTHING");
    FAILS(ringmain_inherited(""), -EINVAL, "");
}

/* A ring goes on in the hands of the next process, and can be closed to all others. */
static void handed_on_and_sealed(void) {
    uint64_t number = 5;
    ringmain_end *rx = NULL;
    ringmain_options options = numbers_of(64), from = numbers_of(0);
    options.flags = RINGMAIN_SEALABLE;
    ringmain_end *tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &options);
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    from.descriptor = ringmain_into_fd(tx);
    CHECK(from.descriptor > 2);
    tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &from);
    rx = attach(RINGMAIN_STREAM_CONSUMER, NULL, &from);
    IS(ringmain_seal(tx), 0);
    IS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_NOW), 1);
    IS(ringmain_close(rx), 0);
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, NULL, &from, &rx), -EPROTO, "the seals");
    IS(close(from.descriptor), 0);
    IS(ringmain_close(tx), 0);
    options.flags = 0;
    tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &options);
    FAILS(ringmain_seal(tx), -EPERM, "cannot be sealed");
    IS(ringmain_close(tx), 0);
    from.descriptor = 999;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, NULL, &from, &rx), -EBADF, "");
    from.descriptor = -1;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, NULL, &from, &rx), -EINVAL, "the descriptor is -1");
}

/* A ring that came as the standard input of this process. */
static void as_standard_input(void) {
    uint64_t number = 7;
    ringmain_options options = numbers_of(8);
    ringmain_end *tx = attach(RINGMAIN_STREAM_PRODUCER, NULL, &options), *rx = NULL;
    IS(ringmain_stream_push(tx, &number, 1, RINGMAIN_NOW), 1);
    pid_t child = fork_among_sleepers();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK(dup2(ringmain_descriptor(tx), 0) == 0);
        options = numbers_of(0);
        /* Without the flag, 0 is no descriptor, and there is no capacity for a new ring. */
        FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, NULL, &options, &rx), -EINVAL, "no capacity");
        options.flags = RINGMAIN_DESCRIPTOR;
        rx = attach(RINGMAIN_STREAM_CONSUMER, NULL, &options);
        IS(ringmain_stream_pop(rx, &number, 1, RINGMAIN_NOW), 1);
        IS(number, 7);
        exit(ringmain_close(rx));
    }
    IS(ended(child), 0);
    IS(ringmain_close(tx), 0);
}

int main(int count, char **arguments) {
    if (count > 1) {
        pop_from(ringmain_inherited(VARIABLE), 11);
        return 0;
    }
    through_a_socket();
    as_standard_input();
    by_a_program(arguments[0]);
    handed_on_and_sealed();
    return 0;
}

/* The peer against itself: `self COUNT` in processes, `self COUNT threads` in threads over one mapping. */
#define _GNU_SOURCE
#include "golden.h"
#include "peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define CHECK(holds, ...)                                         \
    do {                                                          \
        if (!(holds)) {                                           \
            fprintf(stderr, "self.c:%d: %s: ", __LINE__, #holds); \
            fprintf(stderr, __VA_ARGS__);                         \
            fprintf(stderr, "\n");                                \
            shm_unlink(path);                                     \
            _exit(1);                                             \
        }                                                         \
    } while (0)

static char path[32] = "/";
#define NAME (path + 1)
static uint64_t million;

static struct ring_options options_of(int role, enum ring_kind kind, uint64_t capacity, uint64_t align, bool smallest) {
    return (struct ring_options){
        .name = NAME, .role = (enum ring_role)role, .kind = kind, .capacity = capacity, .align = align, .size = 8,
        .wait_ns = 10 * SECOND, .smallest = smallest};
}

static void fresh_name(void) {
    static int number;
    snprintf(path, sizeof path, "/peerc-%d-%d", (int)getpid(), number++);
}

static void attach(struct ring *ring, struct ring_options options) {
    enum ring_status status = ring_attach(ring, &options);
    CHECK(status == RING_OK, "status %d: %s", status, ring->why);
}

static void refused(enum ring_status expected, struct ring_options options) {
    struct ring ring;
    enum ring_status status = ring_attach(&ring, &options);
    CHECK(status == expected, "status %d, expected %d: %s", status, expected, ring.why);
}

static enum ring_status push(struct ring *ring, const void *bytes, size_t length, uint64_t word) {
    size_t pushed;
    return ring_push(ring, &(struct ring_item){bytes, length, word}, 1, &pushed);
}

static enum ring_status push_number(struct ring *ring, uint64_t number) { return push(ring, &number, 8, 0); }

static enum ring_status pop_number(struct ring *ring, uint64_t *number) {
    size_t length;
    uint64_t word;
    return ring_pop(ring, number, 8, &length, &word);
}

static void pop_expected(struct ring *ring, uint64_t from, uint64_t to) {
    for (uint64_t number; from < to; from++) {
        enum ring_status status = pop_number(ring, &number);
        CHECK(status == RING_OK && number == from, "status %d, %llu", status, (unsigned long long)number);
    }
}

static enum ring_status wait_one(struct ring *ring, int64_t limit) {
    return ring_wait(ring, ring_need(ring, 1, 8), ring_now() + limit);
}

static void expect(enum ring_status expected, enum ring_status status) {
    CHECK(status == expected, "status %d, expected %d", status, expected);
}

static void reap(pid_t child, int signal) {
    int status;
    CHECK(waitpid(child, &status, 0) == child, "a child is gone");
    CHECK(status == signal, "a child ended with %#x", (unsigned)status); /* in order with 0, or by the signal */
}

static uint64_t word_of(unsigned offset) { /* as it stands in the segment */
    uint64_t word = 0;
    int fd = shm_open(path, O_RDONLY, 0);
    CHECK(pread(fd, &word, 8, offset) == 8, "word %#x", offset);
    close(fd);
    return word;
}

static void gone(struct ring *ring) { /* a test's last ring */
    ring_close(ring);
    expect(RING_OK, ring_unlink(NAME));
}

/* ---- Golden: the document's dumps and test vectors ---- */

static void compare(const char *dump) {
    static unsigned char found[16384], expected[16384], any[16384];
    memset(expected, 0, sizeof expected);
    memset(any, 0, sizeof any);
    int fd = shm_open(path, O_RDONLY, 0);
    ssize_t length = read(fd, found, sizeof found);
    close(fd);
    for (size_t word = 0xa0; word <= 0x128; word += word == 0xa8 ? 0x78 : 8)
        found[word] &= 0xfe; /* "the lowest bits of parking and wakes are shown as 0" */
    for (const char *line = dump; *line != 0; line = strchr(line, '\n') + 1) {
        size_t offset = strtoul(line, NULL, 16);
        for (int i = 0; i < 16; i++) {
            const char *text = line + 6 + 3 * i;
            if (strchr("ipsn", text[0]) != NULL || (text[0] == 'c' && text[1] == 'c'))
                any[offset + (size_t)i] = 1;
            else
                expected[offset + (size_t)i] = (unsigned char)strtoul(text, NULL, 16);
        }
    }
    for (ssize_t i = 0; i < length; i++)
        CHECK(any[i] || found[i] == expected[i], "byte %#zx is %#x, expected %#x", i, found[i], expected[i]);
    uint64_t pid;
    memcpy(&pid, found + AT_PRODUCER + PID, 8);
    CHECK(!any[AT_PRODUCER + PID] || pid == (uint64_t)getpid(), "pid %llu", (unsigned long long)pid);
    memcpy(&pid, expected + AT_LENGTH, 8);
    CHECK((uint64_t)length == pid, "%zd bytes", length);
}

static void dumps_are_those_of_the_document(bool smallest) {
    CHECK(ring_type_id(NULL, 8, 8) == 0x083a95b1a22dd565, "no tag");
    CHECK(ring_type_id("trade", 8, 8) == 0x90da5a2734331219, "trade");
    struct ring tx, rx;
    uint64_t slice[] = {0x22, 0x33}, number;
    struct ring_item items[] = {{&slice[0], 8, 0}, {&slice[1], 8, 0}}, batch[] = {{"", 0, 0}, {"ABCDEFGHI", 9, 0}};
    char text[16];
    size_t done, more, length;
    fresh_name();
    struct ring_options o = options_of(RING_PRODUCER, RING_STREAM, 4, 8, smallest);
    o.first = 6;
    o.tag = "trade";
    attach(&tx, o);
    o.role = RING_CONSUMER;
    attach(&rx, o);
    expect(RING_OK, push_number(&tx, 0x11));
    for (done = 0; done < 2; done += more) expect(RING_OK, ring_push(&tx, items + done, 2 - done, &more));
    pop_expected(&rx, 0x11, 0x12);
    compare(dump_stream);
    ring_close(&tx);
    gone(&rx);
    for (uint64_t align = 8; align <= 16; align += 8) {
        fresh_name();
        attach(&tx, options_of(RING_PRODUCER, RING_MESSAGE, 4096, align, smallest));
        attach(&rx, options_of(RING_CONSUMER, RING_MESSAGE, 4096, align, smallest));
        expect(RING_OK, push(&tx, "first", 5, 0));
        for (done = 0; done < 2; done += more) expect(RING_OK, ring_push(&tx, batch + done, 2 - done, &more));
        expect(RING_OK, ring_pop(&rx, text, sizeof text, &length, &number));
        CHECK(length == 5 && memcmp(text, "first", 5) == 0 && number == 0, "%zu bytes", length);
        if (align == 16) expect(RING_OK, push(&tx, "word", 4, 0x0123456789abcdef));
        compare(align == 8 ? dump_message_8 : dump_message_16);
        if (align == 16) {
            for (int i = 0; i < 3; i++) expect(RING_OK, ring_pop(&rx, text, sizeof text, &length, &number));
            CHECK(number == 0x0123456789abcdef, "word %#llx", (unsigned long long)number);
        }
        ring_close(&tx);
        gone(&rx);
    }
    fresh_name();
    o = options_of(RING_NO_ROLE, RING_MESSAGE, 4096, 64, smallest);
    expect(RING_OK, ring_create(&tx, &o));
    compare(dump_message_64);
    gone(&tx);
}

/* ---- Flow ---- */

struct end { struct ring_options options; struct ring ring; uint64_t count; size_t length; };

static void *flow(void *argument) { /* number i goes as `length` bytes that repeat it */
    struct end *end = argument;
    struct ring *ring = &end->ring;
    uint64_t bytes[16 * 64] = {0};
    size_t got = 0;
    for (uint64_t i = 0, word; i < end->count;) {
        enum ring_status status;
        if (ring->role == RING_PRODUCER) {
            struct ring_item items[16];
            size_t group = 1 + i % 16;
            for (size_t k = 0; k < group; k++) {
                for (size_t w = 0; w < end->length / 8; w++) bytes[64 * k + w] = i + k;
                items[k] = (struct ring_item){bytes + 64 * k, end->length, i + k};
            }
            status = ring_push(ring, items, group < end->count - i ? group : end->count - i, &got);
        } else if ((status = ring_pop(ring, bytes, sizeof bytes, &got, &word)) == RING_OK) {
            CHECK(got == end->length && bytes[0] == i && bytes[end->length / 8 - 1] == i, "item %llu is %llu",
                  (unsigned long long)i, (unsigned long long)bytes[0]);
            got = 1;
        }
        if (status == RING_OK)
            i += got;
        else {
            CHECK(status == RING_FULL || status == RING_EMPTY, "status %d: %s", status, ring->why);
            expect(RING_OK, ring_wait(ring, ring_need(ring, 1, end->length), ring_now() + 60 * SECOND));
        }
    }
    return NULL;
}

static pid_t start(struct end *end) { /* a child that is attached when this returns */
    int ready[2];
    char byte;
    CHECK(pipe(ready) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        alarm(300);
        attach(&end->ring, end->options);
        CHECK(write(ready[1], "", 1) == 1, "write");
        flow(end);
        if (end->ring.role == RING_CONSUMER) expect(RING_CLOSED, wait_one(&end->ring, 60 * SECOND));
        ring_close(&end->ring);
        _exit(0);
    }
    close(ready[1]);
    CHECK(read(ready[0], &byte, 1) == 1, "a child did not attach");
    close(ready[0]);
    return child;
}

static void all_arrives(enum ring_kind kind, uint64_t capacity, uint64_t align, size_t length, int profiles, int late) {
    int64_t began = ring_now();
    struct end ends[2];
    pid_t child = 0;
    fresh_name();
    for (int i = 0; i < 2; i++) {
        ends[i] = (struct end){.count = million, .length = length};
        ends[i].options = options_of(i, kind, capacity, align, profiles >> i & 1);
        ends[i].options.first = -(uint64_t)(64 * 1000); /* over 2^64 */
    }
    if (!late) child = start(&ends[1]);
    attach(&ends[0].ring, ends[0].options);
    if (late) child = start(&ends[1]);
    flow(&ends[0]);
    ring_close(&ends[0].ring);
    reap(child, 0);
    CHECK(word_of(AT_PRODUCER + WAKES) >> 1 <= word_of(AT_CONSUMER + PARKING) >> 2, "more wakes than sleeps");
    CHECK(word_of(AT_CONSUMER + WAKES) >> 1 <= word_of(AT_PRODUCER + PARKING) >> 2, "more wakes than sleeps");
    expect(RING_OK, ring_unlink(NAME));
    printf("  %s of %llu, align %llu, %s to %s, %s first: %.2f s\n", kind == RING_STREAM ? "stream" : "messages",
           (unsigned long long)capacity, (unsigned long long)align, profiles & 1 ? "smallest" : "full",
           profiles & 2 ? "smallest" : "full", late ? "producer" : "consumer", (double)(ring_now() - began) / 1e9);
}

static void threads(enum ring_kind kind, uint64_t capacity, uint64_t align, int profiles) {
    struct end ends[2];
    unsigned char *base;
    pthread_t thread;
    fresh_name();
    for (int i = 0; i < 2; i++) {
        ends[i] = (struct end){options_of(i, kind, capacity, align, profiles >> i & 1), .count = million, .length = 8};
        attach(&ends[i].ring, ends[i].options);
    }
    base = ends[1].ring.base;
    ends[1].ring.base = ends[0].ring.base; /* one mapping, so that the sanitizer sees both ends at the same addresses */
    CHECK(pthread_create(&thread, NULL, flow, &ends[1]) == 0, "pthread_create");
    flow(&ends[0]);
    pthread_join(thread, NULL);
    ends[1].ring.base = base;
    ring_close(&ends[0].ring);
    gone(&ends[1].ring);
}

/* Each end sleeps for each message: two rings, there and back. */
static void there_and_back(int profiles, uint64_t count) {
    char names[2][32];
    struct ring rings[2];
    uint64_t number;
    int64_t began = ring_now();
    for (int i = 0; i < 2; i++) {
        fresh_name();
        memcpy(names[i], path, sizeof path);
    }
    pid_t child = fork();
    if (child == 0) alarm(120);
    for (int i = 0; i < 2; i++) {
        struct ring_options o = options_of((child == 0) != i, i ? RING_MESSAGE : RING_STREAM, 4096, i ? 64 : 8,
                                           profiles >> (child == 0) & 1);
        o.name = names[i] + 1;
        attach(&rings[i], o);
    }
    for (uint64_t i = 0; i < count; i++) {
        if (child != 0) expect(RING_OK, push_number(&rings[0], i));
        struct ring *in = &rings[child != 0];
        expect(RING_OK, wait_one(in, 60 * SECOND));
        expect(RING_OK, pop_number(in, &number));
        CHECK(number == i, "%llu", (unsigned long long)number);
        if (child == 0) expect(RING_OK, push_number(&rings[1], i));
    }
    uint64_t lost = rings[child != 0].overslept;
    CHECK(lost <= count / 2, "%llu wakes were lost", (unsigned long long)lost);
    ring_close(&rings[0]);
    ring_close(&rings[1]);
    if (child == 0) _exit(0);
    reap(child, 0);
    for (int i = 0; i < 2; i++) expect(RING_OK, ring_unlink(names[i] + 1));
    printf("  there and back, %d: %.1f us\n", profiles, (double)(ring_now() - began) / 1e3 / (double)count);
}

/* A consumer that is killed asleep, and one that waits for three elements and then for the end. */
static void a_sleeper_is_woken(int profiles) {
    bool woken = false;
    for (int attempt = 0; attempt < 10 && !woken; attempt++) { /* 100 ms may pass on a machine that is busy */
        struct ring tx;
        struct ring_options o = options_of(1, RING_STREAM, 8, 8, profiles & 2);
        fresh_name();
        attach(&tx, options_of(0, RING_STREAM, 8, 8, profiles & 1));
        for (int second = 0; second < 2; second++) {
            pid_t child = fork();
            if (child == 0) {
                struct ring rx;
                attach(&rx, o);
                expect(RING_OK, ring_wait(&rx, 3, ring_now() + 60 * SECOND));
                pop_expected(&rx, 0, 3);
                expect(RING_CLOSED, ring_wait(&rx, 1, ring_now() + 60 * SECOND));
                _exit(profiles != 2 && rx.overslept != 0); /* 2: it sleeps for 1 ms until the other end makes fences */
            }
            uint64_t presence = second ? 3 : 1;
            while (!(word_of(AT_CONSUMER + PARKING) & 2) || word_of(AT_CONSUMER + PRESENCE) != presence) usleep(1000);
            for (uint64_t i = 0; i < 2 && second; i++) expect(RING_OK, push_number(&tx, i));
            usleep(10000);
            CHECK(profiles != 0 || tx.wakes >> 1 == 0, "woken for less than it wanted");
            if (second) expect(RING_OK, push_number(&tx, 2));
            if (second) usleep(10000);
            second ? ring_close(&tx) : (void)kill(child, SIGKILL);
            int status;
            waitpid(child, &status, 0);
            CHECK(status == (second ? status & 0x100 : SIGKILL), "a child ended with %#x", (unsigned)status);
            woken = status == 0;
        }
        CHECK(word_of(AT_PRODUCER + WAKES) >> 1 != 0, "a wake was not counted");
        expect(RING_OK, ring_unlink(NAME));
    }
    CHECK(woken, "it slept to the limit ten times");
}

/* A producer that needs room for three; the full consumer does not wake it for two. */
static void a_producer_is_woken_by_the_head_it_wants(int profiles) {
    int status = 0x100;
    for (int attempt = 0; attempt < 10 && status == 0x100; attempt++) {
        struct ring tx, rx;
        fresh_name();
        attach(&rx, options_of(1, RING_STREAM, 8, 8, profiles & 2));
        pid_t child = fork();
        if (child == 0) {
            attach(&tx, options_of(0, RING_STREAM, 8, 8, profiles & 1));
            for (uint64_t i = 0; i < 8; i++) expect(RING_OK, push_number(&tx, i));
            expect(RING_OK, ring_wait(&tx, 3, ring_now() + 60 * SECOND));
            _exit(profiles != 1 && tx.overslept != 0); /* 1: it sleeps for 1 ms until the other end makes fences */
        }
        while (!(word_of(AT_PRODUCER + PARKING) & 2)) usleep(1000);
        pop_expected(&rx, 0, 2);
        usleep(10000);
        CHECK(profiles != 0 || rx.wakes >> 1 == 0, "woken for less than it wanted");
        pop_expected(&rx, 2, 3);
        waitpid(child, &status, 0);
        gone(&rx);
    }
    CHECK(status == 0, "it ended with %#x", (unsigned)status);
}

/* ---- Ends, kills and succession ---- */

static pid_t killed_producer(struct ring_options o, uint64_t count, enum ring_step step) {
    pid_t child = fork();
    if (child != 0) return child;
    struct ring tx;
    attach(&tx, o);
    for (uint64_t i = 0; i < count; i++) expect(RING_OK, push_number(&tx, i));
    tx.die_after = step;
    expect(RING_OK, push_number(&tx, count));
    _exit(1);
}

static void a_killed_producer_is_succeeded(enum ring_kind kind, uint64_t align, int step, int profiles, bool late) {
    struct ring tx, rx;
    struct ring_options o = options_of(RING_PRODUCER, kind, 4096, align, profiles & 1), consumer = o;
    consumer.role = RING_CONSUMER;
    consumer.smallest = profiles & 2;
    uint64_t there = 10 + (step == RING_STEP_TAIL || step == RING_STEP_HEADER);
    fresh_name();
    attach(&rx, consumer);
    if (late) ring_close(&rx);
    reap(killed_producer(o, 10, (enum ring_step)step), SIGKILL);
    if (late)
        attach(&rx, consumer);
    else {
        pop_expected(&rx, 0, there);
        expect(RING_CRASHED, wait_one(&rx, SECOND));
        expect(RING_CRASHED, wait_one(&rx, SECOND));
        CHECK(ring_peer(&rx) == RING_KILLED, "not told");
    }
    attach(&tx, o);
    CHECK(tx.generation == 2 && word_of(AT_TAIL) == tx.position, "it walked, and did not store the tail");
    for (uint64_t i = there; i < 30; i++) expect(RING_OK, push_number(&tx, i));
    pop_expected(&rx, late ? 0 : there, 30);
    expect(RING_TIMEOUT, wait_one(&rx, SECOND / 100));
    ring_close(&tx);
    expect(RING_CLOSED, wait_one(&rx, SECOND));
    late ? ring_close(&rx) : ring_abandon(&rx);
    attach(&rx, consumer); /* that end was told */
    CHECK(ring_peer(&rx) == RING_ENDED, "it did leave");
    expect(RING_TIMEOUT, wait_one(&rx, SECOND / 100));
    ring_abandon(&rx);
    expect(RING_OK, ring_unlink(NAME));
}

static void a_killed_consumer_is_succeeded(enum ring_kind kind, uint64_t align, int profiles) {
    struct ring tx, rx;
    struct ring_options o = options_of(RING_PRODUCER, kind, kind == RING_STREAM ? 4 : 4096, align, profiles & 1);
    struct ring_options consumer = o;
    consumer.role = RING_CONSUMER;
    consumer.smallest = profiles & 2;
    fresh_name();
    attach(&tx, o);
    uint64_t full = 0;
    while (push_number(&tx, full) == RING_OK) full++;
    pid_t child = fork();
    if (child == 0) {
        attach(&rx, consumer);
        pop_expected(&rx, 0, 2);
        expect(RING_BUSY, (consumer.wait_ns = 0, ring_attach(&(struct ring){0}, &consumer)));
        raise(SIGKILL);
    }
    expect(RING_OK, wait_one(&tx, 10 * SECOND)); /* asleep while the ring is full */
    reap(child, SIGKILL);
    expect(RING_OK, push_number(&tx, full));
    while (push_number(&tx, full + 1) == RING_OK) full++;
    expect(RING_CRASHED, wait_one(&tx, SECOND));
    attach(&rx, consumer);
    expect(RING_TIMEOUT, wait_one(&tx, SECOND / 100));
    pop_expected(&rx, 2, full + 1);
    ring_close(&rx);
    CHECK(ring_peer(&tx) == RING_ENDED, "not closed");
    gone(&tx);
}

/* A stranger keeps the byte of a producer that was killed: its notes show that it is gone. */
static void a_kept_lock_hides_no_death(int profiles) {
    struct ring rx;
    struct ring_options o = options_of(0, RING_STREAM, 16, 8, profiles & 1);
    siginfo_t info;
    fresh_name();
    attach(&rx, options_of(1, RING_STREAM, 16, 8, profiles & 2));
    pid_t child = killed_producer(o, 10, RING_STEP_PAYLOAD);
    CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0, "it waits to be reaped");
    int fd = shm_open(path, O_RDWR, 0);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    CHECK(fcntl(fd, F_OFD_SETLK, &lock) == 0, "the byte of a dead holder is not free");
    pop_expected(&rx, 0, 10);
    expect(RING_CRASHED, wait_one(&rx, 0)); /* its state is Z */
    reap(child, SIGKILL);
    expect(RING_CRASHED, wait_one(&rx, 0)); /* no process has its pid */
    refused(RING_BUSY, o);
    close(fd);
    struct ring tx;
    attach(&tx, o);
    expect(RING_TIMEOUT, wait_one(&rx, 0));
    ring_abandon(&tx);
    expect(RING_CRASHED, wait_one(&rx, 0)); /* its byte is free, and this process lives */
    gone(&rx);
}

/* The notes behind an even presence are of a process that is gone, and not of who has the lock. */
static void whoever_comes_to_a_role_that_was_left_is_waited_for(void) {
    struct ring ring;
    struct ring_options o = options_of(RING_PRODUCER, RING_STREAM, 16, 8, false);
    struct flock byte = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    fresh_name();
    o.wait_ns = 0;
    pid_t child = fork();
    if (child == 0) {
        attach(&ring, o);
        ring_close(&ring);
        _exit(0);
    }
    reap(child, 0);
    int fd = shm_open(path, O_RDWR, 0);
    CHECK(fd >= 0 && fcntl(fd, F_OFD_SETLK, &byte) == 0, "the byte of the role");
    child = fork();
    if (child == 0) { /* it shares the lock, and gives it back */
        usleep(400000);
        byte.l_type = F_UNLCK;
        _exit(fcntl(fd, F_OFD_SETLK, &byte) == 0 ? 0 : 1);
    }
    attach(&ring, o);
    reap(child, 0);
    close(fd);
    gone(&ring);
}

static void a_ring_that_was_cut_ends_the_use_of_the_handle(void) {
    struct ring tx, rx;
    fresh_name();
    attach(&tx, options_of(RING_PRODUCER, RING_STREAM, 1024, 8, false));
    attach(&rx, options_of(RING_CONSUMER, RING_STREAM, 1024, 8, false));
    CHECK(ftruncate(tx.fd, 4096) == 0, "the header is left");
    expect(RING_CORRUPTED, wait_one(&rx, SECOND));
    expect(RING_CORRUPTED, wait_one(&rx, 0));
    ring_close(&tx);
    gone(&rx);
}

/* Each item is its own position in the ring. Either end is killed again and again, and followed by another process. */
static pid_t worker(struct ring_options o, uint64_t step) {
    pid_t child = fork();
    if (child != 0) return child;
    struct ring ring;
    uint64_t number;
    attach(&ring, o);
    for (;;) {
        uint64_t here = ring.position / step;
        enum ring_status status = o.role == RING_PRODUCER ? push_number(&ring, here) : pop_number(&ring, &number);
        if (status == RING_OK && o.role == RING_CONSUMER)
            CHECK(number == here, "%llu at %llu", (unsigned long long)number, (unsigned long long)here);
        else if (status != RING_OK) {
            CHECK(status == RING_FULL || status == RING_EMPTY, "status %d: %s", status, ring.why);
            status = wait_one(&ring, SECOND);
            CHECK(status == RING_OK || status == RING_CRASHED || status == RING_TIMEOUT, "status %d", status);
        }
    }
}

static void kills_at_any_moment(enum ring_kind kind, uint64_t capacity, uint64_t align, int profiles, int kills) {
    uint64_t step = kind == RING_STREAM ? 1 : align == 8 ? 16 : align < 32 ? 32 : align, head, tail;
    pid_t children[2];
    struct ring_options o[2];
    fresh_name();
    for (int i = 0; i < 2; i++) {
        o[i] = options_of(i, kind, capacity, align, profiles >> i & 1);
        children[i] = worker(o[i], step);
    }
    while (kills-- > 0) {
        int victim = rand() % 2;
        usleep((useconds_t)(rand() % 4000));
        kill(children[victim], SIGKILL);
        reap(children[victim], SIGKILL);
        children[victim] = worker(o[victim], step);
    }
    for (int i = 0; i < 2; i++) {
        kill(children[i], SIGKILL);
        reap(children[i], SIGKILL);
    }
    struct ring rx;
    attach(&rx, o[1]);
    ring_positions(&rx, &head, &tail);
    CHECK(head > 1000, "only %llu were popped", (unsigned long long)head);
    gone(&rx);
}

/* ---- What stands under the name already, and what the other end writes ---- */

static unsigned char *object(size_t length, mode_t mode) {
    int fd = shm_open(path, O_RDWR | O_CREAT, mode);
    CHECK(fd >= 0 && fchmod(fd, mode) == 0 && (length == 0 || ftruncate(fd, (off_t)length) == 0), "object");
    unsigned char *base = length == 0 ? NULL : mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return base;
}

static void a_dead_creator_is_repaired_and_others_are_left_alone(void) {
    struct ring ring;
    struct ring_options o = options_of(RING_PRODUCER, RING_STREAM, 4, 8, false);
    static const struct { size_t length; mode_t mode; int set; enum ring_status expected; } cases[] = {
        {0, 01600, -1, RING_OK},         {0, 0600, -1, RING_LAYOUT},        {100, 01600, -1, RING_LAYOUT},
        {4128, 01600, -1, RING_OK},      {4128, 01600, AT_TYPE, RING_OK},   {4128, 01600, AT_TAG, RING_OK},
        {4128, 01600, AT_TAIL, RING_OK}, {4128, 01600, 0x90, RING_LAYOUT},  {4128, 0600, AT_TYPE, RING_LAYOUT},
        {4128, 0600, 0, RING_LAYOUT},    {4128, 01600, 0xfff, RING_LAYOUT}, {4128, 0622, -1, RING_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fresh_name();
        unsigned char *base = object(cases[i].length, cases[i].mode);
        if (cases[i].set >= 0) base[cases[i].set] = 1;
        if (cases[i].expected == RING_OK) {
            attach(&ring, o);
            gone(&ring);
        } else {
            refused(cases[i].expected, o);
            shm_unlink(path);
        }
        if (base != NULL) munmap(base, cases[i].length);
    }
    o.capacity = 0;
    o.wait_ns = 0;
    refused(RING_NOT_FOUND, o);
}

static void a_ring_of_another_shape_is_refused(void) {
    static const struct { unsigned at; uint64_t value; enum ring_status expected; } cases[] = {
        {AT_MAGIC, 1, RING_LAYOUT},        {AT_VERSION, 5, RING_LAYOUT},   {AT_INCOMPAT, 1, RING_LAYOUT},
        {AT_READONLY, 8, RING_LAYOUT},     {AT_COMPAT, 8, RING_OK},        {AT_KIND, 1, RING_MISMATCH},
        {AT_TYPE, 1, RING_MISMATCH},       {AT_SIZE, 2, RING_MISMATCH},    {AT_ALIGN, 8, RING_MISMATCH},
        {AT_CAPACITY, 8192, RING_MISMATCH}, {AT_LENGTH, 1, RING_LAYOUT},    {AT_DATA, 8, RING_LAYOUT},
        {AT_RECORDS, 16, RING_MISMATCH},    {AT_HEADER, 0x2f8, RING_LAYOUT}, {AT_HEADER, 0x308, RING_OK},
        {AT_FIRST, 4, RING_LAYOUT},        {AT_TAG_LENGTH, 1, RING_MISMATCH}, {AT_TAG + 56, 1, RING_MISMATCH},
        {AT_TAIL, 4, RING_CORRUPTED},      {AT_HEAD, 8, RING_CORRUPTED},   {AT_HEAD, UINT64_MAX - 4095, RING_CORRUPTED},
    };
    struct ring ring;
    struct ring_options o = options_of(RING_PRODUCER, RING_MESSAGE, 4096, 8, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fresh_name();
        expect(RING_OK, ring_create(&ring, &o));
        memcpy(ring.base + cases[i].at, &cases[i].value, 8);
        ring_close(&ring);
        if (cases[i].expected == RING_OK) {
            attach(&ring, o);
            ring_close(&ring);
        } else
            refused(cases[i].expected, o);
        expect(RING_OK, ring_unlink(NAME));
    }
}

static void a_lie_is_told_and_ends_the_use_of_the_handle(bool smallest) {
    enum { OLD = 0, TAIL = 1, NEXT = 4096 + 640, C = 64 };
    const enum ring_kind STREAM = RING_STREAM, MESSAGE = RING_MESSAGE;
    /* Ten items were pushed. A consumer lies when two were popped and the ring was filled up, a producer when all were
     * popped. Values marked TAIL count from the tail; the tail of the case for a producer is 10, or 640. */
    const struct { int liar; enum ring_kind kind; unsigned at; int from; uint64_t value; bool right; } cases[] = {
        {RING_CONSUMER, STREAM, AT_HEAD, OLD, 1, false},        {RING_CONSUMER, STREAM, AT_HEAD, TAIL, 1, false},
        {RING_CONSUMER, STREAM, AT_HEAD, TAIL, 0, true},        {RING_PRODUCER, STREAM, AT_TAIL, OLD, 9, false},
        {RING_PRODUCER, STREAM, AT_TAIL, TAIL, C + 1, false},   {RING_PRODUCER, STREAM, AT_TAIL, TAIL, C, true},
        {RING_CONSUMER, MESSAGE, AT_HEAD, OLD, 64, false},      {RING_CONSUMER, MESSAGE, AT_HEAD, OLD, 132, false},
        {RING_CONSUMER, MESSAGE, AT_HEAD, TAIL, 64, false},     {RING_PRODUCER, MESSAGE, NEXT, OLD, 2, false},
        {RING_PRODUCER, MESSAGE, NEXT, OLD, 4017 * 256 + 1, false},
        {RING_PRODUCER, MESSAGE, NEXT, OLD, 8 * 256 + 1, true},
        {RING_PRODUCER, MESSAGE, NEXT, OLD, UINT64_MAX - 254, false},
        /* of the full peer, which loads the tail: out of its window, no multiple of A, no header in front of it */
        {RING_PRODUCER, MESSAGE, AT_TAIL, TAIL, 4096, false},   {RING_PRODUCER, MESSAGE, AT_TAIL, TAIL, 8, false},
        {RING_PRODUCER, MESSAGE, AT_TAIL, TAIL, 64, false},
    };
    size_t count = sizeof cases / sizeof *cases - (smallest ? 3 : 0);
    for (size_t i = 0; i < count; i++) {
        struct ring rings[2], *victim = &rings[!cases[i].liar];
        bool stream = cases[i].kind == STREAM;
        uint64_t number;
        fresh_name();
        for (int role = 0; role < 2; role++)
            attach(&rings[role], options_of(role, cases[i].kind, stream ? C : 4096, stream ? 8 : 64, smallest));
        for (uint64_t n = 0; n < 10; n++) expect(RING_OK, push_number(&rings[0], n));
        pop_expected(&rings[1], 0, cases[i].liar == RING_PRODUCER ? 10 : 2);
        while (cases[i].liar == RING_CONSUMER && push_number(&rings[0], 0) == RING_OK) {}
        number = cases[i].value + (cases[i].from == TAIL ? rings[0].position : 0);
        memcpy(rings[0].base + cases[i].at, &number, 8);
        enum ring_status expected = cases[i].right ? RING_OK : RING_CORRUPTED;
        expect(expected, wait_one(victim, 0));
        expect(expected, victim == &rings[0] ? push_number(victim, 0) : pop_number(victim, &number));
        if (!cases[i].right) expect(RING_CORRUPTED, wait_one(victim, SECOND));
        ring_close(&rings[0]);
        gone(&rings[1]);
    }
}

int main(int count, char **arguments) {
    alarm(1500);
    million = count > 1 ? strtoull(arguments[1], NULL, 10) : 1000000;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (count > 2) {
        for (int profiles = 0; profiles < 4; profiles++) {
            threads(RING_STREAM, 16, 8, profiles);
            threads(RING_STREAM, 65536, 8, profiles);
            threads(RING_MESSAGE, 4096, 8, profiles);
            threads(RING_MESSAGE, 4096, 64, profiles);
        }
        puts("threads: ok");
        return 0;
    }
    for (int smallest = 0; smallest < 2; smallest++) {
        dumps_are_those_of_the_document(smallest);
        a_lie_is_told_and_ends_the_use_of_the_handle(smallest);
    }
    a_dead_creator_is_repaired_and_others_are_left_alone();
    a_ring_of_another_shape_is_refused();
    whoever_comes_to_a_role_that_was_left_is_waited_for();
    a_ring_that_was_cut_ends_the_use_of_the_handle();
    for (int profiles = 0; profiles < 4; profiles++) {
        for (int late = 0; late < 2; late++) {
            a_killed_producer_is_succeeded(RING_STREAM, 8, RING_STEP_PAYLOAD, profiles, late);
            a_killed_producer_is_succeeded(RING_STREAM, 8, RING_STEP_TAIL, profiles, late);
            for (uint64_t align = 8; align <= 64; align *= 2)
                for (int step = RING_STEP_PAYLOAD; step <= RING_STEP_TAIL; step++)
                    a_killed_producer_is_succeeded(RING_MESSAGE, align, step, profiles, late);
        }
        a_killed_consumer_is_succeeded(RING_STREAM, 8, profiles);
        a_killed_consumer_is_succeeded(RING_MESSAGE, 16, profiles);
        kills_at_any_moment(RING_STREAM, 64, 8, profiles, 100);
        for (uint64_t align = 8; align <= 64; align *= 2) kills_at_any_moment(RING_MESSAGE, 4096, align, profiles, 50);
        a_kept_lock_hides_no_death(profiles);
        a_sleeper_is_woken(profiles);
        a_producer_is_woken_by_the_head_it_wants(profiles);
        there_and_back(profiles, million / 100);
        for (int first = 0; first < 2; first++) {
            all_arrives(RING_STREAM, first ? 64 : 65536, 8, 8, profiles, first);
            all_arrives(RING_MESSAGE, first ? 4096 : 1 << 20, 8, 40, profiles, first);
            all_arrives(RING_MESSAGE, first ? 1 << 20 : 4096, 64, 104, profiles, first);
        }
    }
    puts("self: ok");
    return 0;
}

/* The text protocol of the conformance kit (conformance/README.md), on stdin and stdout: `peer smallest|full`. */
#define _GNU_SOURCE
#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;
enum { GROUP = 64, WORDS = 12 };

static struct ring ring;
static bool attached, smallest;
static unsigned char *buffer; /* as large as any item of the ring */
static size_t room;
static uint64_t sleeps, late; /* of handles that are gone */
static char *words[WORDS];    /* of the command */
static int count;

static void answer(enum ring_status status) { /* the statuses of peer.h, in their order */
    static const char *const kinds[] = {"ok",        "full", "empty",    "closed",   "crashed",  "timeout", "toolong",
                                        "corrupted", "busy", "notfound", "mismatch", "mismatch", "usage",   "other"};
    printf(status == RING_OK ? "ok\n" : "err %s %s\n", kinds[status], ring.why);
}

static void answer_number(enum ring_status status, uint64_t number) {
    snprintf(ring.why, sizeof ring.why, "%llu", (ull)number);
    status == RING_OK ? (void)printf("ok %s\n", ring.why) : answer(status);
}

static bool usage(const char *what) {
    printf("err usage %s\n", what);
    return false;
}

/* Word `at` of the command as a number; `fallback` where there are fewer words. */
static bool number(int at, uint64_t fallback, uint64_t *value) {
    char *end = "";
    *value = at < count ? strtoull(words[at], &end, 10) : fallback;
    return at >= count || (words[at][0] >= '0' && words[at][0] <= '9' && *end == 0) || usage("a number is none");
}

static int64_t milliseconds(uint64_t n) { return (int64_t)(n < 1000000000 ? n : 1000000000) * 1000000; }

/* Bytes from lower-case hex, in place; `-` is no byte. */
static bool bytes(char *text, struct ring_item *item) {
    static const char digits[] = "0123456789abcdef";
    bool none = strcmp(text, "-") == 0;
    item->bytes = text;
    item->length = none ? 0 : strlen(text) / 2;
    if (!none && (strlen(text) % 2 != 0 || strspn(text, digits) != strlen(text))) return usage("hex expected");
    for (size_t i = 0; i < item->length; i++)
        text[i] = (char)((strchr(digits, text[2 * i]) - digits) * 16 + (strchr(digits, text[2 * i + 1]) - digits));
    if (!ring.message && item->length != ring.size) return usage("an element has another size");
    return true;
}

/* ---- Numbered items ---- */

struct lengths { uint64_t least, most; };

static bool lengths(int at, struct lengths *lengths) {
    char *dash = at < count ? strchr(words[at], '-') : NULL, *end;
    if (dash == NULL) {
        bool good = number(at, 0, &lengths->least) && (lengths->least < 1 << 30 || usage("so long is no item"));
        lengths->most = lengths->least;
        return good;
    }
    lengths->least = strtoull(words[at], &end, 10);
    lengths->most = strtoull(dash + 1, NULL, 10);
    return (end == dash && lengths->least <= lengths->most && lengths->most < 1 << 30) || usage("MIN-MAX expected");
}

static size_t length_of(struct lengths lengths, uint64_t k) {
    uint64_t mixed = (k * 2654435761 & 0xffffffff) / 65536;
    return (size_t)(lengths.least + mixed % (lengths.most - lengths.least + 1));
}

static void pattern(unsigned char *to, size_t length, uint64_t k) {
    for (size_t i = 0; i < length; i++) to[i] = (unsigned char)(k >> 8 * (i % 8));
}

/* Pushes items `first` + `*done` and on, in groups, until `*done` is `until`, or there is no room: RING_FULL.
 * `whole`: the first group is all of them, there as a whole or not at all. */
static enum ring_status push_items(uint64_t until, uint64_t first, struct lengths lengths, uint64_t *done, bool whole) {
    if (whole && until > ring.span) return RING_TOO_LONG;
    size_t most = whole && until > GROUP ? (size_t)until : GROUP, pushed;
    struct ring_item *items = malloc(most * sizeof *items);
    unsigned char *texts = malloc(most * (size_t)lengths.most + 1);
    enum ring_status status = items == NULL || texts == NULL ? RING_OTHER : RING_OK;
    while (status == RING_OK && *done < until) {
        size_t group = until - *done < most ? (size_t)(until - *done) : most;
        uint64_t needed = 0;
        for (size_t i = 0; i < group; i++) {
            uint64_t k = first + *done + i;
            items[i] = (struct ring_item){texts + i * lengths.most, length_of(lengths, k), 0};
            pattern(texts + i * lengths.most, items[i].length, k);
            needed += ring_need(&ring, 1, items[i].length);
        }
        if (whole) status = ring_wait(&ring, needed, 0);
        if (status == RING_OK) status = ring_push(&ring, items, group, &pushed);
        if (status == RING_OK) *done += pushed;
    }
    free(items);
    free(texts);
    return status;
}

static enum ring_status pop_items(uint64_t until, uint64_t first, struct lengths lengths, uint64_t *done, bool whole) {
    enum ring_status status = RING_OK;
    unsigned char *expected = malloc((size_t)lengths.most + 1);
    size_t got;
    uint64_t word;
    (void)whole;
    while (*done < until && (status = ring_pop(&ring, buffer, room, &got, &word)) == RING_OK) {
        size_t length = length_of(lengths, first + *done);
        pattern(expected, length, first + *done);
        if (got != length || memcmp(buffer, expected, length) != 0) {
            status = RING_OTHER;
            break;
        }
        ++*done;
    }
    free(expected);
    return status;
}

static void flow(bool push) {
    uint64_t all, first, limit, done = 0;
    struct lengths length;
    if (!number(2, 0, &all) || !number(3, 0, &first) || !lengths(4, &length) || !number(5, 0, &limit)) return;
    int64_t deadline = ring_now() + milliseconds(limit);
    enum ring_status status = RING_OK;
    while (status == RING_OK && done < all) {
        uint64_t part = all - done < 4096 ? all : done + 4096;
        status = (push ? push_items : pop_items)(part, first, length, &done, false);
        if (status == RING_FULL || status == RING_EMPTY)
            status = ring_wait(&ring, ring_need(&ring, 1, length_of(length, first + done)), deadline);
        else if (status == RING_OK && done < all && ring_now() >= deadline)
            status = RING_TIMEOUT;
    }
    answer_number(status, done);
}

/* ---- Commands ---- */

static void attach(void) {
    struct ring_options o = {.smallest = smallest, .name = words[3]};
    uint64_t wait;
    bool consumer = strcmp(words[1], "consumer") == 0, message = strcmp(words[2], "message") == 0;
    if (!number(4, 0, &o.capacity) || !number(5, 0, &o.align) || !number(6, 0, &o.size) || !number(7, 0, &wait) ||
        !number(8, 0, &o.first))
        return;
    if ((!consumer && strcmp(words[1], "producer") != 0) || (!message && strcmp(words[2], "stream") != 0)) {
        usage("attach producer|consumer stream|message");
        return;
    }
    o.role = consumer ? RING_CONSUMER : RING_PRODUCER;
    o.kind = message ? RING_MESSAGE : RING_STREAM;
    o.wait_ns = milliseconds(wait);
    enum ring_status status = ring_attach(&ring, &o);
    if (status != RING_OK) {
        answer(status);
        return;
    }
    attached = true;
    free(buffer);
    room = message ? (size_t)ring.capacity : (size_t)ring.size;
    buffer = malloc(room);
    printf("ok %llu %llu\n", (ull)ring.position, (ull)ring.generation);
}

static void leave(void (*how)(struct ring *)) {
    if (attached) how(&ring);
    attached = false;
    sleeps += ring.sleeps;
    late += ring.late;
    ring.sleeps = ring.late = 0;
}

static void leave_in_order(void) { leave(ring_close); } /* also the exit handler */

static void push(struct ring_item item) {
    size_t pushed;
    enum ring_status status = ring_push(&ring, &item, 1, &pushed);
    status == RING_OK ? answer_number(status, ring.position) : answer(status);
}

static void pop(bool with_word) {
    size_t length;
    uint64_t word;
    enum ring_status status = ring_pop(&ring, buffer, room, &length, &word);
    if (status != RING_OK) {
        answer(status);
        return;
    }
    fputs("ok ", stdout);
    if (with_word) printf("%llu ", (ull)word);
    for (size_t i = 0; i < length; i++) printf("%02x", buffer[i]);
    puts(length == 0 ? "-" : "");
}

static void half(const char *step, char *hex) {
    static const struct { const char *name; enum ring_step step; enum ring_kind kind; bool consumer; } steps[] = {
        {"payload", RING_STEP_PAYLOAD, RING_MESSAGE, false}, {"slots", RING_STEP_PAYLOAD, RING_STREAM, false},
        {"header", RING_STEP_HEADER, RING_MESSAGE, false},   {"tail", RING_STEP_TAIL, RING_MESSAGE, false},
        {"tail", RING_STEP_TAIL, RING_STREAM, false},        {"read", RING_STEP_READ, RING_MESSAGE, true},
        {"read", RING_STEP_READ, RING_STREAM, true},
    };
    struct ring_item item;
    bool consumer = ring.role == RING_CONSUMER;
    for (size_t i = 0; i < sizeof steps / sizeof *steps && ring.die_after == RING_STEP_NONE; i++) {
        bool fits = (steps[i].kind == RING_MESSAGE) == ring.message && steps[i].consumer == consumer;
        if (fits && strcmp(step, steps[i].name) == 0) ring.die_after = steps[i].step;
    }
    if (ring.die_after == RING_STEP_NONE)
        puts("err nothere no such step of this ring, or of this role");
    else if (consumer)
        pop(false);
    else if (bytes(hex, &item))
        push(item);
    ring.die_after = RING_STEP_NONE; /* it is not dead: nothing was there, or no room */
}

static void park(uint64_t need, uint64_t limit, bool many) {
    enum ring_status status = ring_wait(&ring, need, ring_now() + milliseconds(limit));
    if (many && (status == RING_CLOSED || status == RING_CRASHED) && ring.role == RING_CONSUMER)
        answer_number(status, ring.known - ring.position);
    else
        answer(status);
}

static bool is(const char *name, int least, int most) {
    return strcmp(words[0], name) == 0 && count > least && count <= most + 1;
}

static void command(void) {
    static const char *const peers[] = {"never", "alive", "closed", "crashed"};
    bool producer = ring.role == RING_PRODUCER;
    struct ring_item item = {0};
    struct lengths length;
    uint64_t n, m, done = 0;
    ring.why[0] = 0;
    if (is("hello", 0, 0))
        printf("ok ringmain-conformance 1 c11 %s\n", smallest ? "smallest batch" : "full");
    else if (is("attach", 7, 8))
        attached ? (void)puts("err nothere a handle is attached") : attach();
    else if (is("unlink", 1, 1))
        answer(ring_unlink(words[1]));
    else if (is("wait", 1, 1))
        puts("ok"); /* it parks */
    else if (is("stats", 0, 0))
        printf("ok %llu %llu\n", (ull)(sleeps + ring.sleeps), (ull)(late + ring.late));
    else if (is("die", 0, 0))
        raise(SIGKILL);
    else if (!attached)
        puts("err nothere no handle is attached");
    else if (is("close", 0, 0) || is("abandon", 0, 0)) {
        leave(words[0][0] == 'c' ? ring_close : ring_abandon);
        puts("ok");
    } else if (is("wake", 0, 0)) {
        if (!ring.poisoned) ring_wake(&ring);
        answer(ring.poisoned ? RING_CORRUPTED : RING_OK);
    } else if (ring.poisoned)
        answer(RING_CORRUPTED);
    else if (is("position", 0, 0)) {
        ring_positions(&ring, &n, &m);
        printf("ok %llu %llu\n", (ull)n, (ull)m);
    } else if (is("peer", 0, 0))
        printf("ok %s\n", peers[ring_peer(&ring)]);
    else if (is("half", 2, 2))
        half(words[1], words[2]);
    else if (is("park", 1, 2)) {
        if (number(1, 0, &n) && number(2, 8, &m)) park(ring_need(&ring, 1, m), n, false);
    } else if (is("parkn", 2, 2)) {
        if (number(1, 0, &n) && number(2, 0, &m)) park(ring_need(&ring, n, 8), m, true);
    } else if (is("flow", 5, 5) && strcmp(words[1], producer ? "push" : "pop") == 0)
        flow(producer);
    else if (producer && is("push", 1, 1)) {
        if (bytes(words[1], &item)) push(item);
    } else if (producer && is("pushw", 2, 2)) {
        if (ring.header != 16)
            usage("there is no user's word");
        else if (number(1, 0, &item.word) && bytes(words[2], &item))
            push(item);
    } else if (producer && is("abort", 1, 1)) {
        if (bytes(words[1], &item)) answer(ring_abort(&ring, item.bytes, item.length));
    } else if (producer && (is("pushn", 3, 3) || is("batch", 3, 3))) {
        bool batch = words[0][0] == 'b';
        if (batch && smallest)
            puts("err nothere the smallest peer publishes one at a time");
        else if (number(1, 0, &n) && number(2, 0, &m) && lengths(3, &length)) {
            enum ring_status status = push_items(n, m, length, &done, batch);
            if (status == RING_TIMEOUT || status == RING_CLOSED || status == RING_CRASHED) status = RING_FULL;
            status == RING_OK || (status == RING_FULL && !batch) ? answer_number(RING_OK, batch ? ring.position : done)
                                                                 : answer(status);
        }
    } else if (!producer && (is("pop", 0, 0) || is("popw", 0, 0)))
        pop(words[0][3] == 'w');
    else if (!producer && is("popn", 3, 3)) {
        if (number(1, 0, &n) && number(2, 0, &m) && lengths(3, &length)) {
            enum ring_status status = pop_items(n, m, length, &done, false);
            status == RING_CORRUPTED ? answer(status) : answer_number(status == RING_EMPTY ? RING_OK : status, done);
        }
    } else
        usage("no such command, of this role and with so many words");
}

int main(int arguments, char **values) {
    if (arguments != 2 || (strcmp(values[1], "smallest") != 0 && strcmp(values[1], "full") != 0)) {
        fputs("usage: peer smallest|full, then commands on standard input\n", stderr);
        return 2;
    }
    smallest = strcmp(values[1], "smallest") == 0;
    atexit(leave_in_order);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        count = 0;
        for (char *word = strtok(line, " \n"); word != NULL && count < WORDS; word = strtok(NULL, " \n"))
            words[count++] = word;
        if (count == 0)
            usage("an empty line");
        else
            command();
        fflush(stdout);
    }
    return 0;
}

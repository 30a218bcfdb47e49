/* The conformance kit's text protocol on stdin and stdout: `peer smallest`, or `peer full`. */
#define _GNU_SOURCE
#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ring ring;
static bool attached, smallest;
static char last_name[32];
static unsigned char *buffer; /* for what is popped */
static size_t room;

enum { GROUP = 64, WORDS = 12 };

static const char *kind_of(enum ring_status status) {
    static const char *const kinds[] = {"",        "full",      "empty", "closed",   "crashed",  "timeout",
                                        "toolong", "corrupted", "busy",  "notfound", "mismatch", "layout", "other"};
    return kinds[status];
}

static void answer(enum ring_status status) {
    if (status == RING_OK)
        puts("ok");
    else
        printf("err %s%s%s\n", kind_of(status), ring.why[0] ? " " : "", ring.why);
}

static void answer_count(enum ring_status status, uint64_t done) {
    if (status == RING_OK)
        printf("ok %llu\n", (unsigned long long)done);
    else
        printf("err %s %llu\n", kind_of(status), (unsigned long long)done);
}

static void usage(const char *what) { printf("err nothere %s\n", what); }

static bool number(const char *text, uint64_t *value) {
    char *end;
    *value = text == NULL ? 0 : strtoull(text, &end, 10);
    return text != NULL && *text >= '0' && *text <= '9' && *end == 0;
}

/* Bytes from lower-case hex, in place; `-` is the empty string. */
static bool bytes_of(char *text, size_t *length) {
    static const char digits[] = "0123456789abcdef";
    *length = text == NULL || strcmp(text, "-") == 0 ? 0 : strlen(text) / 2;
    if (text == NULL || (*length != 0 && strlen(text) % 2 != 0)) return false;
    for (size_t i = 0; i < *length; i++) {
        const char *high = strchr(digits, text[2 * i]), *low = strchr(digits, text[2 * i + 1]);
        if (high == NULL || low == NULL) return false;
        text[i] = (char)((high - digits) * 16 + (low - digits));
    }
    return *length != 0 || strcmp(text, "-") == 0;
}

static void pattern(unsigned char *bytes, size_t length, uint64_t value) {
    for (size_t i = 0; i < length; i++) bytes[i] = (unsigned char)(value >> 8 * (i % 8));
}

/* Items `first` and on, until `count` are done, or the ring is full or empty: then RING_OK as well. */
static enum ring_status push_some(uint64_t count, uint64_t first, size_t length, uint64_t *done) {
    struct ring_item items[GROUP];
    unsigned char *bytes = malloc(GROUP * length + 1);
    enum ring_status status = RING_OK;
    while (status == RING_OK && *done < count) {
        size_t group = count - *done < GROUP ? (size_t)(count - *done) : GROUP, pushed;
        for (size_t i = 0; i < group; i++) {
            pattern(bytes + i * length, length, first + *done + i);
            items[i] = (struct ring_item){.bytes = bytes + i * length, .length = length};
        }
        status = ring_push(&ring, items, group, &pushed);
        *done += pushed;
    }
    free(bytes);
    return status == RING_FULL ? RING_OK : status;
}

static enum ring_status pop_some(uint64_t count, uint64_t first, size_t length, uint64_t *done) {
    enum ring_status status = RING_OK;
    unsigned char *expected = malloc(length + 1);
    size_t got;
    uint64_t word;
    while (*done < count && (status = ring_pop(&ring, buffer, room, &got, &word)) == RING_OK) {
        pattern(expected, length, first + *done);
        if (got != length || memcmp(buffer, expected, length) != 0) {
            snprintf(ring.why, sizeof ring.why, "item %llu differs: %zu bytes",
                     (unsigned long long)(first + *done), got);
            status = RING_CORRUPTED;
            break;
        }
        ++*done;
    }
    free(expected);
    return status == RING_EMPTY ? RING_OK : status;
}

static void flow(bool push, uint64_t count, uint64_t first, size_t length, int64_t deadline) {
    enum ring_status status = RING_OK;
    uint64_t done = 0;
    while (status == RING_OK && done < count) {
        uint64_t part = count - done < 4096 ? count : done + 4096;
        status = (push ? push_some : pop_some)(part, first, length, &done);
        if (status == RING_OK && done < part)
            status = ring_wait(&ring, ring_need(&ring, 1, length), deadline);
        else if (status == RING_OK && done < count && ring_now() >= deadline)
            status = RING_TIMEOUT;
    }
    answer_count(status, done);
}

static int64_t milliseconds(uint64_t n) { return (int64_t)(n < 1000000000 ? n : 1000000000) * 1000000; }

static void attach(char **words, int count) {
    uint64_t numbers[5] = {0};
    struct ring_options options = {.smallest = smallest};
    for (int i = 0; i < count - 4; i++)
        if (!number(words[4 + i], &numbers[i])) {
            usage("attach: a number is none");
            return;
        }
    options.role = strcmp(words[1], "producer") == 0 ? RING_PRODUCER : RING_CONSUMER;
    options.kind = strcmp(words[2], "stream") == 0 ? RING_STREAM : RING_MESSAGE;
    options.name = words[3];
    options.capacity = numbers[0];
    options.align = numbers[1];
    options.size = numbers[2];
    options.wait_ns = milliseconds(numbers[3]);
    options.first = numbers[4];
    snprintf(last_name, sizeof last_name, "%.31s", words[3]);
    enum ring_status status = ring_attach(&ring, &options);
    if (status != RING_OK) {
        answer(status);
        return;
    }
    attached = true;
    free(buffer);
    room = ring.message ? (size_t)ring.capacity : (size_t)ring.size;
    buffer = malloc(room);
    printf("ok %llu %llu\n", (unsigned long long)ring.position, (unsigned long long)ring.generation);
}

static void leave(void) { /* also by the exit handler: "a process that exits in order leaves" */
    if (attached) ring_close(&ring);
    attached = false;
}

static void half(const char *step, char *hex) {
    struct ring_item item = {.bytes = hex};
    size_t pushed;
    bool good = bytes_of(hex, &item.length);
    ring.die_after = strcmp(step, "payload") == 0 || strcmp(step, "slots") == 0 ? RING_STEP_PAYLOAD
                     : strcmp(step, "header") == 0 && ring.message              ? RING_STEP_HEADER
                     : strcmp(step, "tail") == 0                                ? RING_STEP_TAIL
                                                                                : RING_STEP_NONE;
    if (!good || ring.die_after == RING_STEP_NONE) {
        usage("half STEP HEX");
        return;
    }
    answer(ring_push(&ring, &item, 1, &pushed)); /* it is not dead: there was no room */
    ring.die_after = RING_STEP_NONE;
}

static void command(char *line) {
    char *words[WORDS] = {NULL};
    uint64_t n[3] = {0}, done = 0, limit, word;
    int count = 0;
    size_t length;
    for (char *next = strtok(line, " \n"); next != NULL && count < WORDS; next = strtok(NULL, " \n"))
        words[count++] = next;
    const char *name = count == 0 ? "" : words[0];
    bool producer = ring.role == RING_PRODUCER, numbers = true;
    ring.why[0] = 0;
#define IS(text, words_expected) (strcmp(name, text) == 0 && count == (words_expected))
    if (IS("hello", 1))
        printf("ok ringmain-conformance 1 c11 %s\n", smallest ? "smallest" : "full");
    else if (strcmp(name, "attach") == 0 && (count == 8 || count == 9) && !attached)
        attach(words, count);
    else if (IS("unlink", 1) && last_name[0] != 0)
        answer(ring_unlink(last_name));
    else if (IS("die", 1))
        raise(SIGKILL);
    else if (!attached)
        usage("no handle is attached, or a bad command");
    else if (IS("push", 2) && producer) {
        struct ring_item item = {.bytes = words[1]};
        if (!bytes_of(words[1], &item.length))
            usage("push HEX");
        else {
            enum ring_status status = ring_push(&ring, &item, 1, &length);
            status == RING_OK ? answer_count(status, ring.position) : answer(status);
        }
    } else if (IS("pop", 1) && !producer) {
        enum ring_status status = ring_pop(&ring, buffer, room, &length, &word);
        bool popped = status == RING_OK;
        if (status == RING_EMPTY) /* tells an end, if there is one */
            status = ring_wait(&ring, ring_need(&ring, 1, 0), ring_now());
        if (status == RING_OK && !popped) status = ring_pop(&ring, buffer, room, &length, &word);
        if (status != RING_OK) {
            answer(status == RING_TIMEOUT ? RING_EMPTY : status);
            return;
        }
        fputs(length == 0 ? "ok -" : "ok ", stdout);
        for (size_t i = 0; i < length; i++) printf("%02x", buffer[i]);
        puts("");
    } else if (IS("half", 3) && producer)
        half(words[1], words[2]);
    else if (IS("position", 1)) {
        uint64_t head, tail;
        ring_positions(&ring, &head, &tail);
        printf("ok %llu %llu\n", (unsigned long long)head, (unsigned long long)tail);
    } else if (IS("peer", 1)) {
        static const char *const peers[] = {"never", "alive", "closed", "crashed"};
        printf("ok %s\n", peers[ring_peer(&ring)]);
    } else if (IS("close", 1)) {
        leave();
        answer(RING_OK);
    } else if (IS("abandon", 1)) {
        ring_abandon(&ring);
        attached = false;
        answer(RING_OK);
    } else {
        for (int i = 0, at = IS("flow", 6) ? 2 : 1; i < 3; i++, at++)
            numbers &= words[at] == NULL || number(words[at], &n[i]);
        if (!numbers)
            usage("a number is none");
        else if (IS("pushn", 4) && producer) {
            enum ring_status status = push_some(n[0], n[1], n[2], &done);
            status == RING_OK ? answer_count(status, done) : answer(status);
        } else if (IS("popn", 4) && !producer) {
            enum ring_status status = pop_some(n[0], n[1], n[2], &done);
            status == RING_OK ? answer_count(status, done) : answer(status);
        } else if (IS("park", 2))
            answer(ring_wait(&ring, ring_need(&ring, 1, 0), ring_now() + milliseconds(n[0])));
        else if (IS("parkn", 3))
            answer(ring_wait(&ring, ring_need(&ring, n[0], 0), ring_now() + milliseconds(n[1])));
        else if (IS("flow", 6) && producer == (strcmp(words[1], "push") == 0) && number(words[5], &limit))
            flow(producer, n[0], n[1], n[2], ring_now() + milliseconds(limit));
        else
            usage("a bad command, or one of the other role");
    }
}

int main(int count, char **arguments) {
    if (count != 2 || (strcmp(arguments[1], "smallest") != 0 && strcmp(arguments[1], "full") != 0)) {
        fputs("usage: peer smallest|full, then commands on standard input\n", stderr);
        return 2;
    }
    smallest = strcmp(arguments[1], "smallest") == 0;
    atexit(leave);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        command(line);
        fflush(stdout);
    }
    free(line);
    leave();
    free(buffer);
    return 0;
}

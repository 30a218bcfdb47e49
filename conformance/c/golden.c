/* The golden bytes of the conformance kit, as the peer of this folder leaves them: its descriptions, played by both
 * ends here. */
#define _GNU_SOURCE
#include "peer.h"

#include "descriptions.h"

typedef unsigned long long ull;

static struct ring ends[2];
static bool attached[2];

/* The statuses of peer.h, in their order. */
static const char *const kinds[] = {"ok",        "full", "empty",    "closed",   "crashed",  "timeout", "toolong",
                                    "corrupted", "busy", "notfound", "mismatch", "mismatch", "usage",   "other"};

static enum ring_status attach_end(bool consumer, char **words, int count) {
    struct ring_options o = {.name = words[3], .role = consumer ? RING_CONSUMER : RING_PRODUCER};
    o.kind = strcmp(words[2], "message") == 0 ? RING_MESSAGE : RING_STREAM;
    o.capacity = strtoull(words[4], NULL, 10);
    o.align = strtoull(words[5], NULL, 10);
    o.size = strtoull(words[6], NULL, 10);
    o.first = count > 8 ? strtoull(words[8], NULL, 10) : 0;
    enum ring_status status = ring_attach(&ends[consumer], &o);
    attached[consumer] = status == RING_OK;
    return status;
}

/* Pushes items FIRST and on: one after the other, or in one publication. */
static enum ring_status push_numbered(struct ring *ring, char **words, uint64_t *done) {
    static char bytes[64][LARGEST_ITEM];
    struct ring_item items[64];
    uint64_t count = strtoull(words[1], NULL, 10), first = strtoull(words[2], NULL, 10);
    if (count > 64) give_up("so many items are not expected", words[1]);
    for (uint64_t at = 0; at < count; at++)
        items[at] = (struct ring_item){bytes[at], numbered_item(first + at, words[3], bytes[at]), 0};
    enum ring_status status = RING_OK;
    size_t pushed = 0;
    if (words[0][0] == 'b') {
        status = ring_push(ring, items, count, &pushed);
        *done = ring->position;
        return status == RING_OK && pushed < count ? RING_FULL : status;
    }
    for (*done = 0; *done < count && (status = ring_push(ring, items + *done, 1, &pushed)) == RING_OK; ++*done) {}
    return status == RING_FULL ? RING_OK : status;
}

static void step(bool consumer, char **words, int count, char *answer, size_t size) {
    const char *command = words[0];
    struct ring *ring = &ends[consumer];
    struct ring_item item = {0};
    char bytes[LARGEST_ITEM];
    enum ring_status status = RING_OK;
    size_t length = 0;
    uint64_t word, number = 0;
    bool numbered = true;
    item.bytes = bytes;
    if (strcmp(command, "attach") == 0) {
        status = attach_end(consumer, words, count);
        if (status == RING_OK) snprintf(answer, size, "ok %llu %llu", (ull)ring->position, (ull)ring->generation);
        if (status == RING_OK) return;
    } else if (strcmp(command, "pushn") == 0 || strcmp(command, "batch") == 0) {
        status = push_numbered(ring, words, &number);
    } else if (strcmp(command, "push") == 0 || strcmp(command, "pushw") == 0) {
        if (command[4] == 'w') item.word = strtoull(words[1], NULL, 10);
        item.length = hex_item(words[count - 1], bytes);
        status = ring_push(ring, &item, 1, &length);
        number = ring->position;
    } else {
        numbered = false;
        if (strcmp(command, "abort") == 0) {
            length = hex_item(words[1], bytes);
            status = ring_abort(ring, bytes, length);
        } else if (strcmp(command, "pop") == 0) {
            status = ring_pop(ring, bytes, sizeof bytes, &length, &word);
            if (status == RING_OK) answer_hex(bytes, length, answer, size);
            if (status == RING_OK) return;
        } else if (strcmp(command, "park") == 0 && strcmp(words[1], "0") == 0) {
            status = ring_wait(ring, ring_need(ring, 1, 8), ring_now());
        } else if (strcmp(command, "close") == 0) {
            ring_close(ring);
            attached[consumer] = false;
        } else {
            give_up("no step of this program's", command);
        }
    }
    if (status != RING_OK)
        snprintf(answer, size, "err %s", kinds[status]);
    else if (numbered)
        snprintf(answer, size, "ok %llu", (ull)number);
    else
        snprintf(answer, size, "ok");
}

static void leave(const char *name) {
    for (int at = 0; at < 2; at++) {
        if (attached[at]) ring_close(&ends[at]);
        attached[at] = false;
    }
    if (ring_unlink(name) != RING_OK) give_up("it cannot be removed", name);
}

int main(int count, char **arguments) { return play_all(count > 1 ? arguments[1] : "../golden", step, leave); }

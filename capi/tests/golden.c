/* The golden bytes of the conformance kit, as calls in C leave them: its descriptions, played by both ends here. */
#include "check.h"

#include "../../conformance/c/descriptions.h"

static ringmain_end *ends[2];
static bool is_stream;
static size_t element;

static void answer_position(ringmain_end *end, char *answer, size_t size) {
    uint64_t position = 0;
    IS(ringmain_position(end, &position), 0);
    snprintf(answer, size, "ok %llu", (unsigned long long)position);
}

static void attach_end(bool consumer, char **words, int count, char *answer, size_t size) {
    ringmain_options options = options_of((size_t)strtoull(words[4], NULL, 10));
    ringmain_info info;
    uint64_t position = 0;
    is_stream = strcmp(words[2], "stream") == 0;
    element = (size_t)strtoull(words[6], NULL, 10);
    options.element_size = element;
    options.element_align = is_stream ? (size_t)strtoull(words[5], NULL, 10) : 0;
    options.record_alignment = is_stream ? 0 : (size_t)strtoull(words[5], NULL, 10);
    options.start_at = count > 8 ? strtoull(words[8], NULL, 10) : 0;
    const uint32_t which = (is_stream ? RINGMAIN_STREAM_PRODUCER : RINGMAIN_MESSAGE_PRODUCER) + (consumer ? 1u : 0u);
    ringmain_end *end = ends[consumer] = attach(which, words[3], &options);
    info.size = sizeof info;
    IS(ringmain_end_info(end, &info), 0);
    IS(ringmain_position(end, &position), 0);
    snprintf(answer, size, "ok %llu %llu", (unsigned long long)position, (unsigned long long)info.generation);
}

/* Pushes items FIRST and on: one after the other, or together. */
static void push_numbered(ringmain_end *tx, char **words, char *answer, size_t size) {
    static char all[64 * LARGEST_ITEM];
    const uint64_t items = strtoull(words[1], NULL, 10), first = strtoull(words[2], NULL, 10);
    const bool together = words[0][0] == 'b';
    uint64_t done = 0;
    size_t used = 0;
    CHECK(items <= 64);
    if (together && !is_stream) IS(ringmain_batch_begin(tx), 0);
    for (; done < items; done++) {
        const size_t length = numbered_item(first + done, words[3], all + used);
        if (together && is_stream) {
            used += length;
        } else if ((is_stream ? ringmain_stream_push(tx, all, 1, RINGMAIN_NOW)
                              : ringmain_message_push(tx, all, length, RINGMAIN_NOW)) < 0) {
            break;
        }
    }
    if (together && is_stream) IS(ringmain_stream_push(tx, all, (size_t)items, RINGMAIN_NOW), items);
    if (together && !is_stream) IS(ringmain_batch_commit(tx), items);
    if (together)
        answer_position(tx, answer, size);
    else
        snprintf(answer, size, "ok %llu", (unsigned long long)done);
}

static void step(bool consumer, char **words, int count, char *answer, size_t size) {
    const char *command = words[0];
    ringmain_end *end = ends[consumer];
    char bytes[LARGEST_ITEM];
    void *claimed = NULL;
    ptrdiff_t result = 0;
    if (strcmp(command, "attach") == 0) {
        attach_end(consumer, words, count, answer, size);
        return;
    } else if (strcmp(command, "pushn") == 0 || strcmp(command, "batch") == 0) {
        push_numbered(end, words, answer, size);
        return;
    } else if (strcmp(command, "push") == 0) {
        const size_t length = hex_item(words[1], bytes);
        result = is_stream ? ringmain_stream_push(end, bytes, length / element, RINGMAIN_NOW)
                           : ringmain_message_push(end, bytes, length, RINGMAIN_NOW);
    } else if (strcmp(command, "pushw") == 0) {
        const size_t length = hex_item(words[2], bytes);
        result = ringmain_message_push_tagged(end, strtoull(words[1], NULL, 10), bytes, length, RINGMAIN_NOW);
    } else if (strcmp(command, "abort") == 0 && !is_stream) {
        const size_t length = hex_item(words[1], bytes);
        IS(ringmain_message_claim(end, length, RINGMAIN_NOW, &claimed), 0);
        memcpy(claimed, bytes, length);
        IS(ringmain_abort(end), 0);
        snprintf(answer, size, "ok");
        return;
    } else if (strcmp(command, "pop") == 0) {
        result = is_stream ? ringmain_stream_pop(end, bytes, 1, RINGMAIN_NOW)
                           : ringmain_message_pop(end, bytes, sizeof bytes, RINGMAIN_NOW);
        if (result >= 0) answer_hex(bytes, is_stream ? element : (size_t)result, answer, size);
    } else if (strcmp(command, "park") == 0 && strcmp(words[1], "0") == 0) {
        result = ringmain_wait(end, 1, RINGMAIN_NOW);
    } else if (strcmp(command, "close") == 0) {
        IS(ringmain_close(end), 0);
        ends[consumer] = NULL;
        snprintf(answer, size, "ok");
        return;
    } else {
        give_up("no step of this program's", command);
    }
    if (result == -EAGAIN) snprintf(answer, size, consumer ? "err empty" : "err full");
    if (result == -EPIPE) snprintf(answer, size, "err closed");
    if (result >= 0 && answer[0] == 0) answer_position(end, answer, size);
}

static void leave(const char *ring) {
    for (int at = 0; at < 2; at++) {
        if (ends[at] != NULL) IS(ringmain_close(ends[at]), 0);
        ends[at] = NULL;
    }
    IS(ringmain_unlink(ring), 0);
}

int main(int count, char **arguments) { return play_all(count > 1 ? arguments[1] : "conformance/golden", step, leave); }

/* What can be told of a wrong argument is told, and nothing is touched: null pointers, other kinds, sizes. */
#include "check.h"

static char bytes[64];
static uint64_t number;
static size_t done;

/* Each call that takes a handle, without one. */
static void without_a_handle(void) {
    ringmain_info info;
    ringmain_slots slots;
    ringmain_elements elements;
    ringmain_record record;
    struct iovec part;
    void *address;
    info.size = sizeof info;
    part.iov_base = bytes;
    part.iov_len = 1;
#define WITHOUT(call) FAILS(call, -EINVAL, "the handle is NULL")
    WITHOUT(ringmain_close(NULL));
    WITHOUT(ringmain_abandon(NULL));
    WITHOUT(ringmain_into_fd(NULL));
    WITHOUT(ringmain_descriptor(NULL));
    WITHOUT(ringmain_seal(NULL));
    WITHOUT(ringmain_end_info(NULL, &info));
    WITHOUT(ringmain_position(NULL, &number));
    WITHOUT(ringmain_len(NULL));
    WITHOUT(ringmain_room(NULL));
    WITHOUT(ringmain_peer(NULL));
    WITHOUT(ringmain_peer_state(NULL));
    WITHOUT(ringmain_peer_generation(NULL, &number));
    WITHOUT(ringmain_peer_changed(NULL));
    WITHOUT(ringmain_is_orphaned(NULL));
    WITHOUT(ringmain_is_truncated(NULL));
    WITHOUT(ringmain_set_wait(NULL, RINGMAIN_SPIN));
    WITHOUT(ringmain_wait(NULL, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_pause(NULL));
    WITHOUT(ringmain_abort(NULL));
    WITHOUT(ringmain_keep(NULL));
    WITHOUT(ringmain_stream_push(NULL, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_stream_pop(NULL, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_stream_push_all(NULL, bytes, 1, RINGMAIN_NOW, &done));
    WITHOUT(ringmain_stream_pop_all(NULL, bytes, 1, RINGMAIN_NOW, &done));
    WITHOUT(ringmain_stream_claim(NULL, 1, 1, RINGMAIN_NOW, &slots));
    WITHOUT(ringmain_stream_commit(NULL, 1));
    WITHOUT(ringmain_stream_peek(NULL, 1, 1, RINGMAIN_NOW, &elements));
    WITHOUT(ringmain_stream_copy(NULL, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_stream_release(NULL, 1));
    WITHOUT(ringmain_message_push(NULL, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_message_push_tagged(NULL, 1, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_message_push_vectored(NULL, &part, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_message_claim(NULL, 1, RINGMAIN_NOW, &address));
    WITHOUT(ringmain_message_commit(NULL, 1));
    WITHOUT(ringmain_message_commit_tagged(NULL, 1, 1));
    WITHOUT(ringmain_batch_begin(NULL));
    WITHOUT(ringmain_batch_commit(NULL));
    WITHOUT(ringmain_message_pop(NULL, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_message_pop_tagged(NULL, &number, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_message_next_len(NULL, RINGMAIN_NOW));
    WITHOUT(ringmain_message_peek(NULL, RINGMAIN_NOW, &record));
    WITHOUT(ringmain_message_copy_next(NULL, bytes, 1, RINGMAIN_NOW));
    WITHOUT(ringmain_message_release(NULL));
    ringmain_waker *waker = (ringmain_waker *)bytes;
    WITHOUT(ringmain_end_waker(NULL, &waker));
    CHECK(waker == NULL);
    waker = (ringmain_waker *)bytes;
    FAILS(ringmain_waitset_waker(NULL, &waker), -EINVAL, "the set is NULL");
    CHECK(waker == NULL);
    WITHOUT(ringmain_readiness_fd(NULL));
    WITHOUT(ringmain_is_ready(NULL, 1));
    FAILS(ringmain_waitset_waker(NULL, NULL), -EINVAL, "waker is NULL");
    FAILS(ringmain_end_waker(NULL, NULL), -EINVAL, "waker is NULL");
    FAILS(ringmain_waitset_open(NULL), -EINVAL, "set is NULL");
    FAILS(ringmain_waitset_set_wait(NULL, RINGMAIN_SPIN), -EINVAL, "the set is NULL");
    FAILS(ringmain_waitset_wait(NULL, NULL, 0, RINGMAIN_NOW), -EINVAL, "the set is NULL");
    ringmain_waitset_free(NULL);
    IS(ringmain_wake(NULL), -EINVAL);
    ringmain_waker_free(NULL);
    FAILS(ringmain_offer_answer(NULL), -EINVAL, "the offer is NULL");
    FAILS(ringmain_list_next(NULL, NULL), -EINVAL, "the list is NULL");
}

/* Each call of one ring or end, on the handles of the others. */
static void with_another_kind(void) {
    ringmain_end *ends[4];
    ringmain_options numbers = numbers_of(8), messages = options_of(4096);
    ringmain_slots slots;
    ringmain_elements elements;
    ringmain_record record;
    struct iovec part;
    void *address;
    uint32_t at;
    numbers.flags = messages.flags = RINGMAIN_UNLINK_ON_CLOSE;
    part.iov_base = bytes;
    part.iov_len = 1;
    for (at = 0; at < 4; at++) {
        ends[at] = attach(at + 1, name_of(at < 2 ? "kind-s" : "kind-m"), at < 2 ? &numbers : &messages);
    }
    for (at = 0; at < 4; at++) {
        ringmain_end *end = ends[at];
#define OTHER(call, own, expected) \
    if (at + 1 != (own)) FAILS(call, -EINVAL, expected)
        OTHER(ringmain_stream_push(end, bytes, 1, RINGMAIN_NOW), RINGMAIN_STREAM_PRODUCER, "the producer of a str");
        OTHER(ringmain_stream_push_all(end, bytes, 1, RINGMAIN_NOW, NULL), RINGMAIN_STREAM_PRODUCER, "a stream ring");
        OTHER(ringmain_stream_claim(end, 1, 1, RINGMAIN_NOW, &slots), RINGMAIN_STREAM_PRODUCER, "a stream ring");
        OTHER(ringmain_stream_pop(end, bytes, 1, RINGMAIN_NOW), RINGMAIN_STREAM_CONSUMER, "the consumer of a str");
        OTHER(ringmain_stream_pop_all(end, bytes, 1, RINGMAIN_NOW, NULL), RINGMAIN_STREAM_CONSUMER, "a stream ring");
        OTHER(ringmain_stream_peek(end, 1, 1, RINGMAIN_NOW, &elements), RINGMAIN_STREAM_CONSUMER, "a stream ring");
        OTHER(ringmain_stream_copy(end, bytes, 1, RINGMAIN_NOW), RINGMAIN_STREAM_CONSUMER, "a stream ring");
        OTHER(ringmain_message_push(end, bytes, 1, RINGMAIN_NOW), RINGMAIN_MESSAGE_PRODUCER, "the producer of a mes");
        OTHER(ringmain_message_push_tagged(end, 1, bytes, 1, 0), RINGMAIN_MESSAGE_PRODUCER, "a message ring");
        OTHER(ringmain_message_push_vectored(end, &part, 1, RINGMAIN_NOW), RINGMAIN_MESSAGE_PRODUCER, "a message ring");
        OTHER(ringmain_message_claim(end, 1, RINGMAIN_NOW, &address), RINGMAIN_MESSAGE_PRODUCER, "a message ring");
        OTHER(ringmain_batch_begin(end), RINGMAIN_MESSAGE_PRODUCER, "a message ring");
        OTHER(ringmain_message_pop(end, bytes, 1, RINGMAIN_NOW), RINGMAIN_MESSAGE_CONSUMER, "the consumer of a mes");
        OTHER(ringmain_message_pop_tagged(end, &number, bytes, 1, 0), RINGMAIN_MESSAGE_CONSUMER, "a message ring");
        OTHER(ringmain_message_next_len(end, RINGMAIN_NOW), RINGMAIN_MESSAGE_CONSUMER, "a message ring");
        OTHER(ringmain_message_peek(end, RINGMAIN_NOW, &record), RINGMAIN_MESSAGE_CONSUMER, "a message ring");
        OTHER(ringmain_message_copy_next(end, bytes, 1, RINGMAIN_NOW), RINGMAIN_MESSAGE_CONSUMER, "a message ring");
        if (at % 2 == 0) {
            FAILS(ringmain_pause(end), -EINVAL, "expected a consumer");
            FAILS(ringmain_keep(end), -EINVAL, "expected a peek");
        } else {
            FAILS(ringmain_room(end), -EINVAL, "expected a producer");
            FAILS(ringmain_abort(end), -EINVAL, "expected a claim or a batch");
        }
    }
    for (at = 0; at < 4; at++) IS(ringmain_close(ends[at]), 0);
}

static void without_a_place_for_the_result(void) {
    ringmain_options options = numbers_of(8), messages = options_of(4096);
    ringmain_list *list = NULL;
    ringmain_end *tx, *rx, *writer, *reader;
    options.flags = messages.flags = RINGMAIN_UNLINK_ON_CLOSE;
    tx = attach(RINGMAIN_STREAM_PRODUCER, name_of("null-s"), &options);
    rx = attach(RINGMAIN_STREAM_CONSUMER, name_of("null-s"), &options);
    writer = attach(RINGMAIN_MESSAGE_PRODUCER, name_of("null-m"), &messages);
    reader = attach(RINGMAIN_MESSAGE_CONSUMER, name_of("null-m"), &messages);
    FAILS(ringmain_attach(RINGMAIN_STREAM_PRODUCER, "x", &options, NULL), -EINVAL, "end is NULL");
    FAILS(ringmain_create(RINGMAIN_STREAM_PRODUCER, NULL, NULL), -EINVAL, "elements of 0 bytes aligned to 0");
    ringmain_offer_free(NULL);
    FAILS(ringmain_accept(0, RINGMAIN_STREAM_PRODUCER, &options, NULL), -EINVAL, "end is NULL");
    FAILS(ringmain_end_info(tx, NULL), -EINVAL, "info is NULL");
    FAILS(ringmain_position(tx, NULL), -EINVAL, "position is NULL");
    FAILS(ringmain_peer_generation(tx, NULL), -EINVAL, "generation is NULL");
    FAILS(ringmain_stream_push(tx, NULL, 1, RINGMAIN_NOW), -EINVAL, "elements is NULL, and has 8 bytes");
    FAILS(ringmain_stream_push_all(tx, NULL, 1, RINGMAIN_NOW, NULL), -EINVAL, "elements is NULL");
    FAILS(ringmain_stream_pop(rx, NULL, 1, RINGMAIN_NOW), -EINVAL, "elements is NULL");
    FAILS(ringmain_stream_pop_all(rx, NULL, 1, RINGMAIN_NOW, NULL), -EINVAL, "elements is NULL");
    FAILS(ringmain_stream_copy(rx, NULL, 1, RINGMAIN_NOW), -EINVAL, "elements is NULL");
    FAILS(ringmain_stream_copy(rx, bytes, 0, RINGMAIN_NOW), -EINVAL, "at least 1 and at most 0");
    FAILS(ringmain_stream_claim(tx, 1, 1, RINGMAIN_NOW, NULL), -EINVAL, "slots is NULL");
    FAILS(ringmain_stream_peek(rx, 1, 1, RINGMAIN_NOW, NULL), -EINVAL, "elements is NULL");
    /* More bytes than there are addresses. */
    FAILS(ringmain_stream_push(tx, bytes, SIZE_MAX, RINGMAIN_NOW), -EINVAL, "elements of 8 bytes");
    FAILS(ringmain_stream_pop(rx, bytes, SIZE_MAX / 8, RINGMAIN_NOW), -EINVAL, "expected at most");
    FAILS(ringmain_message_push(writer, bytes, SIZE_MAX, RINGMAIN_NOW), -EINVAL, "expected at most");
    FAILS(ringmain_message_push(writer, NULL, 1, RINGMAIN_NOW), -EINVAL, "the message is NULL, and has 1 bytes");
    FAILS(ringmain_message_claim(writer, 1, RINGMAIN_NOW, NULL), -EINVAL, "bytes is NULL");
    FAILS(ringmain_message_claim(writer, SIZE_MAX, RINGMAIN_FOREVER, (void **)&list), -EMSGSIZE, "the ring can hold");
    FAILS(ringmain_message_pop(reader, NULL, 1, RINGMAIN_NOW), -EINVAL, "the message is NULL");
    FAILS(ringmain_message_pop_tagged(reader, NULL, bytes, 1, RINGMAIN_NOW), -EINVAL, "word is NULL");
    FAILS(ringmain_message_peek(reader, RINGMAIN_NOW, NULL), -EINVAL, "record is NULL");
    FAILS(ringmain_message_copy_next(reader, NULL, 1, RINGMAIN_NOW), -EINVAL, "the message is NULL");
    FAILS(ringmain_unlink(NULL), -EINVAL, "the name is NULL");
    FAILS(ringmain_unlink_if_free(NULL, 0), -EINVAL, "the name is NULL");
    FAILS(ringmain_look(NULL, NULL), -EINVAL, "the name is NULL");
    FAILS(ringmain_look(name_of("null-s"), NULL), -EINVAL, "stat is NULL");
    FAILS(ringmain_list_open(NULL), -EINVAL, "list is NULL");
    IS(ringmain_list_open(&list), 0);
    FAILS(ringmain_list_next(list, NULL), -EINVAL, "stat is NULL");
    ringmain_waitset *set = NULL;
    IS(ringmain_waitset_open(&set), 0);
    FAILS(ringmain_waitset_set_wait(set, 3), -EINVAL, "wait is 3");
    ringmain_waitset_free(set);
    ringmain_list_free(list);
    FAILS(ringmain_offer_send(0, 0, NULL), -EINVAL, "offer is NULL");
    FAILS(ringmain_inherit(0, NULL, 64), -EINVAL, "a note at 0x0");
    FAILS(ringmain_inherited(NULL), -EINVAL, "the variable is NULL");
    IS(ringmain_close(tx), 0);
    IS(ringmain_close(rx), 0);
    IS(ringmain_close(writer), 0);
    IS(ringmain_close(reader), 0);
}

/* Programs that were compiled with the header of another version. */
static void with_other_sizes(void) {
    struct {
        ringmain_options options;
        uint64_t appended;
    } later;
    struct {
        ringmain_info info;
        uint64_t appended;
    } info;
    ringmain_end *end = NULL;
    later.options = options_of(4096);
    later.appended = 0;
    later.options.size = sizeof later;
    end = attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options);
    info.appended = 42;
    info.info.size = sizeof info;
    IS(ringmain_end_info(end, &info.info), 0);
    CHECK(info.info.size == sizeof info.info && info.appended == 42 && info.info.capacity == 4096);
    info.info.size = 8;
    FAILS(ringmain_end_info(end, &info.info), -EINVAL, "info of 8 bytes, expected at least");
    IS(ringmain_close(end), 0);
    later.appended = 1;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "more than the");
    later.options.size = 0;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "options of 0 bytes");
    later.options.size = (size_t)-1;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "expected 104 to 4096");
    later.options.size = sizeof later.options;
    later.options.flags = 1u << 31;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "flags 0x80000000");
    later.options.flags = 0;
    later.options.create = 3;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "create is 3");
    later.options.create = 0;
    later.options.wait = 3;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "wait is 3");
    later.options.wait = 0;
    later.options.descriptor = 1;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, "both", &later.options, &end), -EINVAL,
          "both the name \"both\" and the descriptor 1 were given");
    FAILS(ringmain_create(RINGMAIN_MESSAGE_PRODUCER, "both", &later.options), -EINVAL, "expected one of them");
    FAILS(ringmain_accept(0, RINGMAIN_MESSAGE_PRODUCER, &later.options, &end), -EINVAL, "the descriptor 1 was given");
    /* Of a call that failed. */
    later.options.descriptor = -1;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "the descriptor is -1");
    later.options.descriptor = 0;
    later.options.flags = RINGMAIN_DESCRIPTOR;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, "both", &later.options, &end), -EINVAL, "the descriptor 0");
    later.options.flags = 0;
    later.options.record_alignment = 24;
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_PRODUCER, NULL, &later.options, &end), -EINVAL, "alignment of 24 bytes");
#if !defined(__cplusplus)
    struct tick {
        uint64_t time;
        float price;
    };
    IS(ringmain_attach(RINGMAIN_STREAM_PRODUCER, NULL,
                       &RINGMAIN_OPTIONS(.capacity = 1 << 10, RINGMAIN_ELEMENT(struct tick)), &end),
       0);
    info.info.size = sizeof info.info;
    IS(ringmain_end_info(end, &info.info), 0);
    CHECK(info.info.capacity == 1024 && info.info.element_size == sizeof(struct tick));
    IS(ringmain_close(end), 0);
#endif
}

int main(void) {
    without_a_handle();
    with_another_kind();
    without_a_place_for_the_result();
    with_other_sizes();
    return 0;
}

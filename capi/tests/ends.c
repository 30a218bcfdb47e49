/* How rings are created, attached, left and looked at, and what the other end is told. */
#include "check.h"

#include <fcntl.h>
#include <sys/stat.h>

static void facts(void) {
    char name[64];
    uint64_t position = 1, generation = 9;
    ringmain_info info;
    ringmain_end *tx, *rx;
    strcpy(name, name_of("facts"));
    ringmain_options options = numbers_of(100);
    options.start_at = 1000;
    tx = attach(RINGMAIN_STREAM_PRODUCER, name, &options);
    memset(&info, 1, sizeof info);
    info.size = sizeof info;
    IS(ringmain_end_info(tx, &info), 0);
    IS(info.size, sizeof info);
    CHECK(strcmp(info.name, name) == 0 && info.capacity == 128 && info.element_size == 8 && info.record_alignment == 0);
    CHECK(info.first_position == 1000 && info.generation == 1 && info.which == RINGMAIN_STREAM_PRODUCER);
    IS(info.max_len, 0);
    IS(ringmain_position(tx, &position), 0);
    IS(position, 1000);
    IS(ringmain_peer(tx), RINGMAIN_PEER_NEVER);
    IS(ringmain_peer_state(tx), RINGMAIN_PEER_NEVER);
    IS(ringmain_peer_changed(tx), 0);
    rx = attach(RINGMAIN_STREAM_CONSUMER, name, &options);
    IS(ringmain_peer(tx), RINGMAIN_PEER_ALIVE);
    IS(ringmain_peer_changed(tx), 1);
    IS(ringmain_peer_changed(tx), 0);
    IS(ringmain_peer_generation(tx, &generation), 0);
    IS(generation, 1);
    IS(ringmain_abandon(rx), 0);
    IS(ringmain_peer(tx), RINGMAIN_PEER_ALIVE);
    IS(ringmain_peer_state(tx), RINGMAIN_PEER_CRASHED);
    IS(ringmain_wait(tx, 128, LONG), 0);
    rx = attach(RINGMAIN_STREAM_CONSUMER, name, &options);
    IS(ringmain_close(rx), 0);
    IS(ringmain_peer_state(tx), RINGMAIN_PEER_CLOSED);
    IS(ringmain_is_orphaned(tx), 0);
    IS(ringmain_is_truncated(tx), 0);
    FAILS(ringmain_unlink_if_free(name, SOON), -EBUSY, "has a producer already");
    IS(ringmain_unlink(name), 0);
    IS(ringmain_is_orphaned(tx), 1);
    FAILS(ringmain_unlink(name), -ENOENT, "no ring");
    IS(ringmain_close(tx), 0);
}

static void ways_to_attach(void) {
    char name[64];
    ringmain_end *tx, *rx = NULL;
    strcpy(name, name_of("ways"));
    ringmain_options options = numbers_of(64), other = numbers_of(128);
    ringmain_options none = numbers_of(0);
    rx = (ringmain_end *)&none;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &none, &rx), -ENOENT, "no ring");
    CHECK(rx == NULL);
    options.create = RINGMAIN_CREATE_NEVER;
    FAILS(ringmain_attach(RINGMAIN_STREAM_PRODUCER, name, &options, &rx), -ENOENT, "no ring");
    none.create = options.create = RINGMAIN_CREATE_NEW;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &none, &rx), -EINVAL, "and no capacity; give one");
    FAILS(ringmain_create(RINGMAIN_STREAM_CONSUMER, name, &none), -EINVAL, "a new ring was asked for");
    none.create = RINGMAIN_CREATE_IF_MISSING;
    options.type_tag = "price";
    IS(close(ringmain_create(RINGMAIN_STREAM_CONSUMER, name, &options)), 0);
    FAILS(ringmain_create(RINGMAIN_STREAM_PRODUCER, name, &options), -EEXIST, "exists");
    options.create = RINGMAIN_CREATE_IF_MISSING;
    tx = attach(RINGMAIN_STREAM_PRODUCER, name, &options);
    FAILS(ringmain_attach(RINGMAIN_STREAM_PRODUCER, name, &options, &rx), -EBUSY, "has a producer already: process");
    other.type_tag = "price";
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &other, &rx), -EPROTO, "has capacity 64, expected 128");
    none.type_tag = "volume";
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &none, &rx), -EPROTO, "\"price\", expected \"volume\"");
    none.element_size = 16;
    none.flags = RINGMAIN_ANY_TYPE;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &none, &rx), -EPROTO, "has element size 8, expected 16");
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_CONSUMER, name, NULL, &rx), -EPROTO,
          "has kind 1 (stream), expected 2 (message)");
    none.element_align = 3;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &none, &rx), -EINVAL, "elements of 16 bytes aligned to 3");
    none = numbers_of(0);
    none.max_capacity = 256;
    none.type_tag = "price";
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &none, &rx), -EFBIG, "has 512 bytes of data");
    none.max_capacity = 512;
    none.flags = RINGMAIN_LOCK_MEMORY | RINGMAIN_NO_PREFAULT | RINGMAIN_PACE | RINGMAIN_OWNER;
    none.owner = (uint32_t)getuid();
    none.wait = RINGMAIN_SPIN;
    none.mode = 0640;
    rx = attach(RINGMAIN_STREAM_CONSUMER, name, &none);
    IS(ringmain_close(rx), 0);
    none.owner = (uint32_t)getuid() + 1;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &none, &rx), -EACCES, "belongs to user");
    IS(ringmain_close(tx), 0);
    IS(ringmain_unlink_if_free(name, RINGMAIN_NOW), 0);
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_CONSUMER, ".hidden", NULL, &rx), -EINVAL, "ring name \".hidden\"");
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_CONSUMER, "\xff", NULL, &rx), -EINVAL, "expected UTF-8");
    FAILS(ringmain_attach(RINGMAIN_MESSAGE_CONSUMER, NULL, NULL, &rx), -EINVAL, "no capacity; give one");
    FAILS(ringmain_attach(9, name, NULL, &rx), -EINVAL, "which is 9");
    FAILS(ringmain_create(0, name, NULL), -EINVAL, "which is 0");
    ringmain_options wrong = numbers_of(8);
    wrong.record_alignment = 8;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &wrong, &rx), -EINVAL, "record_alignment is 8");
    FAILS(ringmain_create(RINGMAIN_STREAM_CONSUMER, name, &wrong), -EINVAL, "record_alignment is 8");
    wrong.record_alignment = 0;
    wrong.pace_ns = -1;
    wrong.flags |= RINGMAIN_PACE;
    FAILS(ringmain_attach(RINGMAIN_STREAM_CONSUMER, name, &wrong, &rx), -EINVAL, "pace_ns is -1");
}

/* What the other end is told, of a process that leaves, is killed, or was never there. */
static void ends(void) {
    char name[64], bytes[8];
    int how;
    strcpy(name, name_of("ends"));
    ringmain_options options = options_of(4096);
    options.flags = RINGMAIN_UNLINK_ON_CLOSE | RINGMAIN_NO_AWAIT_FIRST_PEER;
    for (how = 0; how < 5; how++) {
        ringmain_end *rx = attach(RINGMAIN_MESSAGE_CONSUMER, name, &options);
        FAILS(ringmain_message_pop(rx, bytes, 8, LONG), -ENOTCONN, "nobody is attached to the other end");
        int go[2];
        CHECK(pipe(go) == 0);
        pid_t child = fork_among_sleepers();
        CHECK(child >= 0);
        if (child == 0) {
            ringmain_options own = options_of(4096);
            own.flags = how == 4 ? RINGMAIN_NO_CLOSE_ON_EXIT : 0;
            /* The handle of the parent is not this process's. */
            FAILS(ringmain_message_pop(rx, bytes, 8, RINGMAIN_NOW), -ECHILD, "was forked from");
            FAILS(ringmain_len(rx), -ECHILD, "was forked from");
            IS(ringmain_close(rx), 0);
            ringmain_end *tx = attach(RINGMAIN_MESSAGE_PRODUCER, name, &own);
            IS(ringmain_message_push(tx, "last", 4, RINGMAIN_NOW), 0);
            CHECK(write(go[1], "x", 1) == 1);
            if (how == 0) IS(ringmain_close(tx), 0);
            if (how == 1) IS(ringmain_abandon(tx), 0);
            if (how == 2) kill(getpid(), SIGKILL);
            /* In the others, a handle that is still open when the process exits. */
            exit(0);
        }
        CHECK(read(go[0], bytes, 1) == 1);
        IS(ended(child), how == 2 ? 128 + SIGKILL : 0);
        IS(ringmain_message_pop(rx, bytes, 8, LONG), 4);
        if (how == 0 || how == 3) {
            FAILS(ringmain_message_pop(rx, bytes, 8, LONG), -EPIPE, "has closed the ring");
        } else {
            FAILS(ringmain_message_pop(rx, bytes, 8, LONG), -ECONNRESET, "is gone without having closed the ring");
            FAILS(ringmain_wait(rx, 1, RINGMAIN_NOW), -ECONNRESET, "is gone");
        }
        close(go[0]);
        close(go[1]);
        IS(ringmain_close(rx), 0);
    }
    options.flags = RINGMAIN_AWAIT_SUCCESSOR;
    ringmain_end *rx = attach(RINGMAIN_MESSAGE_CONSUMER, name, &options);
    ringmain_end *tx = attach(RINGMAIN_MESSAGE_PRODUCER, name, &options);
    IS(ringmain_close(tx), 0);
    FAILS(ringmain_message_pop(rx, bytes, 8, SOON), -ETIMEDOUT, "the time that was given is over");
    IS(ringmain_unlink(name), 0);
    FAILS(ringmain_message_pop(rx, bytes, 8, LONG), -ESTALE, "the ring's name is gone");
    IS(ringmain_close(rx), 0);
}

/* A process writes a number that no producer can have written, or takes the memory away. */
static void damage(void) {
    char name[64], path[80], bytes[8];
    const uint64_t lie = 12345;
    strcpy(name, name_of("damage"));
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    ringmain_options options = numbers_of(512);
    ringmain_end *tx = attach(RINGMAIN_STREAM_PRODUCER, name, &options);
    ringmain_end *rx = attach(RINGMAIN_STREAM_CONSUMER, name, &options);
    int file = open(path, O_RDWR);
    CHECK(file >= 0 && pwrite(file, &lie, sizeof lie, 0x180) == sizeof lie);
    FAILS(ringmain_stream_pop(rx, bytes, 1, RINGMAIN_NOW), -EBADMSG, "tail holds 12345, expected 0 to 512");
    FAILS(ringmain_stream_pop(rx, bytes, 1, LONG), -EBADMSG, "the producer's tail holds 12345");
    ringmain_stat stat;
    stat.size = sizeof stat;
    IS(ringmain_look(name, &stat), 0);
    IS(stat.error, -EBADMSG);
    CHECK(ftruncate(file, 4096) == 0);
    IS(ringmain_is_truncated(tx), 1);
    FAILS(ringmain_look(name, &stat), -EBADMSG, "has object length 4096, expected 8192");
    IS(close(file), 0);
    IS(ringmain_close(rx), 0);
    IS(ringmain_close(tx), 0);
    IS(ringmain_unlink(name), 0);
}

/* A batch of a handle that can no longer be used was not committed, and says so. */
static void damaged_batch(void) {
    char name[64], path[80];
    static const char bytes[1000] = {0};
    const uint64_t lie = 12345;
    int count;
    strcpy(name, name_of("batch"));
    snprintf(path, sizeof path, "/dev/shm/%s", name);
    ringmain_options options = options_of(4096);
    ringmain_end *tx = attach(RINGMAIN_MESSAGE_PRODUCER, name, &options);
    int file = open(path, O_RDWR);
    IS(ringmain_batch_begin(tx), 0);
    for (count = 0; count < 4; count++) IS(ringmain_message_push(tx, bytes, sizeof bytes, RINGMAIN_NOW), 0);
    CHECK(file >= 0 && pwrite(file, &lie, sizeof lie, 0x200) == sizeof lie);
    FAILS(ringmain_message_push(tx, bytes, sizeof bytes, RINGMAIN_NOW), -EBADMSG, "head holds 12345");
    FAILS(ringmain_batch_commit(tx), -EBADMSG, "head holds 12345");
    IS(close(file), 0);
    IS(ringmain_close(tx), 0);
    IS(ringmain_unlink(name), 0);
}

static void looks(void) {
    char name[64], path[80];
    ringmain_stat stat;
    ringmain_list *list = NULL;
    int rings = 0, others = 0, next;
    strcpy(name, name_of("looks"));
    snprintf(path, sizeof path, "/dev/shm/%s.other", name);
    ringmain_options options = options_of(5000);
    options.record_alignment = 64;
    options.type_tag = "order";
    options.mode = 0640;
    options.flags = RINGMAIN_UNLINK_ON_CLOSE;
    ringmain_end *tx = attach(RINGMAIN_MESSAGE_PRODUCER, name, &options);
    IS(ringmain_message_push(tx, "hello", 5, RINGMAIN_NOW), 0);
    memset(&stat, 0x5a, sizeof stat);
    stat.size = sizeof stat;
    IS(ringmain_look(name, &stat), 0);
    IS(stat.error, 0);
    CHECK(stat.condition == RINGMAIN_IS_RING && stat.kind == RINGMAIN_MESSAGE && stat.capacity == 8192);
    CHECK(stat.element_size == 0 && stat.element_align == 0 && stat.record_alignment == 64 && stat.mode == 0640);
    CHECK(stat.owner == (uint32_t)getuid() && stat.group == (uint32_t)getgid());
    CHECK(strcmp(stat.type_tag, "order") == 0 && strcmp(stat.name, name) == 0);
    CHECK(stat.head == 0 && stat.tail == 64 && stat.used == 64 && stat.first_position == 0);
    CHECK(stat.layout_version == 4 && stat.ring_id != 0 && stat.created_ns > 1000000000ull * 1700000000ull);
    CHECK(stat.producer.state == RINGMAIN_PEER_ALIVE && stat.producer.process == getpid());
    CHECK(stat.consumer.state == RINGMAIN_PEER_NEVER && stat.consumer.process == 0 && stat.producer.generation == 1);
    CHECK(stat.segment_length > 8192 && stat.producer.is_asleep == 0);
    FILE *other = fopen(path, "w");
    CHECK(other != NULL && fputs("something else", other) > 0 && fclose(other) == 0);
    FAILS(ringmain_look(strrchr(path, '/') + 1, &stat), -EPROTO, "is no ring");
    IS(ringmain_list_open(&list), 0);
    for (;;) {
        /* A wrong call takes nothing from the list. */
        stat.size = 8;
        FAILS(ringmain_list_next(list, &stat), -EINVAL, "stat of 8 bytes, expected at least");
        stat.size = sizeof stat;
        if ((next = ringmain_list_next(list, &stat)) != 1) break;
        if (strcmp(stat.name, name) == 0) {
            rings += stat.condition == RINGMAIN_IS_RING && stat.error == 0 && stat.used == 64;
        } else if (strcmp(stat.name, strrchr(path, '/') + 1) == 0) {
            others += stat.condition == RINGMAIN_IS_NO_RING && stat.error == -EPROTO;
        }
    }
    IS(next, 0);
    IS(rings, 1);
    IS(others, 1);
    ringmain_list_free(list);
    ringmain_list_free(NULL);
    unlink(path);
    FAILS(ringmain_look("c-nobody", &stat), -ENOENT, "no ring \"c-nobody\"; check whether that is its name");
    FAILS(ringmain_unlink("c-nobody"), -ENOENT, "no ring \"c-nobody\"; check whether that is its name");
    FAILS(ringmain_unlink_if_free("c-nobody", LONG), -ENOENT, "no ring \"c-nobody\"; check whether that is its name");
    stat.size = 8;
    FAILS(ringmain_look("c-nobody", &stat), -EINVAL, "stat of 8 bytes, expected at least");
    FAILS(ringmain_look("c-nobody", NULL), -EINVAL, "stat is NULL");
    IS(ringmain_close(tx), 0);
}

static void words(void) {
    int code;
    CHECK(strcmp(ringmain_version(), RINGMAIN_TEST_VERSION) == 0);
    CHECK(strcmp(ringmain_strerror(0), "success") == 0);
    CHECK(strcmp(ringmain_strerror(-EPIPE), ringmain_strerror(EPIPE)) == 0);
    CHECK(strcmp(ringmain_strerror(-ECHILD), ringmain_strerror(-EPIPE)) != 0);
    for (code = -200; code < 200; code++) CHECK(strlen(ringmain_strerror(code)) > 5);
    CHECK(strlen(ringmain_strerror((-2147483647 - 1))) > 5);
}

int main(void) {
    CHECK(ringmain_last_error()[0] == 0);
    facts();
    ways_to_attach();
    ends();
    damage();
    damaged_batch();
    looks();
    words();
    return 0;
}

#define _GNU_SOURCE
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic uint64_t word;
typedef unsigned long long ull; /* for printf */
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(word) == 8, "a word is one plain 64-bit atomic");

enum { ADMINISTRATION = 2, STICKY = 01000, MODE = 0600 };
enum { OPEN = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };
#define MS INT64_C(1000000)
#define LARGEST (UINT64_C(1) << 40) /* no larger object is mapped */

static word *at(const struct ring *ring, uint64_t offset) { return (word *)(void *)(ring->base + offset); }
static uint64_t load(word *from) { return atomic_load_explicit(from, memory_order_relaxed); }
static uint64_t load_acquire(word *from) { return atomic_load_explicit(from, memory_order_acquire); }
static void store(word *to, uint64_t value) { atomic_store_explicit(to, value, memory_order_relaxed); }
static void store_release(word *to, uint64_t value) { atomic_store_explicit(to, value, memory_order_release); }
static void full_fence(void) { atomic_thread_fence(memory_order_seq_cst); }

/* "`a` is at or past `b`" means `a - b < 2^63`. */
static bool at_or_past(uint64_t a, uint64_t b) { return a - b < UINT64_C(1) << 63; }
static uint64_t up(uint64_t bytes, uint64_t align) { return (bytes + align - 1) & ~(align - 1); }
static bool power_of_two(uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

static unsigned slot_of(enum ring_role role) { return role == RING_PRODUCER ? AT_PRODUCER : AT_CONSUMER; }
static unsigned own(const struct ring *ring) { return slot_of(ring->role); }
static unsigned other(const struct ring *ring) { return ring->role == RING_PRODUCER ? AT_CONSUMER : AT_PRODUCER; }
/* The byte of the data area at a position. A message ring maps the area twice, so each record is in one piece. */
static uint64_t place(const struct ring *ring, uint64_t position) {
    return ring->data + (position & (ring->capacity - 1)) * ring->size;
}

int64_t ring_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static enum ring_status fail(struct ring *, enum ring_status, const char *, ...) __attribute__((format(printf, 3, 4)));
static enum ring_status fail(struct ring *ring, enum ring_status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ring->why, sizeof ring->why, format, arguments);
    va_end(arguments);
    return status;
}

/* "What is checked": a word that fails its check ends the use of the handle. */
static enum ring_status poison(struct ring *ring, const char *what, uint64_t found) {
    ring->poisoned = true;
    return fail(ring, RING_CORRUPTED, "%s is %#llx, which cannot be at position %#llx: leave this ring", what,
                (ull)found, (ull)ring->position);
}

/* ---- Roles: the locks, and whether the notes show that a holder is gone ---- */

static bool lock(int fd, int byte, short type) {
    struct flock request = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &request) == 0;
}

static bool is_locked(int fd, int byte) {
    struct flock question = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &question) != 0 || question.l_type != F_UNLCK;
}

static size_t read_file(const char *path, char *text, size_t room) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, room - 1);
    if (fd >= 0) close(fd);
    text[got > 0 ? got : 0] = 0;
    return got > 0 ? (size_t)got : 0;
}

struct process { char state; long threads; uint64_t started; };

static bool read_process(const char *pid, struct process *process) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%s/stat", pid);
    if (read_file(path, text, sizeof text) == 0) return false;
    const char *field = strrchr(text, ')'); /* the name before it may hold anything */
    for (int number = 3; field != NULL && number <= 22; number++) {
        field = strchr(field, ' ');
        if (field == NULL) return false;
        field++;
        if (number == 3)
            process->state = *field;
        else if (number == 20)
            process->threads = strtol(field, NULL, 10);
        else if (number == 22)
            process->started = strtoull(field, NULL, 10);
    }
    return field != NULL;
}

static uint64_t namespace_of(const char *pid, const char *kind) {
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kind);
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

/* Is /proc that of our own PID namespace? Then we have one pid in it, and that is ours. */
static bool proc_is_ours(void) {
    char text[4096];
    int pid = 0, deeper = 0;
    read_file("/proc/self/status", text, sizeof text);
    const char *line = strstr(text, "\nNSpid:");
    return line != NULL && sscanf(line + 7, "%d%*[ \t]%d", &pid, &deeper) == 1 && pid == getpid();
}

static bool same_time_namespace(const char *pid) {
    uint64_t mine = namespace_of("self", "time");
    return (mine == 0 && access("/proc/self/ns/time", F_OK) != 0) || (mine != 0 && mine == namespace_of(pid, "time"));
}

static bool notes_show_gone(int fd, enum ring_role role) {
    uint64_t notes[3]; /* pid, start time, PID namespace */
    if (pread(fd, notes, sizeof notes, slot_of(role) + PID) != sizeof notes) return false;
    if (notes[2] == 0 || notes[2] != namespace_of("self", "pid") || notes[0] == 0 || notes[0] > INT_MAX)
        return false; /* cannot be judged from here */
    if (kill((pid_t)notes[0], 0) != 0 && errno == ESRCH) return true;
    char pid[24], path[64], text[4096];
    struct process process = {0};
    snprintf(pid, sizeof pid, "%d", (int)notes[0]);
    if (notes[1] == 0 || !proc_is_ours() || !read_process(pid, &process)) return false;
    if (process.started != notes[1]) return same_time_namespace(pid);
    bool ended = process.state == 'Z' || process.state == 'X' || process.state == 'x';
    if (ended && process.threads <= 1) return true;
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    read_file(path, text, sizeof text);
    return strstr(text, "\nCoreDumping:\t1") != NULL;
}

/* ---- Who is there, and how an end is told ---- */

/* `presence` is the one that the answer is about. */
static enum ring_peer find_out(const struct ring *ring, uint64_t *presence) {
    enum ring_role role = ring->role == RING_PRODUCER ? RING_CONSUMER : RING_PRODUCER;
    word *from = at(ring, other(ring) + PRESENCE);
    for (int round = 0; round < 8; round++) {
        *presence = load_acquire(from);
        if (*presence == 0) return RING_NEVER;
        if (*presence % 2 == 0) return RING_ENDED;
        if (is_locked(ring->fd, (int)role) && !notes_show_gone(ring->fd, role)) return RING_ALIVE;
        if (load_acquire(from) == *presence) return RING_KILLED;
    }
    return RING_ALIVE;
}

static uint64_t generation_of(uint64_t presence) { return presence / 2 + presence % 2; }
static bool concerns(const struct ring *ring, uint64_t presence) {
    return at_or_past(generation_of(presence), ring->concerns);
}

enum ring_peer ring_peer(const struct ring *ring) {
    uint64_t presence;
    return find_out(ring, &presence);
}

/* ---- What is checked, and within which window ---- */

static enum ring_status load_head(struct ring *ring) { /* of a producer */
    uint64_t head = load_acquire(at(ring, AT_HEAD));
    if (head - ring->known > ring->position - ring->known || head % ring->align != 0)
        return poison(ring, "the head", head);
    ring->known = head;
    ring->drained = head == ring->position;
    return RING_OK;
}

static enum ring_status load_tail(struct ring *ring) { /* of a consumer */
    uint64_t tail = load_acquire(at(ring, AT_TAIL));
    uint64_t least = ring->message ? ring->known - ring->span : ring->known;
    if (tail - least > ring->position + ring->span - least || tail % ring->align != 0)
        return poison(ring, "the tail", tail);
    if (at_or_past(tail, ring->known)) /* a tail of messages may lie behind what the headers told */
        ring->known = tail;
    return RING_OK;
}

/* The header of a record with at most `room` bytes: its size, 0 if nothing is here, UINT64_MAX if it is wrong. */
static uint64_t record_at(struct ring *ring, uint64_t position, uint64_t room, uint64_t *length) {
    uint64_t header = load_acquire(at(ring, place(ring, position)));
    if (header == 0) return 0;
    *length = header >> 8;
    uint64_t size = *length > room ? UINT64_MAX : up(ring->header + *length, ring->align);
    if (header % 256 == 1 && size <= room) return size;
    poison(ring, "the header of a record", header);
    return UINT64_MAX;
}

/* Is there what `need` says: room for as much, so many elements, one message? */
static enum ring_status look(struct ring *ring, uint64_t need) {
    if (ring->poisoned) return RING_CORRUPTED;
    if (ring->role == RING_PRODUCER) {
        if (ring->span - (ring->position - ring->known) >= need) return RING_OK;
        if (load_head(ring) != RING_OK) return RING_CORRUPTED;
        return ring->span - (ring->position - ring->known) >= need ? RING_OK : RING_FULL;
    }
    if (!ring->message) {
        if (ring->known - ring->position < need && load_tail(ring) != RING_OK) return RING_CORRUPTED;
        return ring->known - ring->position >= need ? RING_OK : RING_EMPTY;
    }
    /* The full peer takes the tail, and reads all records up to it; the smallest goes by headers alone. */
    if (!ring->smallest && ring->known == ring->position && load_tail(ring) != RING_OK) return RING_CORRUPTED;
    uint64_t known = ring->known - ring->position;
    uint64_t size = record_at(ring, ring->position, known != 0 ? known : ring->span, &ring->next);
    if (size == 0 && known != 0) return poison(ring, "a header in front of the tail", 0);
    return size == 0 ? RING_EMPTY : size == UINT64_MAX ? RING_CORRUPTED : RING_OK;
}

/* ---- Sleeping: to publish ---- */

static long membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

/* The futex: the lower 32 bits of wakes. Not private. */
static uint32_t *futex_of(const struct ring *ring, unsigned slot) {
    unsigned char *wakes = ring->base + slot + WAKES;
    const uint16_t probe = 1;
    return (uint32_t *)(void *)(wakes + (*(const unsigned char *)&probe == 1 ? 0 : 4));
}

/* After our position or presence was stored with Release. `wanted` is the word of the other end to compare the position
 * with, 0 for a presence, which is compared with nothing. The numbers are those of the document. */
static void publish(struct ring *ring, unsigned wanted) {
    for (;;) {
        if (ring->wakes & 1)
            full_fence();
        else
            atomic_signal_fence(memory_order_seq_cst); /* the sleeper's membarrier does the rest */
        uint64_t parking = load(at(ring, other(ring) + PARKING)); /* 1 */
        if (parking == ring->answered) return;
        if ((parking & 2) && wanted != 0) { /* 2 */
            parking = load_acquire(at(ring, other(ring) + PARKING));
            if ((parking & 2) && !ring->smallest && !at_or_past(ring->position, load(at(ring, other(ring) + wanted))))
                return;
        }
        ring->answered = parking; /* 3 */
        bool asleep = parking & 2, had = ring->wakes & 1, fences = (parking & 1) || !ring->registered;
        if (!asleep && fences == had) /* 4 */
            return;
        ring->wakes = ((ring->wakes + (asleep ? 2 : 0)) & ~UINT64_C(1)) | fences;
        store_release(at(ring, own(ring) + WAKES), ring->wakes);
        if (had && !fences) /* 5 */
            full_fence();
        if (asleep) { /* 6 */
            syscall(SYS_futex, futex_of(ring, own(ring)), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
            return;
        }
        if (had || !fences) /* 7: only where the bit was set */
            return;
    }
}

/* ---- Sleeping: to sleep ---- */

/* An object that was cut has no words any more behind its end. */
static uint64_t object_length(const struct ring *ring) {
    struct stat status;
    return fstat(ring->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* One sleep of at most `limit` nanoseconds; `presence` is the one with which we last found out who is there. */
static enum ring_status sleep_once(struct ring *ring, uint64_t need, uint64_t presence, int64_t limit, bool first) {
    uint64_t wanted;
    if (ring->role == RING_CONSUMER) {
        publish(ring, NEEDED); /* 1 */
        wanted = ring->position + (ring->smallest ? ring->align : need); /* 2 */
        store(at(ring, AT_CONSUMER + WANTED), wanted);
    } else {
        uint64_t needed = wanted = ring->position + need - ring->span;
        uint64_t quarter = ring->position + ring->span / 4 - ring->span;
        if (!ring->smallest && first && ring->surplus && at_or_past(quarter, needed + 1)) {
            wanted = quarter;
            limit = limit < 5 * MS ? limit : 5 * MS;
        }
        store(at(ring, AT_PRODUCER + WANTED), wanted);
        store(at(ring, AT_PRODUCER + NEEDED), needed);
    }
    uint64_t wakes = load_acquire(at(ring, other(ring) + WAKES)); /* 3 */
    ring->parking += 2;
    store_release(at(ring, own(ring) + PARKING), ring->parking);
    full_fence();
    if (!(wakes & 1)) { /* 4 */
        if (ring->barrier && membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0) {
            ring->barrier = false;
            ring->parking |= 1;
            store_release(at(ring, own(ring) + PARKING), ring->parking);
        }
        if (!ring->barrier && limit > MS) limit = MS;
    }
    enum ring_status found = look(ring, need); /* 5 */
    bool nothing = found == RING_EMPTY || found == RING_FULL;
    if (nothing && load_acquire(at(ring, other(ring) + PRESENCE)) == presence) { /* 6 */
        struct timespec time = {.tv_sec = limit / (1000 * MS), .tv_nsec = limit % (1000 * MS)};
        long slept = syscall(SYS_futex, futex_of(ring, other(ring)), FUTEX_WAIT, (uint32_t)wakes, &time, NULL, 0);
        bool limit_came = slept != 0 && errno == ETIMEDOUT;
        ring->sleeps++;
        ring->overslept += limit_came;
        if (slept != 0 && errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT)
            nanosleep(&(struct timespec){.tv_nsec = MS}, NULL); /* the system refuses */
        uint64_t length = object_length(ring);
        if (length < ring->length) poison(ring, "the length of the object", length);
        if (length < HEADER_BYTES) return RING_CORRUPTED; /* the word of step 7 is gone */
        ring->late += limit_came && look(ring, need) == RING_OK;
    }
    ring->parking += 2; /* 7 */
    store(at(ring, own(ring) + PARKING), ring->parking);
    if (ring->role == RING_PRODUCER && !ring->poisoned && load_head(ring) == RING_OK)
        ring->surplus = ring->span - (ring->position - ring->known) >= 2 * need;
    return ring->poisoned ? RING_CORRUPTED : found;
}

uint64_t ring_need(const struct ring *ring, uint64_t items, uint64_t length) {
    if (!ring->message) return items;
    return ring->role == RING_CONSUMER ? ring->align : up(ring->header + length, ring->align);
}

void ring_wake(struct ring *ring) { publish(ring, 0); }

enum ring_status ring_wait(struct ring *ring, uint64_t need, int64_t deadline) {
    if (need > ring->span)
        return fail(ring, RING_TOO_LONG, "%llu never fit, only %llu at most", (ull)need, (ull)ring->span);
    for (bool first = true;; first = false) {
        enum ring_status found = look(ring, need); /* for speed only: the one below decides */
        if (found != RING_EMPTY && found != RING_FULL) return found;
        uint64_t presence; /* find the end out first, then look at the ring a last time */
        enum ring_peer peer = find_out(ring, &presence);
        found = look(ring, need);
        if (found != RING_EMPTY && found != RING_FULL) return found;
        if ((peer == RING_ENDED || peer == RING_KILLED) && concerns(ring, presence)) {
            if (ring->role == RING_CONSUMER) store(at(ring, AT_CONSUMER + TOLD), generation_of(presence));
            return peer == RING_ENDED ? RING_CLOSED : RING_CRASHED;
        }
        int64_t left = deadline - ring_now();
        if (left <= 0) return RING_TIMEOUT;
        if (sleep_once(ring, need, presence, left < 100 * MS ? left : 100 * MS, first) == RING_CORRUPTED)
            return RING_CORRUPTED;
    }
}

/* ---- Push and pop ---- */

static void may_die(const struct ring *ring, enum ring_step step) {
    if (ring->die_after == step) raise(SIGKILL);
}

/* The data areas. In a ring of messages the items are a batch: it is there as a whole or not at all. */
enum ring_status ring_push(struct ring *ring, const struct ring_item *items, size_t count, size_t *pushed) {
    size_t fit = 0;
    uint64_t total = 0, size = 0;
    *pushed = 0;
    if (ring->poisoned) return RING_CORRUPTED;
    for (; fit < count && (fit == 0 || !ring->smallest); fit++) {
        if (!ring->message && items[fit].length != ring->size)
            return fail(ring, RING_MISMATCH, "an element has %llu bytes", (ull)ring->size);
        bool long_one = ring->message && items[fit].length > ring->span;
        uint64_t this = long_one ? UINT64_MAX : ring_need(ring, 1, items[fit].length);
        enum ring_status found = this > ring->span ? RING_TOO_LONG : look(ring, total + this);
        if (found == RING_CORRUPTED || (found != RING_OK && fit == 0)) return found;
        if (found != RING_OK) break;
        total += size = this;
    }
    if (fit == 0) return RING_OK;
    uint64_t tail = ring->position, end = tail + total;
    for (size_t i = 0; i < fit; i++) {
        if (ring->header == 16) store(at(ring, place(ring, tail) + 8), items[i].word);
        if (items[i].length != 0)
            memcpy(ring->base + place(ring, tail) + ring->header, items[i].bytes, items[i].length);
        tail += ring_need(ring, 1, items[i].length);
    }
    may_die(ring, RING_STEP_PAYLOAD);
    if (ring->message) {
        if (!ring->ahead || ring->zero != end) store(at(ring, place(ring, end)), 0);
        tail = ring->position; /* the headers of the second and all others, then that of the first: all or nothing */
        for (size_t i = 1; i < fit; i++) {
            tail += ring_need(ring, 1, items[i - 1].length);
            store_release(at(ring, place(ring, tail)), 256 * (uint64_t)items[i].length + 1);
        }
        store_release(at(ring, place(ring, ring->position)), 256 * (uint64_t)items[0].length + 1);
        may_die(ring, RING_STEP_HEADER);
    }
    ring->position = end;
    store_release(at(ring, AT_TAIL), end);
    atomic_signal_fence(memory_order_seq_cst); /* no later write comes before this store */
    may_die(ring, RING_STEP_TAIL);
    publish(ring, WANTED);
    /* For speed only: 0 into the header behind the next record, if that is as long and its place is free. */
    ring->ahead = ring->message && !ring->smallest && ring->drained && end + size - ring->known <= ring->span;
    if (ring->ahead) {
        ring->zero = end + size;
        store(at(ring, place(ring, ring->zero)), 0);
    }
    *pushed = fit;
    return RING_OK;
}

enum ring_status ring_abort(struct ring *ring, const void *bytes, size_t length) {
    bool long_one = ring->message ? length > ring->span - ring->header : length != ring->size;
    enum ring_status found = long_one ? RING_TOO_LONG : look(ring, ring_need(ring, 1, length));
    if (found != RING_OK || ring->poisoned) return ring->poisoned ? RING_CORRUPTED : found;
    ring->ahead = false; /* what was stored there ahead may be gone */
    if (length != 0) memcpy(ring->base + place(ring, ring->position) + ring->header, bytes, length);
    return RING_OK;
}

enum ring_status ring_pop(struct ring *ring, void *buffer, size_t room, size_t *length, uint64_t *user) {
    enum ring_status found = look(ring, 1);
    *length = 0;
    *user = 0;
    if (found != RING_OK) return found;
    uint64_t bytes = ring->message ? ring->next : ring->size; /* the checked copy */
    if (bytes > room) return RING_TOO_LONG;
    if (ring->header == 16) *user = load(at(ring, place(ring, ring->position) + 8));
    memcpy(buffer, ring->base + place(ring, ring->position) + ring->header, bytes);
    *length = bytes;
    may_die(ring, RING_STEP_READ);
    ring->position += ring->message ? up(ring->header + bytes, ring->align) : 1;
    if (!at_or_past(ring->known, ring->position))
        ring->known = ring->position; /* its header alone told of this message */
    store_release(at(ring, AT_HEAD), ring->position);
    publish(ring, WANTED);
    return RING_OK;
}

void ring_positions(struct ring *ring, uint64_t *head, uint64_t *tail) {
    *head = load_acquire(at(ring, AT_HEAD));
    *tail = load_acquire(at(ring, AT_TAIL));
}

/* ---- Identity ---- */

uint64_t ring_type_id(const char *tag, uint64_t size, uint64_t align) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325), numbers[2] = {size, align};
    for (; tag != NULL && *tag != 0; tag++) hash = (hash ^ (unsigned char)*tag) * UINT64_C(0x100000001b3);
    for (int byte = 0; byte < 16; byte++)
        hash = (hash ^ (numbers[byte / 8] >> 8 * (byte % 8) & 0xff)) * UINT64_C(0x100000001b3);
    return hash;
}

static uint64_t data_offset(bool message) {
    long page = sysconf(_SC_PAGESIZE);
    return message && page > 4096 ? (uint64_t)page : 4096;
}

static size_t tag_length(const struct ring_options *o) { return o->tag == NULL ? 0 : strlen(o->tag); }

/* All that follows from capacity, size and alignment; false if no ring has these. */
static bool shape(struct ring *ring, const struct ring_options *o, uint64_t capacity) {
    bool message = ring->message = o->kind == RING_MESSAGE;
    ring->capacity = capacity;
    ring->size = message ? 1 : o->size;
    ring->align = message ? o->align : 1;
    ring->header = !message ? 0 : o->align == 8 ? 8 : 16;
    ring->span = message ? capacity - o->align : capacity;
    ring->data = data_offset(message);
    if (!power_of_two(capacity) || !power_of_two(o->align) || ring->size == 0 || capacity > LARGEST / ring->size)
        return false;
    ring->length = ring->data + capacity * ring->size;
    return message ? o->align >= 8 && o->align <= 64 && capacity >= (uint64_t)sysconf(_SC_PAGESIZE)
                   : o->align <= 4096 && o->size % o->align == 0;
}

/* The table of the identity, in the order that is asked for. */
static enum ring_status check_identity(struct ring *ring, const struct ring_options *wish, const uint64_t *identity) {
#define WORD(offset) identity[(offset) / 8]
    struct ring_options o = *wish;
    bool message = o.kind == RING_MESSAGE;
    uint64_t size = message ? 1 : o.size, align = message ? 1 : o.align;
    char tag[TAG_BYTES] = {0};
    const struct { unsigned at; uint64_t expected; enum ring_status status; const char *what; } equal[] = {
        {AT_VERSION, RING_VERSION, RING_LAYOUT, "layout version"},
        {AT_INCOMPAT, 0, RING_LAYOUT, "a word of incompatible features"},
        {AT_READONLY, 0, RING_LAYOUT, "a word of read-only compatible features"},
        {AT_KIND, o.kind, RING_MISMATCH, "kind"},
        {AT_TAG_LENGTH, tag_length(&o), RING_MISMATCH, "length of the type tag"},
        {AT_SIZE, size, RING_MISMATCH, "element size"},
        {AT_ALIGN, align, RING_MISMATCH, "element alignment"},
        {AT_TYPE, ring_type_id(o.tag, size, align), RING_MISMATCH, "type id"},
        {AT_DATA, data_offset(message), RING_LAYOUT, "data offset"},
    };
    for (size_t i = 0; i < sizeof equal / sizeof *equal; i++) {
        if (WORD(equal[i].at) != equal[i].expected)
            return fail(ring, equal[i].status, "a ring with %s %llu, expected %llu", equal[i].what,
                        (ull)WORD(equal[i].at), (ull)equal[i].expected);
    }
    memcpy(tag, o.tag == NULL ? "" : o.tag, tag_length(&o));
    if (memcmp(&WORD(AT_TAG), tag, TAG_BYTES) != 0) return fail(ring, RING_MISMATCH, "the ring has another type tag");
    if ((o.capacity != 0 && WORD(AT_CAPACITY) != o.capacity) || (message && WORD(AT_RECORDS) != o.align))
        return fail(ring, RING_MISMATCH, "a ring with capacity %llu and record alignment %llu, expected %llu and %llu",
                    (ull)WORD(AT_CAPACITY), (ull)WORD(AT_RECORDS), (ull)o.capacity, (ull)o.align);
    if (!shape(ring, &o, WORD(AT_CAPACITY)) || (!message && WORD(AT_RECORDS) != 0) || WORD(AT_LENGTH) != ring->length)
        return fail(ring, RING_LAYOUT, "no ring has capacity %llu, record alignment %llu, segment length %llu",
                    (ull)WORD(AT_CAPACITY), (ull)WORD(AT_RECORDS), (ull)WORD(AT_LENGTH));
    if (WORD(AT_HEADER) < HEADER_BYTES || WORD(AT_HEADER) > ring->data || WORD(AT_FIRST) % ring->align != 0)
        return fail(ring, RING_LAYOUT, "no ring has header length %llu, first position %llu", (ull)WORD(AT_HEADER),
                    (ull)WORD(AT_FIRST));
    return RING_OK;
}

/* ---- Coming to a segment ---- */

struct rounds { /* what the attach loop remembers from round to round */
    int64_t start, pause, changed, gone;
    ino_t inode;
    off_t length;
    blkcnt_t blocks;
    struct timespec touched;
};

static enum ring_status pause_round(struct rounds *t) {
    struct timespec time = {.tv_nsec = (long)t->pause};
    nanosleep(&time, NULL);
    t->pause = 2 * t->pause < 5 * MS ? 2 * t->pause : 5 * MS;
    return RING_AGAIN;
}

/* A ring in the making is waited for while its creator makes progress. */
static enum ring_status await_creator(struct ring *ring, struct rounds *t, const struct stat *status) {
    bool same = t->inode == status->st_ino && t->length == status->st_size && t->blocks == status->st_blocks &&
                t->touched.tv_sec == status->st_ctim.tv_sec && t->touched.tv_nsec == status->st_ctim.tv_nsec;
    if (t->changed == 0 || !same) {
        t->changed = ring_now();
        t->inode = status->st_ino;
        t->length = status->st_size;
        t->blocks = status->st_blocks;
        t->touched = status->st_ctim;
    } else if (ring_now() - t->changed > 5000 * MS)
        return fail(ring, RING_TIMEOUT, "not ready: nothing changed for 5 s in a ring that is being made");
    return pause_round(t);
}

static bool valid_name(const char *name) {
    size_t length = strlen(name);
    return length >= 1 && length <= 30 && name[0] != '.' &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

static int open_name(const char *name, int flags, mode_t mode) {
    char path[32];
    snprintf(path, sizeof path, "/%.30s", name);
    return shm_open(path, OPEN | flags, mode);
}

static void unlink_name(const char *name) {
    char path[32];
    snprintf(path, sizeof path, "/%.30s", name);
    shm_unlink(path);
}

static bool same_object(int one, int two) {
    struct stat a, b;
    return one >= 0 && two >= 0 && fstat(one, &a) == 0 && fstat(two, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

static bool name_is(const char *name, int fd) {
    int now = open_name(name, 0, 0);
    bool same = same_object(now, fd);
    if (now >= 0) close(now);
    return same;
}

static void release(struct ring *ring) { /* the mapping last: the role's lock goes with it */
    if (ring->fd >= 0) close(ring->fd);
    ring->fd = -1;
    if (ring->base != NULL) munmap(ring->base, ring->mapped);
    ring->base = NULL;
}

/* Maps the segment through `fd`, the data area of a message ring a second time behind it. A child gets none of it. */
static bool map(struct ring *ring, int fd) {
    int access = PROT_READ | PROT_WRITE;
    size_t length = ring->length, twice = ring->message ? ring->capacity : 0;
    void *base = mmap(NULL, length + twice, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) return false;
    ring->base = base;
    ring->mapped = length + twice;
    return mmap(base, length, access, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED &&
           (twice == 0 ||
            mmap(ring->base + length, twice, access, MAP_SHARED | MAP_FIXED, fd, (off_t)ring->data) != MAP_FAILED) &&
           madvise(base, ring->mapped, MADV_DONTFORK) == 0;
}

static void store_notes(struct ring *ring) {
    struct process self = {0};
    read_process("self", &self);
    store(at(ring, own(ring) + PID), (uint64_t)getpid());
    store(at(ring, own(ring) + STARTED), self.started);
    store(at(ring, own(ring) + NAMESPACE), namespace_of("self", "pid"));
}

/* Of attach: from membarrier on. The role's byte is locked, the segment is mapped, the notes stand. */
static enum ring_status enter(struct ring *ring) {
    bool producer = ring->role == RING_PRODUCER, walked = false;
    uint64_t length, presence;
    if (!ring->smallest) {
        long commands = membarrier(MEMBARRIER_CMD_QUERY);
        ring->registered = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0;
        ring->barrier = commands > 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED);
    }
    ring->position = load(at(ring, producer ? AT_TAIL : AT_HEAD));
    if (ring->position % ring->align != 0) return poison(ring, "the own position", ring->position);
    if (producer && ring->message) { /* walk over records that a killed producer left beyond the tail */
        for (uint64_t walk = 0, size; walk < ring->span; walk += size) {
            size = record_at(ring, ring->position, ring->span - walk, &length);
            if (size == UINT64_MAX) return RING_CORRUPTED;
            if (size == 0) break;
            ring->position += size;
            walked = true;
        }
    }
    ring->wakes = (load(at(ring, own(ring) + WAKES)) & ~UINT64_C(1)) | !ring->registered;
    store_release(at(ring, own(ring) + WAKES), ring->wakes);
    full_fence();
    ring->parking = load(at(ring, own(ring) + PARKING));
    if (ring->parking & 2) ring->parking += 2;
    ring->parking = (ring->parking & ~UINT64_C(1)) | !ring->barrier;
    store(at(ring, own(ring) + PARKING), ring->parking);
    ring->known = producer ? ring->position - ring->span : ring->position;
    if ((producer ? load_head(ring) : load_tail(ring)) != RING_OK) return RING_CORRUPTED;
    if (walked) store_release(at(ring, AT_TAIL), ring->position);
    ring->generation = generation_of(load(at(ring, own(ring) + PRESENCE))) + 1;
    store_release(at(ring, own(ring) + PRESENCE), 2 * ring->generation - 1);
    publish(ring, 0);
    /* Which ends concern us: decided once, by who is there first and what is there second. */
    enum ring_peer peer = find_out(ring, &presence);
    ring->concerns = generation_of(presence);
    if (peer == RING_ALIVE) return RING_OK;
    bool told = producer || (look(ring, 1) == RING_EMPTY &&
                             at_or_past(load(at(ring, AT_CONSUMER + TOLD)), ring->concerns));
    if (told) ring->concerns++;
    return RING_OK;
}

static enum ring_status create(struct ring *ring, const struct ring_options *o, struct rounds *t) {
    enum ring_status status = RING_AGAIN;
    int first = open_name(o->name, O_CREAT | O_EXCL, STICKY | MODE); /* the sticky bit: in the making */
    int mapping = -1;
    void *page = MAP_FAILED;
    size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (first < 0) return errno == EEXIST ? RING_AGAIN : fail(ring, RING_OTHER, "cannot create: %s", strerror(errno));
    if (!lock(first, ADMINISTRATION, F_WRLCK))
        goto again; /* somebody took the empty object for one whose creator died */
    if (fchmod(first, MODE | STICKY) != 0) goto failed;
    ring->fd = open_name(o->name, 0, 0);
    if (!same_object(ring->fd, first)) goto again;
    page = mmap(NULL, page_size, PROT_READ, MAP_SHARED, first, 0); /* keeps byte 2 locked */
    if (page == MAP_FAILED || madvise(page, page_size, MADV_DONTFORK) != 0) goto failed;
    close(first);
    first = -1;
    mapping = open_name(o->name, 0, 0);
    if (!same_object(mapping, ring->fd) || (o->role != RING_NO_ROLE && !lock(mapping, (int)o->role, F_WRLCK)))
        goto again;
    if (!map(ring, mapping)) goto failed;
    close(mapping);
    mapping = -1;
    if (!name_is(o->name, ring->fd)) goto again;
    uint64_t id = 0, align = ring->message ? 1 : o->align;
    struct timespec time;
    while (id == 0)
        if (getrandom(&id, sizeof id, 0) != sizeof id) goto failed;
    clock_gettime(CLOCK_REALTIME, &time);
    if (fchmod(ring->fd, MODE | STICKY) != 0 || fallocate(ring->fd, 0, 0, (off_t)ring->length) != 0) goto failed;
    const uint64_t identity[][2] = {
        {AT_VERSION, RING_VERSION}, {AT_KIND, o->kind}, {AT_DATA, ring->data}, {AT_LENGTH, ring->length},
        {AT_CAPACITY, ring->capacity}, {AT_SIZE, ring->size}, {AT_ALIGN, align},
        {AT_TYPE, ring_type_id(o->tag, ring->size, align)}, {AT_RECORDS, ring->message ? ring->align : 0},
        {AT_HEADER, HEADER_BYTES}, {AT_RING_ID, id},
        {AT_CREATED, (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec}, {AT_FIRST, o->first},
        {AT_TAG_LENGTH, tag_length(o)}, {AT_TAIL, o->first}, {AT_HEAD, o->first},
    };
    for (size_t i = 0; i < sizeof identity / sizeof *identity; i++) store(at(ring, identity[i][0]), identity[i][1]);
    memcpy(ring->base + AT_TAG, o->tag == NULL ? "" : o->tag, tag_length(o));
    store_release(at(ring, AT_MAGIC), RING_MAGIC);
    if (fchmod(ring->fd, MODE) != 0) goto failed;
    if (o->role != RING_NO_ROLE) store_notes(ring);
    munmap(page, page_size); /* byte 2 is free */
    return RING_OK;
failed:
    status = fail(ring, RING_OTHER, "cannot make the ring: %s", strerror(errno));
    if (name_is(o->name, ring->fd >= 0 ? ring->fd : first)) unlink_name(o->name);
again:
    if (first >= 0) close(first);
    if (mapping >= 0) close(mapping);
    release(ring);
    if (page != MAP_FAILED) munmap(page, page_size);
    return status == RING_AGAIN ? pause_round(t) : status;
}

/* A ring in the making: its creator has just begun, or is dead. */
static enum ring_status repair(struct ring *ring, const struct ring_options *o, struct rounds *t) {
    struct stat status;
    uint64_t magic = 0;
    if (fstat(ring->fd, &status) != 0) return fail(ring, RING_OTHER, "cannot look at the object: %s", strerror(errno));
    if (!lock(ring->fd, ADMINISTRATION, F_WRLCK))
        return await_creator(ring, t, &status); /* its creator is alive */
    unsigned char bytes[4096] = {0};
    ssize_t got = pread(ring->fd, bytes, sizeof bytes, 0);
    memcpy(&magic, bytes, sizeof magic);
    if (got < 0 || fstat(ring->fd, &status) != 0 || magic != 0) { /* it was made meanwhile */
        lock(ring->fd, ADMINISTRATION, F_UNLCK);
        return pause_round(t);
    }
    if (!(status.st_mode & STICKY))
        return fail(ring, RING_LAYOUT, "no ring: an object without a magic, and not in the making");
    for (size_t i = 0; i < sizeof bytes; i++)
        if (bytes[i] != 0 && !(i < 0x80 || (i >= AT_TAIL && i < AT_TAIL + 8) || (i >= AT_HEAD && i < AT_HEAD + 8) ||
                               (i >= AT_FIRST && i < AT_TAG + TAG_BYTES)))
            return fail(ring, RING_LAYOUT, "no ring: byte %#zx is set, which no creator sets", i);
    if (name_is(o->name, ring->fd)) unlink_name(o->name);
    return RING_AGAIN;
}

/* Somebody has the role. */
static enum ring_status occupied(struct ring *ring, const struct ring_options *o, struct rounds *t) {
    uint64_t notes[2] = {0, 0}, again = 0;
    int64_t waited = ring_now() - t->start;
    off_t presence = slot_of(o->role) + PRESENCE;
    if (pread(ring->fd, notes, sizeof notes, presence) != sizeof notes)
        return fail(ring, RING_OTHER, "cannot read the notes");
    if (notes[0] % 2 == 1 && notes_show_gone(ring->fd, o->role)) { /* behind an even presence they say nothing */
        if (pread(ring->fd, &again, sizeof again, presence) == sizeof again && again != notes[0]) return pause_round(t);
        if (t->gone == 0) t->gone = ring_now();
        if (ring_now() - t->gone > 100 * MS)
            return fail(ring, RING_BUSY, "process %llu is gone, but another keeps its lock", (ull)notes[1]);
        return pause_round(t);
    }
    t->gone = 0;
    if (waited >= (notes[0] % 2 == 1 || o->wait_ns > 5000 * MS ? o->wait_ns : 5000 * MS))
        return fail(ring, notes[0] % 2 == 1 ? RING_BUSY : RING_TIMEOUT, "process %llu has the role, or is coming to it",
                    (ull)notes[1]);
    return pause_round(t);
}

static enum ring_status check_access(struct ring *ring, const struct stat *status) {
    if (!S_ISREG(status->st_mode)) return fail(ring, RING_LAYOUT, "no ring: not a regular file");
    if (status->st_uid != geteuid() || (status->st_mode & 022) != 0)
        return fail(ring, RING_OTHER, "owned by user %u with mode %o, expected yourself and no writers but you",
                    (unsigned)status->st_uid, (unsigned)status->st_mode & 07777);
    return RING_OK;
}

static enum ring_status attach_round(struct ring *ring, const struct ring_options *o, struct rounds *t) {
    struct stat status;
    uint64_t magic = 0, identity[HEADER_BYTES / 8];
    ring->fd = open_name(o->name, 0, 0);
    if (ring->fd < 0 && errno == EACCES) {
        char path[48];
        snprintf(path, sizeof path, "/dev/shm/%.30s", o->name);
        if (lstat(path, &status) == 0 && (status.st_mode & STICKY)) {
            enum ring_status allowed = check_access(ring, &status);
            return allowed == RING_OK ? await_creator(ring, t, &status) : allowed;
        }
        ring->fd = open_name(o->name, 0, 0); /* it may have been finished just now */
    }
    if (ring->fd < 0 && errno != ENOENT)
        return fail(ring, errno == ELOOP ? RING_LAYOUT : RING_OTHER, "cannot open: %s", strerror(errno));
    if (ring->fd < 0 && o->capacity != 0) {
        shape(ring, o, o->capacity);
        enum ring_status made = create(ring, o, t);
        return made == RING_OK && o->role != RING_NO_ROLE ? enter(ring) : made;
    }
    if (ring->fd < 0)
        return ring_now() - t->start < o->wait_ns ? pause_round(t) : fail(ring, RING_NOT_FOUND, "no ring of this name");
    if (fstat(ring->fd, &status) != 0) return fail(ring, RING_OTHER, "cannot look at the object: %s", strerror(errno));
    enum ring_status allowed = check_access(ring, &status);
    if (allowed != RING_OK) return allowed;
    if (status.st_size == 0) return repair(ring, o, t);
    if (status.st_size < 4096)
        return fail(ring, RING_LAYOUT, "no ring: an object of %lld bytes", (long long)status.st_size);
    if (pread(ring->fd, &magic, sizeof magic, AT_MAGIC) != sizeof magic) return pause_round(t);
    if (magic == 0) return repair(ring, o, t);
    if (magic != RING_MAGIC) return fail(ring, RING_LAYOUT, "no ring: magic %#llx", (ull)magic);
    atomic_thread_fence(memory_order_acquire);
    if (pread(ring->fd, identity, sizeof identity, 0) != sizeof identity)
        return fail(ring, RING_LAYOUT, "no ring: it cannot be read");
    enum ring_status checked = check_identity(ring, o, identity);
    if (checked != RING_OK) return checked;
    if (fstat(ring->fd, &status) != 0 || (uint64_t)status.st_size != ring->length ||
        (uint64_t)status.st_blocks * 512 < ring->length)
        return fail(ring, RING_LAYOUT, "an object of %llu bytes in %llu blocks, expected %llu bytes",
                    (ull)status.st_size, (ull)status.st_blocks, (ull)ring->length);
    if (o->role == RING_NO_ROLE) return fail(ring, RING_BUSY, "the name is there");
    int mapping = open_name(o->name, 0, 0);
    enum ring_status result = RING_OK;
    if (!same_object(mapping, ring->fd))
        result = RING_AGAIN;
    else if (!lock(mapping, (int)o->role, F_WRLCK)) {
        close(mapping); /* before the question who has it */
        return occupied(ring, o, t);
    } else if (!name_is(o->name, ring->fd))
        result = RING_AGAIN;
    else if (!map(ring, mapping))
        result = fail(ring, RING_OTHER, "cannot map: %s", strerror(errno));
    if (mapping >= 0) close(mapping); /* what is mapped keeps the lock */
    if (result != RING_OK) return result == RING_AGAIN ? pause_round(t) : result;
    store_notes(ring);
    return enter(ring);
}

enum ring_status ring_attach(struct ring *ring, const struct ring_options *o) {
    struct rounds rounds = {.start = ring_now(), .pause = 50000};
    enum ring_status status = RING_AGAIN;
    *ring = (struct ring){.fd = -1, .role = o->role, .smallest = o->smallest};
    uint64_t capacity = o->capacity != 0 ? o->capacity : 1 << 20;
    bool possible = valid_name(o->name) && tag_length(o) <= TAG_BYTES && shape(ring, o, capacity);
    if (!possible || o->first % ring->align != 0)
        return fail(ring, RING_USAGE, "no ring can have this name, capacity, size, alignment, tag or first position");
    while (status == RING_AGAIN) {
        status = attach_round(ring, o, &rounds);
        if (status != RING_OK) release(ring);
        /* What swings from round to round for ever is nobody's ring: every way on has its end. */
        if (status == RING_AGAIN && ring_now() - rounds.start > o->wait_ns + 30000 * MS)
            status = fail(ring, RING_TIMEOUT, "not ready: the name or its holder changed again and again");
    }
    return status;
}

enum ring_status ring_create(struct ring *ring, const struct ring_options *options) {
    struct ring_options o = *options;
    o.role = RING_NO_ROLE;
    return ring_attach(ring, &o);
}

/* ---- Leaving it ---- */

void ring_close(struct ring *ring) {
    if (ring->base != NULL && ring->role != RING_NO_ROLE && object_length(ring) >= HEADER_BYTES) {
        uint64_t last = generation_of(load_acquire(at(ring, other(ring) + PRESENCE)));
        if (ring->role == RING_CONSUMER && last != 0 && at_or_past(last, ring->concerns))
            store(at(ring, AT_CONSUMER + TOLD), last);
        ring->parking &= ~UINT64_C(1);
        store(at(ring, own(ring) + PARKING), ring->parking);
        store_release(at(ring, own(ring) + PRESENCE), 2 * ring->generation);
        publish(ring, 0);
    }
    release(ring);
}

void ring_abandon(struct ring *ring) { release(ring); }

enum ring_status ring_unlink(const char *name) {
    enum ring_status status = RING_BUSY;
    struct rounds rounds = {.start = ring_now(), .pause = 50000};
    while (status == RING_BUSY && ring_now() - rounds.start < 5000 * MS) {
        int fd = valid_name(name) ? open_name(name, 0, 0) : -1;
        if (fd < 0) return RING_NOT_FOUND;
        if (lock(fd, ADMINISTRATION, F_WRLCK) && name_is(name, fd)) {
            unlink_name(name);
            status = RING_OK;
        } else
            pause_round(&rounds);
        close(fd);
    }
    return status;
}

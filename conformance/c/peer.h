/* A peer of ringmain in plain C11, written from docs/format.md and nothing else: a second implementation of the format,
 * to test the first one and to copy from. Comments name the section of the document that a piece of code realises.
 *
 * Two profiles, chosen when a ring is attached: "smallest" is the document's smallest correct peer (a full fence with
 * each publication, no membarrier, wakes in vain); "full" does all that the document describes. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The picture at the top of the document: where each word stands in the segment. */
enum {
    AT_MAGIC = 0x0000, AT_VERSION = 0x0008, AT_KIND = 0x0010, AT_DATA = 0x0018, AT_LENGTH = 0x0020,
    AT_CAPACITY = 0x0028, AT_SIZE = 0x0030, AT_ALIGN = 0x0038, AT_TYPE = 0x0040, AT_RECORDS = 0x0048,
    AT_HEADER = 0x0050, AT_INCOMPAT = 0x0058, AT_COMPAT = 0x0060, AT_READONLY = 0x0068, AT_RING_ID = 0x0070,
    AT_CREATED = 0x0078, AT_PRODUCER = 0x0080, AT_CONSUMER = 0x0100, AT_TAIL = 0x0180, AT_HEAD = 0x0200,
    AT_FIRST = 0x0280, AT_TAG_LENGTH = 0x0288, AT_TAG = 0x0290,
    TAG_BYTES = 64, HEADER_BYTES = 0x300,
    /* The words of a role, from AT_PRODUCER or AT_CONSUMER. */
    PRESENCE = 0x00, PID = 0x08, STARTED = 0x10, NAMESPACE = 0x18, PARKING = 0x20, WAKES = 0x28, WANTED = 0x30,
    NEEDED = 0x38, /* of the producer */
    TOLD = 0x38,   /* of the consumer */
};

#define RING_MAGIC UINT64_C(0x4e49414d474e4952)
#define RING_VERSION 4

enum ring_role { RING_PRODUCER = 0, RING_CONSUMER = 1, RING_NO_ROLE = 2 }; /* the bytes that are locked */
enum ring_kind { RING_STREAM = 1, RING_MESSAGE = 2 };
enum ring_peer { RING_NEVER, RING_ALIVE, RING_ENDED, RING_KILLED };
enum ring_step { RING_STEP_NONE, RING_STEP_PAYLOAD, RING_STEP_HEADER, RING_STEP_TAIL, RING_STEP_READ };

enum ring_status {
    RING_OK, RING_FULL, RING_EMPTY, RING_CLOSED, RING_CRASHED, RING_TIMEOUT, RING_TOO_LONG, RING_CORRUPTED, RING_BUSY,
    RING_NOT_FOUND, RING_MISMATCH, RING_LAYOUT, RING_USAGE, RING_OTHER,
    RING_AGAIN /* inside peer.c alone: another round of the attach loop */
};

struct ring_options {
    const char *name;
    enum ring_role role;
    enum ring_kind kind;
    uint64_t capacity; /* elements, or bytes of a message ring; 0: whatever stands, and nothing is created */
    uint64_t align;    /* of elements, or of records */
    uint64_t size;     /* bytes of one element, a multiple of its alignment */
    const char *tag;   /* the type tag, or NULL for none */
    uint64_t first;    /* the first position of a ring that is made */
    int64_t wait_ns;   /* for a name that is not there, or a role that is held */
    bool smallest;     /* the profile */
};

struct ring_item {
    const void *bytes;
    size_t length;
    uint64_t word; /* the user's word: of messages with a record alignment of 16 and more */
};

struct ring {
    bool message, smallest;
    enum ring_role role;
    uint64_t capacity, size, align; /* `align`: what positions are multiples of: of records, or 1 in a stream ring */
    uint64_t span;                  /* how far the tail is ahead of the head at most: C, or M */
    uint64_t header;                /* h, the bytes of a record before its payload */
    uint64_t data, length;          /* the data offset; the segment's length */
    unsigned char *base;            /* the mapping, which keeps the role's lock */
    size_t mapped;
    int fd;                         /* a description without a lock, for questions */

    uint64_t generation;
    uint64_t position; /* a producer's tail, a consumer's head: ours alone, never loaded again */
    uint64_t known;    /* the other position, as loaded last; of a message consumer the end of the known records */
    uint64_t next;     /* message consumer: length of the message at the head, once looked at */
    uint64_t parking, wakes; /* our two words, as they are stored */
    uint64_t answered; /* the value of the other end's parking that was answered last */
    bool registered;   /* this process registered by membarrier: its publications need no fence */
    bool barrier;      /* it may call membarrier when it goes to sleep */
    uint64_t concerns; /* the first generation of the other role whose end is told here */
    bool surplus;      /* producer: the last sleep ended with more free than was wanted */
    bool drained;      /* message producer: the consumer had read everything when the head was loaded last */
    bool ahead;        /* message producer: 0 stands in the header at `zero`, and nothing was written there since */
    uint64_t zero;
    uint64_t sleeps, overslept, late; /* for tests: all; ended by their limit; of these, where there was something */
    bool poisoned;
    enum ring_step die_after; /* for tests: SIGKILL after this step */
    char why[240];            /* of the last error: what was found, what was expected */
};

/* Attaches, and creates the ring if it is not there. On any answer but RING_OK nothing is left to close. */
enum ring_status ring_attach(struct ring *ring, const struct ring_options *options);
/* Creates a ring to which nobody has come. RING_BUSY if the name is there. */
enum ring_status ring_create(struct ring *ring, const struct ring_options *options);
/* Leaves in order: the other end is told `closed`. */
void ring_close(struct ring *ring);
/* Leaves without saying so: the other end is told `crashed`. */
void ring_abandon(struct ring *ring);
/* Removes a name, while the administration byte of what it stands for is locked. */
enum ring_status ring_unlink(const char *name);

/* Pushes as many of `count` items as fit, visible together; the smallest peer takes one at a time. Never waits. */
enum ring_status ring_push(struct ring *ring, const struct ring_item *items, size_t count, size_t *pushed);
/* Writes `bytes` where the next item goes, and gives the place up: nothing was sent. */
enum ring_status ring_abort(struct ring *ring, const void *bytes, size_t length);
/* Pops one item into `buffer`. RING_TOO_LONG leaves it where it is. Never waits. */
enum ring_status ring_pop(struct ring *ring, void *buffer, size_t room, size_t *length, uint64_t *word);
/* What `items` elements, or one message of `length` bytes, need of a ring_wait. */
uint64_t ring_need(const struct ring *ring, uint64_t items, uint64_t length);
/* Sleeps until there is what `need` says, until `deadline` (ring_now), or until the other end is gone and all read. */
enum ring_status ring_wait(struct ring *ring, uint64_t need, int64_t deadline);
/* Wakes the other end if it sleeps, with nothing published. */
void ring_wake(struct ring *ring);
/* Who is at the other end, also where that end need not be told. */
enum ring_peer ring_peer(const struct ring *ring);
void ring_positions(struct ring *ring, uint64_t *head, uint64_t *tail);

uint64_t ring_type_id(const char *tag, uint64_t size, uint64_t align);
int64_t ring_now(void); /* nanoseconds, monotonic */

#endif

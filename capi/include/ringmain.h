/* ringmain for C: rings in shared memory, from one process to another. docs/c.md is the guide.
 *
 * Made by cbindgen of capi/src: change that, not this. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Results. A call returns 0 or a count if it succeeds, and a negative errno if not. ringmain_last_error() then has the
 * reason in words, for this thread. What the codes mean:
 *
 *   -EAGAIN      the ring is full, or empty, and the limit is RINGMAIN_NOW
 *   -ETIMEDOUT   the limit has passed, or a process that makes or removes the ring does not finish
 *   -ECANCELED   a waker has ended the wait; nothing was lost, and the call can be made again
 *   -EPIPE       the other end has closed the ring, and less is left than was asked for: read it by less at a time
 *   -ECONNRESET  the same, where the process at the other end is gone without having closed it
 *   -ENOTCONN    nobody is attached to the other end yet, and RINGMAIN_NO_AWAIT_FIRST_PEER was given
 *   -ESTALE      nobody is at the other end, and the ring's name is gone: nobody can come
 *   -EMSGSIZE    more than the ring can ever hold, or beside the batch that is open, or than the buffer has room for
 *   -EBADMSG     the ring is damaged: another process wrote an impossible number, or shortened it
 *   -ECHILD      the handle belongs to the process that this one was forked from: it can be closed here, and no more
 *   -EINVAL      an argument is wrong: a null pointer, a handle of another kind, a size that does not fit
 *   -EBUSY       another handle holds the role, or another process a lock
 *   -EPROTO      what is there is not such a ring: another layout, kind, type, capacity, or no ring at all
 *   -ENOENT, -EEXIST, -EACCES, -ENOSPC, -ENOMEM, -EFBIG and others of the system, as errno has them
 *
 * Waiting. `limit_ns` is RINGMAIN_NOW (never waits; nor does one below 0), RINGMAIN_FOREVER, or nanoseconds to wait.
 *
 * Pointers. A handle is one that was attached and not closed; every other pointer is valid for what it points to, and a
 * text ends with a 0. NULL is refused, and so is a handle of another kind; what is freed cannot be told.
 *
 * Threads. A handle may be used by one thread at a time, any one: the role follows the handle. Different handles are
 * independent of each other. Sets that sleep and descriptors for event loops have a thread of the library's own; no
 * other call starts one, and none changes how a signal is handled. Pushing, popping and waiting allocate no memory; a
 * set does when it first sleeps at a handle.
 *
 * Trust. What pushes and pops copies, so it is safe against whatever the other process does. Pointers into the ring (a
 * claim, a peek) are not: whoever uses them trusts every process that can write to the ring to keep to the protocol.
 *
 * While a claim, a peek or a batch is open, only calls that go on with it or end it are allowed on that handle, and
 * ringmain_close, ringmain_abandon, ringmain_into_fd, ringmain_end_info and ringmain_descriptor.
 */

#ifndef RINGMAIN_H
#define RINGMAIN_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#if defined(__cplusplus)
/* C++ has options of its own in ringmain.hpp. */
#define RINGMAIN_ALIGNOF(type) alignof(type)
#elif __STDC_VERSION__ >= 201112L
#define RINGMAIN_ALIGNOF(type) _Alignof(type)
#else
#define RINGMAIN_ALIGNOF(type) __alignof__(type)
#endif

#if !defined(__cplusplus)
/* Options, all others as they are by default: RINGMAIN_OPTIONS(.capacity = 1 << 20). */
#define RINGMAIN_OPTIONS(...) ((ringmain_options){.size = sizeof(ringmain_options), __VA_ARGS__})
/* The element of a stream ring, among options: RINGMAIN_OPTIONS(.capacity = 1024, RINGMAIN_ELEMENT(struct tick)). */
#define RINGMAIN_ELEMENT(type) .element_size = sizeof(type), .element_align = RINGMAIN_ALIGNOF(type)
#endif

// As `limit_ns`: the call never waits.
#define RINGMAIN_NOW 0

// As `limit_ns`: the call waits for as long as it takes.
#define RINGMAIN_FOREVER 9223372036854775807

// The writing end of a ring of elements of one size.
#define RINGMAIN_STREAM_PRODUCER 1

// The reading end of a ring of elements of one size.
#define RINGMAIN_STREAM_CONSUMER 2

// The writing end of a ring of messages of any length.
#define RINGMAIN_MESSAGE_PRODUCER 3

// The reading end of a ring of messages of any length.
#define RINGMAIN_MESSAGE_CONSUMER 4

// Uses the ring that exists; creates one if there is none and a capacity is given.
#define RINGMAIN_CREATE_IF_MISSING 0

// Creates a ring, and fails if one exists.
#define RINGMAIN_CREATE_NEW 1

// Uses the ring that exists, and fails if there is none.
#define RINGMAIN_CREATE_NEVER 2

// Waits by spinning for about as long as a wake takes, then by sleeping.
#define RINGMAIN_SPIN_THEN_PARK 0

// Waits by spinning alone: for a process with a processor of its own.
#define RINGMAIN_SPIN 1

// Sleeps at once; the other end then fences each publication.
#define RINGMAIN_PARK 2

// Removes the name when the handle is closed, or its process exits in order.
#define RINGMAIN_UNLINK_ON_CLOSE (1 << 0)

// Leaves the handle alone when the process exits: its peer is told of a crash.
#define RINGMAIN_NO_CLOSE_ON_EXIT (1 << 1)

// Does not touch every page at attach.
#define RINGMAIN_NO_PREFAULT (1 << 2)

// Locks the ring in memory.
#define RINGMAIN_LOCK_MEMORY (1 << 3)

// Lets a ring without a name be sealed, by ringmain_seal().
#define RINGMAIN_SEALABLE (1 << 4)

// Accepts a ring of any type, if its elements have the same size.
#define RINGMAIN_ANY_TYPE (1 << 5)

// Calls that wait fail with -ENOTCONN while nobody was at the other end.
#define RINGMAIN_NO_AWAIT_FIRST_PEER (1 << 6)

// Calls that wait go on when the other end has left or crashed, until another process takes its role.
#define RINGMAIN_AWAIT_SUCCESSOR (1 << 7)

// The field `owner` counts: the ring may belong to that user.
#define RINGMAIN_OWNER (1 << 8)

// The field `pace_ns` counts.
#define RINGMAIN_PACE (1 << 9)

// The field `descriptor` counts even if it is 0, the standard input. No call of this library returns that one.
#define RINGMAIN_DESCRIPTOR (1 << 10)

// Nobody was attached to the other end yet.
#define RINGMAIN_PEER_NEVER 0

// A process is attached to the other end.
#define RINGMAIN_PEER_ALIVE 1

// The last process at the other end said that it left.
#define RINGMAIN_PEER_CLOSED 2

// The last process at the other end is gone without having said so.
#define RINGMAIN_PEER_CRASHED 3

// At how many handles a set waits at most.
#define RINGMAIN_MOST_INTERESTS 127

// The other process attached to the ring.
#define RINGMAIN_ATTACHED 1

// The other process received the ring, and says no more.
#define RINGMAIN_RECEIVED 2

// How many bytes the text of ringmain_inherit() has at most, the 0 after it included.
#define RINGMAIN_NOTE 64

// A ring.
#define RINGMAIN_IS_RING 0

// A ring of another version of the layout, or with features that this version does not know.
#define RINGMAIN_IS_OTHER_VERSION 1

// A ring that contradicts itself, or of which parts are missing.
#define RINGMAIN_IS_DAMAGED 2

// What a process left that was killed while it made a ring. The next attach replaces it.
#define RINGMAIN_IS_UNFINISHED 3

// A process makes a ring of it.
#define RINGMAIN_IS_BEING_MADE 4

// It changed while it was looked at.
#define RINGMAIN_IS_CHANGING 5

// It was removed after its directory was read.
#define RINGMAIN_IS_GONE 6

// The system does not let this process read it.
#define RINGMAIN_IS_UNREADABLE 7

// A process holds a lease of it.
#define RINGMAIN_IS_LEASED 8

// Something else.
#define RINGMAIN_IS_NO_RING 9

// A stream ring.
#define RINGMAIN_STREAM 1

// A message ring.
#define RINGMAIN_MESSAGE 2

// How many bytes a name in /dev/shm has at most, the 0 after it included.
#define RINGMAIN_NAME 256

// How many bytes a type tag has at most, the 0 after it included.
#define RINGMAIN_TAG 65

// One end of a ring.
typedef struct ringmain_end ringmain_end;

// All objects of shared memory on the machine, one after the other.
typedef struct ringmain_list ringmain_list;

// A ring that was sent, and that is to be answered.
typedef struct ringmain_offer ringmain_offer;

// Waits at many rings at once, of either kind, at either end.
typedef struct ringmain_waitset ringmain_waitset;

// Ends a wait of a set or of a handle from outside.
typedef struct ringmain_waker ringmain_waker;

// What a ring is to be. All fields but `size` may be 0: then it is as by default. RINGMAIN_OPTIONS() makes one. Later
// versions append fields, and know by the size which a program has.
typedef struct ringmain_options {
    // sizeof(ringmain_options).
    size_t size;
    // The capacity, which is rounded up to a power of two: of a stream ring in elements, of a message ring in bytes,
    // headers included. With it a missing ring is created; an existing one must have the same. 0: take it as it is.
    size_t capacity;
    // The size of an element of a stream ring in bytes, and its alignment: RINGMAIN_ELEMENT(type) gives both.
    size_t element_size;
    // See `element_size`.
    size_t element_align;
    // The alignment of the records of a message ring in bytes: 8, 16, 32 or 64. 0: 8, or that of the ring that exists.
    size_t record_alignment;
    // A name of the element type, which both sides must give alike: at most 64 bytes of UTF-8. NULL: none.
    const char *type_tag;
    // How long to wait for the other side to create the ring, in nanoseconds, or RINGMAIN_FOREVER.
    int64_t wait_for_ns;
    // How long an end that outruns the other one pauses at most before it loads the other's position; RINGMAIN_PACE.
    int64_t pace_ns;
    // The largest data area in bytes that this process attaches to. 0: as by default.
    size_t max_capacity;
    // The position at which a ring that is created begins.
    uint64_t start_at;
    // RINGMAIN_CREATE_IF_MISSING, RINGMAIN_CREATE_NEW or RINGMAIN_CREATE_NEVER.
    uint32_t create;
    // RINGMAIN_SPIN_THEN_PARK, RINGMAIN_SPIN or RINGMAIN_PARK.
    uint32_t wait;
    // The permissions of a ring that is created. 0: 0600.
    uint32_t mode;
    // The user that the ring may belong to; RINGMAIN_OWNER.
    uint32_t owner;
    // Any of RINGMAIN_UNLINK_ON_CLOSE to RINGMAIN_DESCRIPTOR.
    uint32_t flags;
    // If the ring has no name: a descriptor of it, which stays the caller's. 0: none, a new ring is created; see
    // RINGMAIN_DESCRIPTOR. A negative one, of a call that failed, is refused, and so is one beside a name.
    int descriptor;
} ringmain_options;

// What an end is. It does not change while it is attached.
typedef struct ringmain_info {
    // sizeof(ringmain_info), given by the caller; how many bytes of it were written, afterwards.
    size_t size;
    // The name of the ring; "(anonymous)" if it has none. It lives as long as the handle.
    const char *name;
    // The capacity: elements, or bytes with the headers of messages.
    size_t capacity;
    // The size of an element in bytes; 0 for messages.
    size_t element_size;
    // The alignment of the records of messages in bytes; 0 for a stream ring.
    size_t record_alignment;
    // The length of the longest message; 0 for a stream ring.
    size_t max_len;
    // The number of the ring, chosen at random when it was created.
    uint64_t ring_id;
    // The position at which the ring began.
    uint64_t first_position;
    // How often this role has been taken, this time included.
    uint64_t generation;
    // RINGMAIN_STREAM_PRODUCER, RINGMAIN_STREAM_CONSUMER, RINGMAIN_MESSAGE_PRODUCER or RINGMAIN_MESSAGE_CONSUMER.
    uint32_t which;
    // 0.
    uint32_t reserved;
} ringmain_info;

// Slots of a claim, in place: to be written. They lie before the end of the ring's buffer and after it.
typedef struct ringmain_slots {
    // The first slot.
    void *first;
    // How many slots lie there.
    size_t first_count;
    // The slot that follows those.
    void *second;
    // How many slots lie there: often 0.
    size_t second_count;
} ringmain_slots;

// Elements of a peek, in place: to be read. They lie before the end of the ring's buffer and after it.
typedef struct ringmain_elements {
    // The first element.
    const void *first;
    // How many elements lie there.
    size_t first_count;
    // The element that follows those.
    const void *second;
    // How many elements lie there: often 0.
    size_t second_count;
    // The position of the first element.
    uint64_t position;
} ringmain_elements;

// A message of a peek, in place: to be read.
typedef struct ringmain_record {
    // Its bytes.
    const void *bytes;
    // How many.
    size_t len;
    // The word that its producer gave it (ringmain_message_push_tagged); else 0.
    uint64_t word;
    // Its position: how many bytes of records lie before it.
    uint64_t position;
} ringmain_record;

// What a set waits for at one handle.
typedef struct ringmain_interest {
    // The handle. Nothing is open at it, and nothing else uses it during the wait.
    struct ringmain_end *end;
    // As for ringmain_wait(): how many free slots, or elements; to the producer of a message ring, room for a message
    // of how many bytes.
    size_t need;
    // After the wait: 1 if it is ready, else 0.
    int ready;
    // Not looked at.
    int reserved;
} ringmain_interest;

// What is known of one end of a ring.
typedef struct ringmain_end_stat {
    // How often the role has been taken.
    uint64_t generation;
    // How often it has begun to sleep.
    uint64_t sleeps;
    // How often it has woken the other end.
    uint64_t wakes;
    // One of RINGMAIN_PEER_NEVER to RINGMAIN_PEER_CRASHED.
    int32_t state;
    // The process that is attached, if it can be known from here; else 0.
    int32_t process;
    // 1 if it sleeps.
    int32_t is_asleep;
    // 0.
    int32_t reserved;
} ringmain_end_stat;

// What is known of an object of shared memory.
typedef struct ringmain_stat {
    // sizeof(ringmain_stat), given by the caller; how many bytes of it were written, afterwards.
    size_t size;
    // What it is: RINGMAIN_IS_RING, or another of these. Unless it is a ring, only `name` and `error` count.
    uint32_t condition;
    // Why it is no ring to look at, or what could not be found out of it: a negative errno; 0 if there is nothing.
    int32_t error;
    // RINGMAIN_STREAM or RINGMAIN_MESSAGE.
    uint32_t kind;
    // Its permissions.
    uint32_t mode;
    // The user that it belongs to.
    uint32_t owner;
    // Its group.
    uint32_t group;
    // The capacity in elements, or in bytes for messages.
    uint64_t capacity;
    // The size of an element in bytes; 0 for messages.
    uint64_t element_size;
    // The alignment of an element in bytes; 0 for messages.
    uint64_t element_align;
    // The alignment of the records of messages in bytes; 0 for a stream ring.
    uint64_t record_alignment;
    // The version of its layout.
    uint64_t layout_version;
    // The number of the ring, chosen at random when it was created.
    uint64_t ring_id;
    // When it was created, by the clock of its creator: nanoseconds since 1970.
    uint64_t created_ns;
    // The position at which it began.
    uint64_t first_position;
    // The length of the object in bytes.
    uint64_t segment_length;
    // Where its consumer reads next.
    uint64_t head;
    // Where its producer writes next.
    uint64_t tail;
    // How many elements, or bytes of records, lie between them.
    uint64_t used;
    // Its producer.
    struct ringmain_end_stat producer;
    // Its consumer.
    struct ringmain_end_stat consumer;
    // Its type tag: empty if it has none. Its creator may have written any UTF-8.
    char type_tag[RINGMAIN_TAG];
    // Its name. Whoever made the object chose that: it may have any bytes.
    char name[RINGMAIN_NAME];
} ringmain_stat;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Returns what a result of this library means, in a few words: any of its codes, negative or not. For the reason of
// one failure, with numbers and advice, see ringmain_last_error(). The text is never NULL, and stays valid.
const char *ringmain_strerror(int code);

// Returns why the last call of this thread that failed did so, in the words that the library for Rust has; an empty
// text if none has failed. It is never NULL, and valid until this thread makes another call of this library.
const char *ringmain_last_error(void);

// Returns the version of this library, such as "0.1.0".
const char *ringmain_version(void);

// Attaches to one end of a ring, and creates the ring if the options allow it.
//
// `which` is RINGMAIN_STREAM_PRODUCER, RINGMAIN_STREAM_CONSUMER, RINGMAIN_MESSAGE_PRODUCER or
// RINGMAIN_MESSAGE_CONSUMER. `name` has 1 to 30 of A-Z a-z 0-9 _ . - and no leading dot; if it is NULL, the ring has
// no name: a new one, or the one behind `options->descriptor`, which is not given beside a name. `options` may be
// NULL. The handle is stored in `*end` (NULL, if the call fails); ringmain_close() or ringmain_abandon() ends it.
//
// Fails with -ENOENT if there is no such ring and none may be created, -EBUSY if another handle has this end, -EPROTO
// if the ring is another one than was asked for, and others.
int ringmain_attach(uint32_t which,
                    const char *name,
                    const struct ringmain_options *options,
                    struct ringmain_end **end);

// Creates a ring, if it is missing, and takes neither end. Returns a descriptor of it, which the caller closes; a ring
// without a name lives as long as it has one. `which` says what kind of ring; which of its two ends does not matter.
int ringmain_create(uint32_t which, const char *name, const struct ringmain_options *options);

// Leaves the ring in order, and frees the handle: the other end is told that it closed, after all that was sent. The
// name is removed with RINGMAIN_UNLINK_ON_CLOSE. The handle is gone whatever this returns; it fails if the name could
// not be removed.
int ringmain_close(struct ringmain_end *end);

// Leaves the ring as a crash of this process would, and frees the handle: the other end is told that it crashed.
int ringmain_abandon(struct ringmain_end *end);

// Leaves the ring as ringmain_close() does, and returns a descriptor of it, by which the next process attaches to a
// ring without a name.
int ringmain_into_fd(struct ringmain_end *end);

// Returns a descriptor of the ring that stays the handle's: to be passed to another process (ringmain_offer_send,
// ringmain_inherit), not to be closed or polled. Allowed while something is open, and in a forked child.
int ringmain_descriptor(const struct ringmain_end *end);

// Closes a ring without a name that was created with RINGMAIN_SEALABLE to all processes that are not attached.
int ringmain_seal(struct ringmain_end *end);

// Says what an end is: `info->size` is sizeof(ringmain_info) before the call. Allowed while something is open, and in
// a forked child.
int ringmain_end_info(const struct ringmain_end *end, struct ringmain_info *info);

// Stores the position of what this end writes or reads next: how many elements, or bytes of the records of messages,
// lie before it. It only grows, across processes too.
int ringmain_position(struct ringmain_end *end, uint64_t *position);

// Returns how much lies in the ring: elements, or bytes of the records of messages.
ptrdiff_t ringmain_len(struct ringmain_end *end);

// Returns how much room the ring has, to its producer: slots, or bytes for the records of messages.
ptrdiff_t ringmain_room(struct ringmain_end *tx);

// Returns what the other end last said of itself, without a system call: RINGMAIN_PEER_NEVER, RINGMAIN_PEER_ALIVE or
// RINGMAIN_PEER_CLOSED. Only ringmain_peer_state() tells whether it was killed since.
int ringmain_peer(struct ringmain_end *end);

// Finds out the state of the other end, by at most two system calls: one of RINGMAIN_PEER_NEVER to
// RINGMAIN_PEER_CRASHED.
int ringmain_peer_state(struct ringmain_end *end);

// Stores how often the other end has been taken.
int ringmain_peer_generation(struct ringmain_end *end, uint64_t *generation);

// Returns 1 if another process has attached to the other end since the last call, or since this handle attached; else
// 0.
int ringmain_peer_changed(struct ringmain_end *end);

// Returns 1 if the name of the ring was removed, so that nobody else can attach; else 0.
int ringmain_is_orphaned(struct ringmain_end *end);

// Returns 1 if another process has shortened the memory of the ring: close it, or abandon it. Else 0.
int ringmain_is_truncated(struct ringmain_end *end);

// Changes how the calls of this handle wait: RINGMAIN_SPIN_THEN_PARK, RINGMAIN_SPIN or RINGMAIN_PARK.
int ringmain_set_wait(struct ringmain_end *end, uint32_t wait);

// Waits until `need` slots are free, or `need` elements are there; to the producer of a message ring, until there is
// room for a message of `need` bytes; to its consumer, until a message is there, whatever `need` is.
//
// Unlike a push or a pop, it also finds out with RINGMAIN_NOW that the other end has left: -EPIPE, -ECONNRESET.
int ringmain_wait(struct ringmain_end *end, size_t need, int64_t limit_ns);

// Says that a consumer pauses: a producer that sleeps at a full ring and has what it asked for is woken now.
int ringmain_pause(struct ringmain_end *rx);

// Gives up the claim or the batch that a producer has open: nothing was pushed.
int ringmain_abort(struct ringmain_end *tx);

// Ends the peek that a consumer has open, and leaves all in the ring.
int ringmain_keep(struct ringmain_end *rx);

// Removes the name of a ring, whatever its state. Processes that are attached go on.
int ringmain_unlink(const char *name);

// Removes the name of a ring that nobody is attached to; -EBUSY if somebody is. Waits for `limit_ns` at most for a
// process that creates it at this moment.
int ringmain_unlink_if_free(const char *name, int64_t limit_ns);

// Pushes as many of `count` elements as there is room for, from the first on, and returns how many that is: at least
// one, unless `count` is 0. Waits for room for one. They are visible together when this returns.
ptrdiff_t ringmain_stream_push(struct ringmain_end *tx, const void *elements, size_t count, int64_t limit_ns);

// Pops as many elements as are there, at most `count`, and returns how many that is: at least one, unless `count` is
// 0. Waits for one. Their slots are free when this returns.
ptrdiff_t ringmain_stream_pop(struct ringmain_end *rx, void *elements, size_t count, int64_t limit_ns);

// Pushes all of `count` elements, as room becomes free: visible in as many parts as that takes. `*pushed` says how
// many were, also if this fails; it may be NULL. The limit is that of the whole call.
int ringmain_stream_push_all(struct ringmain_end *tx,
                             const void *elements,
                             size_t count,
                             int64_t limit_ns,
                             size_t *pushed);

// Pops `count` elements, as they come. `*popped` says how many were, also if this fails; it may be NULL. The limit is
// that of the whole call.
int ringmain_stream_pop_all(struct ringmain_end *rx, void *elements, size_t count, int64_t limit_ns, size_t *popped);

// Takes slots in place: as many as are free, at least `least` and at most `most`, and returns how many. Waits for
// `least`. ringmain_stream_commit() makes them visible; ringmain_abort() gives them up. A slot that is not written
// holds an element of an earlier round, or zeros.
//
// The pointers are good until then. Whoever uses them trusts every process that can write to the ring.
ptrdiff_t ringmain_stream_claim(struct ringmain_end *tx,
                                size_t least,
                                size_t most,
                                int64_t limit_ns,
                                struct ringmain_slots *slots);

// Makes the first `count` slots of the claim visible, and gives up the others.
int ringmain_stream_commit(struct ringmain_end *tx, size_t count);

// Peeks at elements in place: as many as are there, at least `least` and at most `most`, and returns how many. Waits
// for `least`. ringmain_stream_release() gives them back; ringmain_keep() leaves them in the ring.
//
// The pointers are good until then. Whoever uses them trusts every process that can write to the ring.
ptrdiff_t ringmain_stream_peek(struct ringmain_end *rx,
                               size_t least,
                               size_t most,
                               int64_t limit_ns,
                               struct ringmain_elements *elements);

// Copies as many elements as are there, at most `count`, leaves them in the ring, and returns how many that is: at
// least one. Waits for one. ringmain_stream_release() gives them back; ringmain_keep() leaves them: whoever is killed
// before a release gets them again.
ptrdiff_t ringmain_stream_copy(struct ringmain_end *rx, void *elements, size_t count, int64_t limit_ns);

// Gives the first `count` elements of the peek, or of those that were copied, back to the producer, and leaves the
// others in the ring.
int ringmain_stream_release(struct ringmain_end *rx, size_t count);

// Pushes one message of `len` bytes. It is visible when this returns, or, if a batch is open, with the batch. Waits
// for room. -EMSGSIZE: the ring can never hold it, or not beside those of the batch.
int ringmain_message_push(struct ringmain_end *tx, const void *message, size_t len, int64_t limit_ns);

// Pushes one message with a word of the user's, which its reader finds beside it: a kind, a number, a time. It needs
// records aligned to 16 bytes or more. Else as ringmain_message_push().
int ringmain_message_push_tagged(struct ringmain_end *tx,
                                 uint64_t word,
                                 const void *message,
                                 size_t len,
                                 int64_t limit_ns);

// Pushes one message that lies in `count` parts; one of 0 bytes may be NULL. Else as ringmain_message_push().
int ringmain_message_push_vectored(struct ringmain_end *tx, const struct iovec *parts, size_t count, int64_t limit_ns);

// Takes room for a message of up to `len` bytes in place, and stores its address in `*bytes`: it holds older bytes.
// Waits for room. ringmain_message_commit() pushes it; ringmain_abort() gives it up.
//
// The address is good until then. Whoever uses it trusts every process that can write to the ring.
int ringmain_message_claim(struct ringmain_end *tx, size_t len, int64_t limit_ns, void **bytes);

// Pushes the first `len` bytes of the claim as one message.
int ringmain_message_commit(struct ringmain_end *tx, size_t len);

// The same, with a word of the user's.
int ringmain_message_commit_tagged(struct ringmain_end *tx, uint64_t word, size_t len);

// Opens a batch: the messages that are pushed until ringmain_batch_commit() become visible together, or not at all. No
// room can be claimed meanwhile.
int ringmain_batch_begin(struct ringmain_end *tx);

// Makes all messages of the batch visible at once, and returns how many there are.
ptrdiff_t ringmain_batch_commit(struct ringmain_end *tx);

// Pops one message into a buffer of `size` bytes, and returns its length. Waits for one. A message that is longer
// stays in the ring: -EMSGSIZE, and ringmain_message_next_len() tells its length.
ptrdiff_t ringmain_message_pop(struct ringmain_end *rx, void *message, size_t size, int64_t limit_ns);

// Pops one message as ringmain_message_pop() does, and stores the word that its producer gave it.
ptrdiff_t ringmain_message_pop_tagged(struct ringmain_end *rx,
                                      uint64_t *word,
                                      void *message,
                                      size_t size,
                                      int64_t limit_ns);

// Returns the length of the next message, and leaves it in the ring. Waits for one.
ptrdiff_t ringmain_message_next_len(struct ringmain_end *rx, int64_t limit_ns);

// Peeks at the next message in place. Waits for one. ringmain_message_release() gives it back; ringmain_keep() leaves
// it in the ring.
//
// The address is good until then. Whoever uses it trusts every process that can write to the ring.
int ringmain_message_peek(struct ringmain_end *rx, int64_t limit_ns, struct ringmain_record *record);

// Copies the next message to a buffer of `size` bytes, leaves it in the ring, and returns its length. Waits for one.
// The next call copies the one after it. ringmain_message_release() gives all of them back; ringmain_keep() leaves
// them: whoever is killed before a release gets them again.
//
// A message that is longer than the buffer stays the next one: -EMSGSIZE. With RINGMAIN_NOW, -EAGAIN says that there
// is no further one; there can be none before a release once those that were copied fill the ring.
ptrdiff_t ringmain_message_copy_next(struct ringmain_end *rx, void *message, size_t size, int64_t limit_ns);

// Gives the message of the peek, or all that were copied, back to the producer, and returns how many those are.
ptrdiff_t ringmain_message_release(struct ringmain_end *rx);

// Makes a set, which holds no descriptor and nothing of any ring. It is stored in `*set`; ringmain_waitset_free() ends
// it. It is used by one thread at a time. A thread of the library's own, which blocks all signals, learns of deaths
// for sets that sleep; the library stays loaded from then on.
int ringmain_waitset_open(struct ringmain_waitset **set);

// Frees a set. NULL is allowed. Its wakers stay, and do nothing then.
void ringmain_waitset_free(struct ringmain_waitset *set);

// Changes how a set waits, however its handles do: RINGMAIN_SPIN_THEN_PARK, as at first, RINGMAIN_SPIN or
// RINGMAIN_PARK.
int ringmain_waitset_set_wait(struct ringmain_waitset *set, uint32_t wait);

// Waits until something of a list is ready, and returns how much is: `ready` of each says which. Returns 0 if the
// limit passes before that. A list of nothing waits for a waker.
//
// One is ready as soon as a call on its handle that waits for as much would not wait: because that is there, or free,
// or because the wait has ended, since the other end has left, is gone, or cannot come. The call that is made then
// tells which; ringmain_wait() with RINGMAIN_NOW, too. What is left in a ring is ready again at the next wait, and an
// end stays ready: take it out of the list. A crash is told within 100 ms.
//
// Fails with -ECANCELED if a waker of the set was used, which comes first: the next wait looks at the rings before it
// takes another call. -EINVAL: more than RINGMAIN_MOST_INTERESTS, or a handle that is there twice, that has something
// open, or that another set waits at; -ECHILD: a handle of another process; -EMSGSIZE: more is needed than its ring
// can ever hold.
ptrdiff_t ringmain_waitset_wait(struct ringmain_waitset *set,
                                struct ringmain_interest *interests,
                                size_t count,
                                int64_t limit_ns);

// Stores what ends a wait of this set in `*waker`; ringmain_waker_free() frees it. All wakers of a set are the same.
int ringmain_waitset_waker(struct ringmain_waitset *set, struct ringmain_waker **waker);

// Stores what ends a call of this handle that waits in `*waker` (NULL, if the call fails); ringmain_waker_free() frees
// it. All wakers of a handle are the same. A call that finds at once what it asked for is not ended.
int ringmain_end_waker(struct ringmain_end *end, struct ringmain_waker **waker);

// Ends the wait that is made now with -ECANCELED, or the next one: a call stays until a wait takes it, and several
// that no wait has taken are one. What was done before it can be seen by whoever it ends the wait of.
//
// Any thread may call it at any time, and a handler of a signal: it takes no lock, allocates nothing, and leaves errno
// as it is. After its set or handle is freed it does nothing, and in a forked child it ends no wait of the parent.
// -EINVAL, for NULL, is all that can fail; ringmain_last_error() does not tell of it.
int ringmain_wake(const struct ringmain_waker *waker);

// Frees a waker. NULL is allowed. No thread, and no handler of a signal, uses it then or later.
void ringmain_waker_free(struct ringmain_waker *waker);

// Returns a descriptor by which an event loop (epoll, poll, libuv) waits for this handle, together with sockets and
// timers. It is readable at first, and from each wake on until ringmain_is_ready() returns 0; wait for it as readable
// at either end of a ring, by level or by edge, and neither read nor write it. It is the handle's: each call returns
// the same one, which lives as long as the handle, and is not closed by the caller.
//
// A thread of the library's own sleeps for the handles of up to 32 such descriptors; it blocks all signals, and the
// library stays loaded from then on.
int ringmain_readiness_fd(struct ringmain_end *end);

// Returns 1 if a call that waits for `need`, as for ringmain_wait(), would not wait: because that is there, or free,
// or because the wait has ended, which that call then tells. Returns 0 if not; then the descriptor of
// ringmain_readiness_fd() is readable as soon as it may be so.
//
// Ask again and again, take or send what is there, and go back to the loop when it returns 0. Each question replaces
// the one before, and a call of this handle that waits ends what it has begun: ask again after one.
int ringmain_is_ready(struct ringmain_end *end, size_t need);

// Sends the descriptor of a ring without a name through a Unix socket, and asks for no answer. Waits as the socket
// does. The descriptor stays the caller's.
int ringmain_send(int socket_fd, int descriptor);

// Receives a ring that another process sends through a Unix socket, and returns its descriptor, which the caller
// closes: `options.descriptor` attaches to it. A sender that wants an answer is told that it was received, and no
// more. Waits as the socket does.
int ringmain_receive(int socket_fd);

// Sends a ring as ringmain_send() does, and asks what becomes of it: ringmain_offer_answer() waits for that. The offer
// is stored in `*offer` (NULL, if the call fails); ringmain_offer_free() ends it.
int ringmain_offer_send(int socket_fd, int descriptor, struct ringmain_offer **offer);

// Waits for the answer, as the socket does: RINGMAIN_ATTACHED or RINGMAIN_RECEIVED. -ECONNREFUSED: the other process
// did not attach, and ringmain_last_error() has its reason. -EAGAIN: not all of it has come yet; call it again.
int ringmain_offer_answer(struct ringmain_offer *offer);

// Frees an offer. NULL is allowed.
void ringmain_offer_free(struct ringmain_offer *offer);

// Receives a ring as ringmain_receive() does, attaches to it as ringmain_attach() does, and tells a sender that asked
// for it (ringmain_offer_send) whether that succeeded, and if not, why.
int ringmain_accept(int socket_fd, uint32_t which, const struct ringmain_options *options, struct ringmain_end **end);

// Makes a copy of a descriptor of a ring without a name for a program that is about to be started, and writes to
// `note` the text for the environment variable by which that program finds it (ringmain_inherited). `size` is
// RINGMAIN_NOTE or more. Returns the copy, which the caller closes once the program is started.
//
// The copy is close-on-exec, so that no other program inherits it. The child that runs this one clears that: by
// fcntl(fd, F_SETFD, 0) between fork() and exec(), or by posix_spawn_file_actions_adddup2(actions, fd, fd).
int ringmain_inherit(int descriptor, char *note, size_t size);

// Returns a descriptor of the ring that this process inherited, by the environment variable that names it; the caller
// closes it. `options.descriptor` attaches to it.
int ringmain_inherited(const char *variable);

// Tells all that is known of a ring: `stat->size` is sizeof(ringmain_stat) before the call. Takes no role, and writes
// nothing.
int ringmain_look(const char *name, struct ringmain_stat *stat);

// Begins a list of all objects of shared memory: rings, and what is none. It is stored in `*list` (NULL, if the call
// fails); ringmain_list_free() ends it.
int ringmain_list_open(struct ringmain_list **list);

// Tells what is known of the next object: `stat->size` is sizeof(ringmain_stat) before the call. Returns 1, or 0 if
// there is no further one. Why an object is no ring, `stat->error` and ringmain_last_error() say.
int ringmain_list_next(struct ringmain_list *list, struct ringmain_stat *stat);

// Frees a list. NULL is allowed.
void ringmain_list_free(struct ringmain_list *list);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RINGMAIN_H */

/*
 * How one end of a ring sleeps until the other one publishes: both ends of one ring, and the stores that wait in their
 * processors' buffers.
 *
 * Stands for:
 *   src/ring/park.rs      attach published paused presence_changed notify answer remember
 *                         renew prepare announce sleep finish
 *   src/ring/endpoint.rs  begin wake renew_sleeper pause goals park
 *   src/ring/writer.rs    is_ready load_head
 *   src/ring/reader.rs    is_ready advance_from release
 *   src/ring/leave.rs     leave clear_requests
 *   src/ring/presence.rs  store_attached store_detached observe
 *   src/ring/wait.rs      sleep_until_ready settle may_have_ended
 *   src/wait/mod.rs       set_wait wait_until_ready ended
 *   src/handle.rs         enter leave_now
 *   src/segment/futex.rs  register barrier wait wake
 *   src/segment/mod.rs    fence_to_publish fence_to_sleep load_after_publish is_registered asks_for_fences
 *
 * Memory: x86-TSO. A store goes into the buffer of its processor, and from there to memory at any later time, in order.
 * Each word has one writer, which keeps what it stored in its handle, so no load needs its own buffer. A full fence
 * waits until the own buffer is empty, `membarrier` until that of the other end is, if that registered. So do the
 * system calls that put to sleep and wake: the kernel makes full fences there. A store with a full fence between it and
 * the next load goes to memory at once, which nobody can tell from a delay of the store. A killed process loses no
 * store, and its role is free when its buffer is empty. Orders that are weaker than TSO are what loom-tests/ explores.
 *
 * A sleep has no time limit here, but where the code relies on it: a sleeper that is not sure naps, and one whose peer
 * is dead and not succeeded sleeps for a slice. Any other sleep may end early, SHORTS times. Gathering has no limit of
 * 5 ms here: a consumer that waits, or leaves, ends it.
 *
 * Bounds, by -D: N elements through a ring of CAP; KILLS deaths; LIVES_P and LIVES_C holders; SHORTS sleeps
 * that end early; RENEWS changes of how an end waits; MIXED: a producer registers or not, a consumer may call
 * `membarrier` or not, and parks always or not; ASKS: the first consumer does that; REGISTERS:
 * only the first of these. VISITS: holders leave early. Ends wait for successors, which come; with ALONE none comes,
 * and an end is told instead. GATHERS: a producer may want Q slots where it needs one, and a consumer may need two
 * elements at once; the pause of a consumer before its sleep is left out elsewhere, since it wakes nobody whom its last
 * pop did not.
 *
 * SC: each store is in memory at once. Runs about goals and told ends do without the buffers.
 *
 * Planted faults, by -D: what is called FAULT_... below.
 */

#ifndef N
#define N 2
#endif
#ifndef CAP
#define CAP 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef LIVES_P
#define LIVES_P 1
#endif
#ifndef LIVES_C
#define LIVES_C 1
#endif
#ifndef SHORTS
#define SHORTS 0
#endif
#ifndef RENEWS
#define RENEWS 0
#endif
#define Q 2

/* The roles. */
#define P 0
#define C 1
#define PEER (1 - me)

/* The words that a role writes. */
#define POSITION 0
#define PRESENCE 1
#define PARKING 2
#define WANTED 3
#define NEEDED 4
#define WAKES 5
#define MEM(role, word) mem[(role) * 6 + (word)]

/* The bits and the step of parking and wakes. No run is so long that they wrap. */
#define FENCES 1
#define ASLEEP 2
#define COUNT 2
#define COUNTS 127

/* Positions wrap at 8, as they do at 2^64. */
#define MINUS(one, other) (((one) + 8 - (other)) & 7)
#define HAS_REACHED(position, goal) (MINUS(position, goal) <= 3)

/* More stores than wait in a buffer at any time: checked. */
#define ROOM 7

byte mem[12];
chan buffer[2] = [ROOM] of { byte, byte };
bit alive[2];       /* the role's lock is held */
bit registered[2];  /* `membarrier` reaches the holder */
bit waiting[2];     /* it sleeps in the kernel, on the wakes of the other end */
bit kill[2];
bit killed[2];
bit done[2];        /* it has all, or was told why not, or is dead and not succeeded */
byte lives[2];      /* holders that are still to come */
byte kills = KILLS;
byte shorts = SHORTS;
byte renews = RENEWS;

/* The processor's buffer of one end. */
proctype Buffer(byte role)
{
    byte word, value;
end:
    do
    :: d_step { buffer[role]?word,value -> MEM(role, word) = value; word = 0; value = 0 }
    od
}

/* A store that may stay in the buffer. */
inline store(word_, value_)
{
#ifdef SC
    MEM(me, word_) = value_
#else
    assert(nfull(buffer[me]));
    buffer[me]!word_,value_
#endif
}

/* A store with a full fence behind it. */
inline store_and_fence(word_, value_)
{
    empty(buffer[me]);
    MEM(me, word_) = value_
}

/* What the holder knows to be free, or there. */
#define KNOWN (me == P -> MINUS(other + CAP, mine) : MINUS(other, mine))

/* Side::is_ready */
inline is_ready()
{
    if :: KNOWN < need -> other = MEM(PEER, POSITION) :: else fi
}

/* What was published. */
#define ABOUT_POSITION 0
#define ABOUT_PAUSE 1
#define ABOUT_PRESENCE 2

/* futex::wake, of all who wait: strangers may wait on the same word. */
inline futex_wake()
{
    atomic {
        empty(buffer[me]);
#ifdef FAULT_WAKES_ONE
        if :: waiting[PEER] = 0 :: skip fi
#else
        waiting[PEER] = 0
#endif
    }
}

/* Notifier::notify, with Notifier::answer */
inline notify(published)
{
    do
    :: atomic {
           if
           :: !fences
#ifdef FAULT_NO_FENCE_TO_PUBLISH
           :: fences
#else
           :: fences && empty(buffer[me])
#endif
           fi;
           word = MEM(PEER, PARKING);
           if :: word == answered -> break :: else fi
       };
       if
       :: (word & ASLEEP) && published != ABOUT_PRESENCE ->
           word = MEM(PEER, PARKING);
           atomic {
               goal = (published == ABOUT_PAUSE -> MEM(P, NEEDED) : MEM(PEER, WANTED));
#ifdef FAULT_WAKES_LATE
               goal = (goal + 1) & 7;
#endif
               if
               :: (word & ASLEEP) && !HAS_REACHED(mine, goal) -> goal = 0; break
               :: else -> goal = 0
               fi
           }
       :: else
       fi;
       atomic {
           asleep = (word & ASLEEP) != 0;
           fenced = fences;
           answered = word;
           fences = (word & FENCES) || !registered[me];
           if
           :: !asleep && fences == fenced -> break
           :: else
           fi;
           wakes = (wakes & ~FENCES) | fences;
#ifndef FAULT_NOT_COUNTED
           if :: asleep -> wakes = (wakes + COUNT) & COUNTS :: else fi;
#endif
#ifdef FAULT_COUNTED_LATE
           if :: asleep -> waiting[PEER] = 0 :: else fi
#endif
       };
       /* Each way on from here has a fence before its next load. */
       atomic {
#ifdef FAULT_NO_FENCE_TO_STOP
           if
           :: !asleep && fenced -> store(WAKES, wakes); break
           :: else
           fi;
#endif
#ifdef FAULT_NO_FENCE_TO_START
           if
           :: !asleep && !fenced -> store(WAKES, wakes); break
           :: else
           fi;
#endif
           store_and_fence(WAKES, wakes);
           if
           :: !asleep && fences -> asleep = 0; fenced = 0
           :: !asleep && !fences -> break
           :: asleep
           fi
       };
       if
       :: asleep ->
#ifndef FAULT_COUNTED_LATE
           futex_wake();
#endif
           break
       :: else
       fi
    od;
    atomic { word = 0; asleep = 0; fenced = 0 }
}

inline store_goals()
{
    if
    :: me == C -> store_and_fence(WANTED, (mine + need) & 7)
    :: else ->
        store_and_fence(WANTED, MINUS(mine + (gathers -> Q : need), CAP));
        store_and_fence(NEEDED, MINUS(mine + need, CAP))
    fi
}

/* What an end asked for, in memory: its own goals are there, since it sleeps. */
#define IS_THERE_P HAS_REACHED(MEM(C, POSITION), MEM(P, NEEDED))
#define IS_THERE_C HAS_REACHED(MEM(P, POSITION), MEM(C, WANTED))
#define IS_THERE (me == P && IS_THERE_P || me == C && IS_THERE_C)

/* The last holder of the other role was killed: that wakes nobody. */
#define IS_DESERTED (!alive[PEER] && lives[PEER] == 0 && killed[PEER])

/* Parking::sleep, futex::wait */
inline futex_wait()
{
    atomic {
        empty(buffer[me]);
        if
        :: MEM(PEER, WAKES) == begun ->
            waiting[me] = 1;
            if :: shorts > 0 -> shorts--; early = 1 :: skip fi
        :: else
        fi
    };
    atomic {
        if
        :: !waiting[me]
        :: early
        :: IS_DESERTED
        /* Naps. Those that find nothing are left out. */
        :: !allowed && !(begun & FENCES) && (IS_THERE || MEM(PEER, PRESENCE) != seen)
        fi;
        waiting[me] = 0;
        early = 0
    }
}

/* Endpoint::park */
inline park()
{
#ifdef GATHERS
#ifndef FAULT_NO_PAUSE
    if :: me == C -> notify(ABOUT_PAUSE) :: else fi;
#endif
#endif
    atomic {
#ifdef GATHERS
        if :: me == P -> gathers = 1 :: gathers = 0 fi;
#endif
        store_goals()
    };
#ifndef FAULT_WAKES_LOADED_LATE
    begun = MEM(PEER, WAKES);
#endif
    atomic {
        sleeper = (sleeper + ASLEEP) & COUNTS;
#ifdef FAULT_NO_FENCE_TO_SLEEP
        store(PARKING, sleeper)
#else
        store_and_fence(PARKING, sleeper)
#endif
    };
    /* Parking::fence_to_sleep */
#ifndef FAULT_NO_BARRIER
    (begun & FENCES || !allowed || !registered[PEER] || empty(buffer[PEER]));
#endif
#ifndef FAULT_NO_LAST_CHECK
    atomic { is_ready() };
#endif
    if
    :: KNOWN < need ->
#ifndef FAULT_NO_LAST_CHECK_OF_PRESENCE
        atomic { if :: MEM(PEER, PRESENCE) != seen -> has_changed = 1 :: else fi };
#endif
#ifdef FAULT_WAKES_LOADED_LATE
        begun = MEM(PEER, WAKES);
#endif
        if
        :: has_changed -> has_changed = 0
        :: else -> futex_wait()
        fi
    :: else
    fi;
    atomic { begun = 0; gathers = 0; sleeper = (sleeper + ASLEEP) & COUNTS; store(PARKING, sleeper) }
}

/* The other end said so. */
#define HAS_LEFT (MEM(PEER, PRESENCE) != 0 && !(MEM(PEER, PRESENCE) & 1))

/* Endpoint::wait_until_ready, but for spinning. `ended` is set if the wait ends so. */
inline wait_until_ready()
{
    do
    :: atomic {
#ifdef FAULT_SEEN_LATE
           skip
#else
           seen = MEM(PEER, PRESENCE)
#endif
       };
#ifdef ALONE
       /* Endpoint::may_have_ended, ended; ends.pml has the steps. */
       atomic {
           if
#ifdef FAULT_NEVER_DOUBTFUL
           :: false
#else
           :: slept || HAS_LEFT
#endif
              -> ended = HAS_LEFT || (MEM(PEER, PRESENCE) != 0 && !alive[PEER])
           :: else
           fi
       };
#endif
       atomic {
           is_ready();
           if
           :: KNOWN >= need -> ended = 0; break
           :: KNOWN < need && ended -> break
           :: else
           fi
       };
#ifdef FAULT_SEEN_LATE
       seen = MEM(PEER, PRESENCE);
#endif
       park();
       atomic {
           is_ready();
           if :: KNOWN >= need -> break :: else -> slept = 1 fi
       }
    od;
    atomic { slept = 0; seen = 0 }
}

proctype End(byte me)
{
    /* Endpoint: Cursor, Notifier, Sleeper, and what is known of the other end. */
    byte mine, other, answered, wakes, sleeper, came;
    bit fences, allowed, asks;
    /* Locals of calls. */
    byte word, goal, begun, seen, need;
    bit asleep, fenced, gathers, has_changed, early, slept, ended;

    do
    :: atomic { lives[me] > 0 -> lives[me]--; alive[me] = 1 };
       {
           atomic {
               /* Segment::attach, Membarrier::register */
               registered[me] = 1;
               allowed = 1;
#ifdef MIXED
               if
               :: me == P -> skip
               :: me == C -> if :: allowed = 0; asks = 1 :: skip :: asks = 1 fi
               fi;
#endif
#if defined(MIXED) || defined(REGISTERS)
               if :: me == P -> registered[P] = 0 :: skip fi;
#endif
#ifdef ASKS
               if :: me == C && lives[C] + 1 == LIVES_C -> asks = 1 :: else fi;
#endif
               /* Cursor::new: knows of nothing. */
               mine = MEM(me, POSITION);
               other = (me == P -> MINUS(mine, CAP) : mine);
               /* Notifier::attach */
               fences = !registered[me];
               wakes = (MEM(me, WAKES) & ~FENCES) | fences;
#ifdef FAULT_COUNTED_ANEW
               wakes = fences;
#endif
               /* Sleeper::attach */
               sleeper = (MEM(me, PARKING) + (MEM(me, PARKING) & ASLEEP)) & COUNTS;
               sleeper = (sleeper & ~FENCES) | asks
           };
           atomic {
#ifdef FAULT_NO_FENCE_TO_COME
               store(WAKES, wakes)
#else
               store_and_fence(WAKES, wakes)
#endif
           };
           atomic {
               store(PARKING, sleeper);
               /* presence::store_attached */
               came = MEM(me, PRESENCE) + 1 + (MEM(me, PRESENCE) & 1);
               store(PRESENCE, came)
           };
#ifndef FAULT_COMES_SILENTLY
           notify(ABOUT_PRESENCE);
#endif
           do
#ifdef VISITS
#ifdef ALONE
           :: mine != N && lives[PEER] == 0 && MEM(PEER, PRESENCE) -> break
#else
           :: mine != N && lives[me] > 0 -> break
#endif
#endif
#if RENEWS > 0
           /* Endpoint::set_wait */
           :: atomic {
                  renews > 0 && allowed -> renews--;
                  asks = !asks;
                  sleeper = (sleeper & ~FENCES) | asks;
                  store(PARKING, sleeper)
              }
#endif
           :: mine == N ->
#ifdef ALONE
               break
#else
               goto all
#endif
           :: mine != N ->
               atomic {
                   need = 1;
#ifdef GATHERS
                   if :: me == C && mine + 2 <= N -> need = 2 :: need = 1 fi;
#endif
                   is_ready()
               };
               if
               :: KNOWN >= need ->
                   /* Publish. */
                   atomic {
                       mine = (mine + need) & 7;
                       need = 0;
#if CAP >= N
                       /* Nobody waits for the consumer: the ring is never full. */
                       if :: me == P -> store(POSITION, mine) :: else -> MEM(C, POSITION) = mine fi
#else
                       store(POSITION, mine)
#endif
                   };
#if defined(FAULT_WAKES_NO_PRODUCER) || CAP >= N
                   if :: me == P -> notify(ABOUT_POSITION) :: else fi
#else
                   notify(ABOUT_POSITION)
#endif
               :: else ->
                   wait_until_ready();
                   if :: ended -> break :: else fi
               fi
           od;
           /* leave::leave */
           atomic {
               need = 0;
               ended = 0;
               sleeper = sleeper & ~FENCES;
               store(PARKING, sleeper);
               store(PRESENCE, came + 1)
           };
#ifndef FAULT_LEAVES_SILENTLY
           wakes = (wakes + COUNT) & COUNTS;
           atomic { store_and_fence(WAKES, wakes) };
           futex_wake()
#endif
       } unless { atomic { kill[me] -> kill[me] = 0; killed[me] = 1; waiting[me] = 0 } };
       /* Its lock is free when all that it stored is there. */
       atomic {
           empty(buffer[me]);
           alive[me] = 0;
           registered[me] = 1;
           if :: lives[me] == 0 -> done[me] = 1 :: else fi;
           mine = 0; other = 0; answered = 0; wakes = 0; sleeper = 0; came = 0; fences = 0; allowed = 0; asks = 0;
           word = 0; goal = 0; begun = 0; seen = 0; need = 0; asleep = 0; fenced = 0; gathers = 0; has_changed = 0;
           early = 0; slept = 0; ended = 0
       }
    :: lives[me] == 0 && done[me] -> goto out
    od;
all:
    done[me] = 1;
out:
    skip
}

/* Kills ends whose successors come, or which are missed. */
#ifdef ALONE
#define MAY_DIE(role) (alive[role] && !done[role] && MEM(role, PRESENCE) && MEM(1 - role, PRESENCE))
#else
#define MAY_DIE(role) (alive[role] && !done[role] && lives[role] > 0)
#endif
proctype Killer()
{
    do
    :: atomic { kills > 0 && MAY_DIE(P) -> kills--; kill[P] = 1 }
    :: atomic { kills > 0 && MAY_DIE(C) -> kills--; kill[C] = 1 }
    :: break
    od
}

init
{
    atomic {
        registered[P] = 1;
        registered[C] = 1;
        lives[P] = LIVES_P;
        lives[C] = LIVES_C;
#ifndef SC
        run Buffer(P);
        run Buffer(C);
#endif
        run End(P);
        run End(C);
        if :: KILLS > 0 -> run Killer() :: else fi
    }
}

/* Who sleeps while what it asked for is there, wakes. */
ltl wakes_up {
    [] ((waiting[P] && IS_THERE_P) -> <> !waiting[P]) && [] ((waiting[C] && IS_THERE_C) -> <> !waiting[C])
}
/* Both ends have all, or were told why not. */
ltl goal { <> (done[P] && done[C]) }

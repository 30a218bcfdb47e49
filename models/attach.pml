/*
 * How processes attach to a name that may be absent, in creation, removed, or created again at any step, by processes
 * that may be killed at any step.
 *
 * Stands for:
 *   src/segment/attach.rs  attach run try_name join create begin make enter lock_role check_holder reopen repair
 *   src/segment/inspection.rs    identity is_unfinished
 *   src/segment/reserved.rs reserve
 *   src/segment/object.rs  open create set_mode reopen is_in_creation refers_to
 *   src/segment/removal.rs unlink unlink_if_free lock_both_roles unlink_locked unlink_if unlink_own
 *   src/segment/roles.rs   take give_back
 *   src/segment/mod.rs     unlink_if_asked
 *   src/ring/identity.rs   publish observe
 *
 * Memory: sequentially consistent. All but one of the words are the kernel's: names, locks, lengths. The magic is
 * stored last and before the administration lock is given back, and whoever acts on its absence has taken that lock.
 *
 * An object in creation is marked, by its mode: from the step that gives it the name on, until it has its magic. By
 * that an attach tells what a creator left from what a stranger made, who does not keep to this.
 *
 * Each open, lock, read, change of the mode and removal is a step. A killed process gives its locks back one by one.
 * Who is refused because the role is held tries again. Who made an object and has not locked it yet can lose it to one
 * that repairs: LOSSES times in a run. In the code nothing but the pauses between attempts bounds that, and then
 * RetryLimit.
 *
 * Bounds, by -D: PRODUCERS and CONSUMERS processes that attach once, each of which may create; KILLS deaths; FAILS
 * creations for which there is no memory; LOSSES as said; UNLINKS processes that remove the name, REMOVERS those that
 * do so if nobody holds the ring; STRANGERS objects that are no rings and get the name if it is free. With LEAVES_NAME
 * 0, who leaves removes the name.
 *
 * Planted faults, by -D: what is called FAULT_... below.
 */

#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef FAILS
#define FAILS 0
#endif
#ifndef LOSSES
#define LOSSES 1
#endif
#ifndef UNLINKS
#define UNLINKS 0
#endif
#ifndef REMOVERS
#define REMOVERS 0
#endif
#ifndef STRANGERS
#define STRANGERS 0
#endif
#ifndef LEAVES_NAME
#define LEAVES_NAME 1
#endif
#if LEAVES_NAME
#define REMOVALS (UNLINKS + REMOVERS)
#else
#define REMOVALS (UNLINKS + REMOVERS + PRODUCERS + CONSUMERS)
#endif

#define ATTACHERS (PRODUCERS + CONSUMERS)
#define PROCESSES (ATTACHERS + UNLINKS + REMOVERS)

/* No more objects than these are made: checked. */
#define OBJECTS (1 + KILLS + FAILS + LOSSES + REMOVALS + STRANGERS)

/* The roles. */
#define P 0
#define C 1

/* Nobody, nothing. */
#define NONE 0

byte name;                          /* the object that has the name */
byte made;                          /* objects so far */
bit marked[OBJECTS + 1];            /* as in creation */
bit reserved[OBJECTS + 1];
bit magic[OBJECTS + 1];
byte administration[OBJECTS + 1];   /* who has the lock: a process, from 1 */
byte roles[2 * (OBJECTS + 1)];
#define ROLE roles[2 * file + role]

bit kill[PROCESSES + 1];
byte kills = KILLS;
byte fails = FAILS;
byte losses = LOSSES;

/* What the model knows, and no process. */
bit foreign[OBJECTS + 1];           /* a stranger made it */
bit unlocked[OBJECTS + 1];          /* its creator has not tried to lock it yet */
bit removed[OBJECTS + 1];           /* its name was removed by who may: not by a repair */
byte attached[2 * (OBJECTS + 1)];   /* who is attached to the object */
byte over;                          /* processes that have ended */

/* Tries to take a lock. */
inline take(lock)
{
    if :: lock == NONE -> lock = me; has = 1 :: else -> has = 0 fi
}

/* Gives back what the process has of its object, all at once: the mapping and the descriptors are closed. */
inline give_all_back()
{
    atomic {
        if :: administration[file] == me -> administration[file] = NONE :: else fi;
        if :: ROLE == me -> ROLE = NONE :: else fi
    }
}

/* object::create: nothing of it is there without its mark. */
inline make_object()
{
    made++;
    assert(made <= OBJECTS);
    file = made;
    name = file;
#ifndef FAULT_MARKED_LATE
    marked[file] = 1;
#endif
    unlocked[file] = 1
}

/* object::unlink_locked: the caller has the administration lock. */
inline unlink_locked(repairs)
{
    atomic { has = (name == file) };
#ifdef FAULT_REMOVES_UNCHECKED
    has = 1;
#endif
    atomic {
        if
        :: has && name != NONE ->
            /* Nothing else can have got the name since. */
            assert(name == file);
            /* What a repair removes is no ring, and nobody's. */
            assert(!(repairs) || !magic[file] && !foreign[file]);
            removed[file] = removed[file] || !(repairs);
            name = NONE
        :: else
        fi;
        has = 0
    }
}

/* object::reopen, object::refers_to: `has` says whether the name is that of the object still. */
inline check_name()
{
    atomic { has = (name == file) }
}

/* What must hold when an attach returns. */
inline return_attached()
{
    atomic {
        assert(magic[file] && reserved[file]);
        assert(administration[file] != me);
        assert(ROLE == me);
        /* Whoever else attaches finds the same ring, unless somebody removed its name on purpose. */
        assert(name == file || removed[file]);
        /* A role is taken in a ring that has its name. */
        assert(named);
        named = 0;
        assert(attached[2 * file + role] == NONE);
        attached[2 * file + role] = me;
        ring = 1;
        do
        :: ring <= OBJECTS ->
            assert(ring == file || removed[ring] || removed[file] ||
                   attached[2 * ring] == NONE && attached[2 * ring + 1] == NONE);
            ring++
        :: else -> break
        od;
        ring = 0
    }
}

proctype Attacher(byte me; bit role)
{
    byte file, ring;
    bit has;
    bit named;                          /* the object had the name when the role was taken: a ghost */

    {
        skip;
again:
        /* attach: try_name */
        give_all_back();
        atomic { has = 0; named = 0; file = name };
        if
        :: file == NONE ->
            /* create */
            atomic {
                if
                :: name == NONE -> make_object()
                :: else -> goto again
                fi
            };
            atomic {
                take(administration[file]);
                unlocked[file] = 0;
#ifndef FAULT_CREATES_WITHOUT_LOCK
                if :: !has -> goto again :: else fi
#endif
            };
            /* begin: opens it to its owner alone */
#ifdef FAULT_UNMARKED_AT_BEGIN
            marked[file] = 0;
#else
            marked[file] = 1;
#endif
#ifndef FAULT_NAME_NOT_CHECKED_IN_CREATION
            check_name();
            if :: !has -> goto again :: else fi;
            /* make: lock_role */
            check_name();
            if :: !has -> goto again :: else fi;
#endif
            atomic { take(ROLE); if :: !has -> goto again :: else -> named = (name == file) fi };
#ifndef FAULT_NAME_NOT_CHECKED_IN_CREATION
            check_name();
            if :: !has -> goto again :: else fi;
#endif
            if
            :: atomic { fails > 0 -> fails-- };
               unlink_locked(false);
               give_all_back();
               goto ends
            :: true
            fi;
#ifdef FAULT_UNMARKED_EARLY
            marked[file] = 0;
#else
            /* opens it to others, who can lock nothing any more */
            marked[file] = 1;
#endif
#ifdef FAULT_MAGIC_EARLY
            magic[file] = 1;
            reserved[file] = 1;
#else
            reserved[file] = 1;
            /* identity::publish */
            magic[file] = 1;
#endif
            marked[file] = 0;
            atomic { if :: administration[file] == me -> administration[file] = NONE :: else fi }
        :: else ->
            /* HeaderSnapshot::identity */
            if
            :: magic[file] ->
                /* join: enter, lock_role */
                check_name();
                if :: !has -> goto again :: else fi;
                atomic { take(ROLE); if :: !has -> goto again :: else -> named = (name == file) fi };
#ifndef FAULT_NAME_NOT_CHECKED_BEHIND_ROLE
                check_name();
                if :: !has -> goto again :: else fi
#endif
            :: else ->
                /* repair */
#ifdef FAULT_NO_REPAIR
                goto again;
#endif
#ifndef FAULT_REPAIRS_WITHOUT_LOCK
                atomic {
                    !unlocked[file] || losses > 0;
                    if :: unlocked[file] && administration[file] == NONE -> losses-- :: else fi;
                    take(administration[file]);
                    if :: !has -> goto again :: else fi
                };
#endif
#ifndef FAULT_NO_SECOND_LOOK
                if
                :: magic[file] -> goto again
                :: else
                fi;
#endif
#ifndef FAULT_REPAIRS_UNMARKED
                if
                :: marked[file]
                :: else ->
                    /* It is refused: it must not be what a creator left. */
                    assert(foreign[file]);
                    goto ends
                fi;
#endif
                unlink_locked(true);
                goto again
            fi
        fi;
        return_attached();
        /* It uses the ring, then leaves. */
#if !LEAVES_NAME
        /* unlink_own */
        check_name();
        if
        :: has ->
            atomic { administration[file] == NONE -> administration[file] = me };
            unlink_locked(false);
            administration[file] = NONE
        :: else
        fi;
#endif
        atomic { attached[2 * file + role] = NONE; ROLE = NONE; has = 0; file = NONE }
    } unless { atomic { kill[me] -> kill[me] = 0 } };
ends:
    /* The kernel gives the locks back, one after the other. */
    do
    :: atomic { file != NONE && administration[file] == me -> administration[file] = NONE }
    :: atomic { file != NONE && ROLE == me -> ROLE = NONE; attached[2 * file + role] = NONE }
    :: file == NONE || administration[file] != me && ROLE != me -> break
    od;
    atomic {
        if :: file != NONE -> unlocked[file] = 0 :: else fi;
        file = NONE;
        has = 0;
        named = 0;
        over++
    }
}

/* The call `unlink`. */
proctype Unlinker(byte me)
{
    byte file;
    bit has;

    {
        file = name;
        if
        :: file != NONE ->
#ifndef FAULT_UNLINKS_WITHOUT_LOCK
            atomic { administration[file] == NONE -> administration[file] = me };
#endif
            unlink_locked(false);
            atomic { if :: administration[file] == me -> administration[file] = NONE :: else fi }
        :: else
        fi
    } unless { atomic { kill[me] -> kill[me] = 0 } };
    atomic {
        if :: file != NONE && administration[file] == me -> administration[file] = NONE :: else fi;
        file = NONE;
        has = 0;
        over++
    }
}

/* The call `unlink_if_free`. */
proctype Remover(byte me)
{
    byte file;
    bit has;

    {
        file = name;
        if
        :: file != NONE ->
            atomic { administration[file] == NONE -> administration[file] = me };
            if
            :: magic[file] ->
                /* lock_both_roles */
#ifndef FAULT_REMOVES_HELD
                atomic { take(roles[2 * file + P]); if :: !has -> goto ends :: else fi };
                atomic { take(roles[2 * file + C]); if :: !has -> goto ends :: else fi };
#endif
                atomic {
                    has = (name == file);
                    assert(!has || attached[2 * file] == NONE && attached[2 * file + 1] == NONE)
                }
            :: else ->
#ifndef FAULT_REMOVES_UNMARKED
                if
                :: marked[file]
                :: else -> assert(foreign[file]); goto ends
                fi
#endif
            fi;
            assert(!foreign[file]);
            unlink_locked(false)
        :: else
        fi
    } unless { atomic { kill[me] -> kill[me] = 0 } };
ends:
    do
    :: atomic { file != NONE && administration[file] == me -> administration[file] = NONE }
    :: atomic { file != NONE && roles[2 * file + P] == me -> roles[2 * file + P] = NONE }
    :: atomic { file != NONE && roles[2 * file + C] == me -> roles[2 * file + C] = NONE }
    :: file == NONE || administration[file] != me && roles[2 * file + P] != me && roles[2 * file + C] != me -> break
    od;
    atomic { file = NONE; has = 0; over++ }
}

/* Makes something under the name, if that is free, which is empty or full of zeros. */
proctype Stranger()
{
    atomic {
        if
        :: name == NONE -> made++; assert(made <= OBJECTS); name = made; foreign[made] = 1
        :: true
        fi
    }
}

proctype Killer()
{
    byte who;

    do
    :: kills == 0 || over == PROCESSES -> break
    :: true -> break
    :: atomic { kills > 0 -> select(who : 1 .. PROCESSES); kills--; kill[who] = 1; who = 0 }
    od
}

init
{
    byte at = 1;

    atomic {
        do
        :: at <= PRODUCERS -> run Attacher(at, P); at++
        :: at > PRODUCERS && at <= ATTACHERS -> run Attacher(at, C); at++
        :: at > ATTACHERS && at <= ATTACHERS + UNLINKS -> run Unlinker(at); at++
        :: at > ATTACHERS + UNLINKS && at <= PROCESSES -> run Remover(at); at++
        :: at > PROCESSES -> break
        od;
        at = 0;
        do :: at < STRANGERS -> run Stranger(); at++ :: else -> break od;
        at = 0;
        if :: KILLS > 0 -> run Killer() :: else fi
    }
}

/* Each process attaches, or fails for a reason. */
ltl goal { <> (over == PROCESSES) }

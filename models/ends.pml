/*
 * How the end of a holder is told: once, to whom it concerns, after the data, and as what it was.
 *
 * Stands for:
 *   src/ring/ends.rs      attach concern mark_told
 *   src/ring/presence.rs  store_attached store_detached observe
 *   src/ring/leave.rs     leave
 *   src/ring/endpoint.rs  peer_presence
 *   src/ring/wait.rs      sleep_until_ready settle
 *   src/wait/mod.rs       wait_until_ready ended report
 *   src/handle.rs         enter leave_now abandon
 *   src/segment/mod.rs    enter peer_now ends peer_state
 *   src/segment/roles.rs  state is_held
 *
 * Memory: x86-TSO with one store in a buffer: that of a presence, behind which an end that attaches loads the other
 * one's words. Every other store is seen at once: it is behind that one, and in front of no load that matters here.
 *
 * The data is a count: what was sent and what was read, by all holders. A wait that finds nothing checks again for
 * ever, as slices make it do; parking.pml shows that nobody sleeps for longer.
 *
 * Bounds, by -D: LIVES_P and LIVES_C holders of the two roles, one after the other; SENDS elements in all through a
 * ring of one; KILLS deaths, each between any two steps. A holder that is not killed leaves in order, exits, or
 * abandons its handle, when it was told, or at any time between two calls.
 *
 * Planted faults, by -D: what is called FAULT_... below.
 */

#ifndef LIVES_P
#define LIVES_P 2
#endif
#ifndef LIVES_C
#define LIVES_C 2
#endif
#ifndef SENDS
#define SENDS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif

/* The roles. */
#define P 0
#define C 1
#define PEER (1 - me)

/* Presence */
#define GENERATION(word) (((word) + 1) / 2)
#define CAME(word) ((word) & 1)
#define LEFT(word) ((word) != 0 && !((word) & 1))

byte presence[2];
bit pends[2];       /* the presence of this end is in its processor's buffer */
byte pending[2];
bit locked[2];
byte told;
byte position[2];   /* tail and head */
bit kill[2];
bit over[2];        /* no holder is to come any more */
byte lives[2];
byte kills = KILLS;
byte sends = SENDS;

/* What the model knows, and no process. Indexed by role and generation. */
#define OF(role, generation) ((role) * 4 + (generation))
#define RUNS 0
#define CLOSED 1
#define CRASHED 2
byte fate[8];       /* how a holder ended */
byte sent[4];       /* the tail when the producer ended */
byte heard[8];      /* how many handles were told of the end */
bit attached[2];    /* the holder of the lock has said that it came */
bit settled[4];
bit excused[4];     /* a consumer left in order, or was killed when it was about to return the end of this producer */

proctype Buffer(byte role)
{
end:
    do
    :: atomic {
           pends[role] ->
           presence[role] = pending[role];
           if
           :: LEFT(pending[role]) ->
               fate[OF(role, GENERATION(pending[role]))] = CLOSED;
               if :: role == P -> sent[GENERATION(pending[role])] = position[P] :: else fi
           :: else -> attached[role] = 1
           fi;
           pends[role] = 0;
           pending[role] = 0
       }
    od
}

/* A store of the presence, behind all others. */
inline say(value)
{
    atomic { !pends[me] -> pending[me] = value; pends[me] = 1; said_own = value }
}

/* roles::state: sets `state` */
#define NEVER 3
#define ALIVE 4
inline find_state()
{
    said = presence[PEER];
    do
    :: atomic {
           if
           :: said == 0 -> state = NEVER; break
           :: LEFT(said) -> state = CLOSED; break
           :: CAME(said) && locked[PEER] -> state = ALIVE; break
           :: CAME(said) && !locked[PEER]
           fi
       };
       atomic {
#ifdef FAULT_NO_SECOND_LOOK
           state = CRASHED; break;
#else
           if
           :: presence[PEER] == said -> state = CRASHED; break
           :: else -> said = presence[PEER]
           fi
#endif
       }
    od;
    atomic {
        /* It is the state of the holder whose word was read. */
        assert(state != CRASHED || fate[OF(PEER, GENERATION(said))] == CRASHED);
        said = 0
    }
}

/* Side::is_ready, for one element: a handle that knew of more would not wait. */
#define IS_READY (me == P -> position[C] == mine : position[P] != mine)

/* Ends::told: what a killed consumer noted and did not return is excused. */
inline note(generation)
{
    atomic {
        if
        :: me == C && (generation) > past ->
#ifndef FAULT_TOLD_NOT_STORED
            told = generation;
#endif
            excused[generation] = 1
        :: else
        fi
    }
}

/* A consumer that leaves in order, and has read all of a producer that has ended, was the last to hear of that. */
inline settle()
{
    if
    :: me == C && fate[OF(P, GENERATION(peer))] != RUNS && sent[GENERATION(peer)] <= mine ->
        settled[GENERATION(peer)] = 1
    :: else
    fi
}

/* An error that the user gets. */
inline return_end()
{
    atomic {
        if
        :: GENERATION(peer) != last_heard ->
            last_heard = GENERATION(peer);
            heard[OF(PEER, GENERATION(peer))]++
        :: else
        fi;
        /* Once, as what it was, behind the data, and to nobody who came later than another one who was told. */
        assert(heard[OF(PEER, GENERATION(peer))] <= 1);
        assert(fate[OF(PEER, GENERATION(peer))] == state);
        assert(me == P || mine >= sent[GENERATION(peer)]);
        assert(me == P || !settled[GENERATION(peer)]);
        assert(GENERATION(peer) > ended_before || me == C && GENERATION(peer) == ended_before)
    }
}

proctype End(byte me)
{
    byte mine, past, peer, said, state, said_own;
    /* What the model knows. */
    byte last_heard, ended_before;
    bit has_data, was_alive;

    do
    :: atomic {
           lives[me] > 0 -> lives[me]--;
           locked[me] = 1;
           said_own = presence[me];
           mine = position[me];
           /* The last holder of the other role that had ended by now. */
           ended_before = GENERATION(presence[PEER]);
           if :: ended_before && fate[OF(PEER, ended_before)] == RUNS -> ended_before-- :: else fi
       };
       {
           /* Endpoint::enter: presence::store_attached, Segment::peer_now, is_ready, Ends::attach */
           say(said_own + 1 + (said_own & 1));
#ifdef FAULT_DATA_BEFORE_PEER
           atomic { has_data = (me == C && IS_READY) };
#endif
           peer = presence[PEER];
           find_state();
#ifndef FAULT_DATA_BEFORE_PEER
           atomic { has_data = (me == C && IS_READY) };
#endif
           atomic {
               past = GENERATION(peer);
               if
               :: past > 0 && (state == ALIVE
#ifndef FAULT_TOLD_NOT_LOADED
                   || me == C && (has_data || told < past)
#else
                   || me == C && has_data
#endif
                  ) -> past--
               :: else ->
                   /* It is not told of the last end: somebody was, and has read all. */
                   assert(me == P || past == 0 || fate[OF(P, past)] == RUNS || (heard[past] || excused[past]));
                   assert(me == P || past == 0 || sent[past] <= mine)
               fi;
               was_alive = attached[PEER] && CAME(presence[PEER]);
               assert(!was_alive || GENERATION(presence[PEER]) > past);
               peer = 0; state = 0; has_data = 0; was_alive = 0
           };
           do
           /* Leaves between two calls. */
           :: lives[me] > 0 || me == P && lives[C] == 0 -> break
           :: true ->
               /* A push or a pop, or a wait for it. */
               do
               :: atomic {
                      if
#ifdef LEAVES_WHEN_DONE
                      :: me == P && sends == 0 -> state = NEVER; break
#else
                      :: me == P && sends == 0 && lives[C] == 0 -> state = NEVER; break
#endif
                      :: else
                      fi;
#ifdef FAULT_TOLD_EARLY
                      if :: IS_READY -> state = ALIVE; break :: else fi
#endif
                  };
                  /* Endpoint::ended */
                  peer = presence[PEER];
                  find_state();
#ifndef FAULT_STATE_OF_ANOTHER
                  atomic { if :: presence[PEER] != peer -> state = ALIVE :: else fi };
#endif
                  atomic {
#ifndef FAULT_TOLD_EARLY
                      if :: IS_READY && !(me == P && sends == 0) -> state = ALIVE; break :: else fi;
#endif
                      if
                      :: state == ALIVE || state == NEVER && lives[PEER] > 0 -> skip
                      :: GENERATION(peer) <= past && lives[PEER] > 0 -> skip
                      :: else -> break
                      fi
                  }
               od;
               if
               :: state == ALIVE ->
                   atomic {
                       !pends[me];
                       if
                       :: me == P && sends > 0 -> sends--; mine++; position[P] = mine
                       :: me == C -> mine++; position[C] = mine
                       :: else
                       fi;
                       state = 0; peer = 0
                   }
               :: (state == CLOSED || state == CRASHED) && GENERATION(peer) > past ->
                   /* Endpoint::tell */
                   note(GENERATION(peer));
                   return_end();
                   state = 0;
                   /* The user calls again, or gives up. */
                   if
                   :: lives[PEER] > 0 -> skip
                   :: true -> break
                   fi
               :: else -> break
               fi
           od;
           state = 0;
           if
           :: true ->
               /* leave::leave */
               atomic { peer = presence[PEER]; settle() };
               atomic {
                   if
                   :: me == C && told < GENERATION(peer) ->
#ifndef FAULT_LEAVES_UNTOLD
                       told = GENERATION(peer);
#endif
                       excused[GENERATION(peer)] = 1
                   :: me == C && told >= GENERATION(peer) -> excused[GENERATION(peer)] = 1
                   :: else
                   fi
               };
               say(GENERATION(said_own) * 2)
           :: true ->
               /* Endpoint::abandon */
               skip
           fi
       } unless { atomic { kill[me] -> kill[me] = 0 } };
       /* Its lock is free when all that it stored is there. */
       atomic {
           !pends[me];
           locked[me] = 0;
           attached[me] = 0;
           if
           :: presence[me] && fate[OF(me, GENERATION(presence[me]))] == RUNS ->
               fate[OF(me, GENERATION(presence[me]))] = CRASHED;
               if :: me == P -> sent[GENERATION(presence[P])] = position[P] :: else fi
           :: else
           fi;
           mine = 0; past = 0; peer = 0; said = 0; state = 0; said_own = 0; last_heard = 0; ended_before = 0;
           has_data = 0; was_alive = 0
       }
    :: lives[me] == 0 -> break
    od;
    over[me] = 1
}

proctype Killer()
{
    do
    :: atomic { kills > 0 && locked[P] -> kills--; kill[P] = 1 }
    :: atomic { kills > 0 && locked[C] && lives[C] > 0 -> kills--; kill[C] = 1 }
    :: break
    od
}

init
{
    atomic {
        lives[P] = LIVES_P;
        lives[C] = LIVES_C;
        run Buffer(P);
        run Buffer(C);
        run End(P);
        run End(C);
        run Killer()
    }
}

/* Whoever waits for what cannot come is told. */
ltl goal { <> (over[P] && over[C]) }

//! A role whose lock outlives its holder: a process that the holder forked or spawned keeps it. The other end is told
//! that the holder is gone, and a successor why it waits.

mod common;

use std::ffi::CString;
use std::fs::OpenOptions;
use std::hint::{black_box, spin_loop};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;
use std::{env, fs, process, ptr, thread};

use common::ends::{End, as_end, attach_peer, check_gone, for_each_end, for_each_ring, hold, small, told_in_a_set};
use common::filter::{Watcher, be_watched};
use common::forks::{code, fork, keeps_a_lock, keeps_the_lock_of, wait_for_the_end};
use common::{ADMINISTRATION, Ability, Child, Part, Ring, lock_role, missing, path, refuses, succeed, wait_for};
use ringmain::inspect::Inspection;
use ringmain::{Error, PeerState, WaitError};
use rustix::process::{Pid, Signal, kill_process};

#[test]
#[ignore = "a process that the tests start"]
fn plays_a_part() {
    common::play(&[
        ("forker", as_end!(forker)),
        ("spawner", as_end!(spawner)),
        ("starter", as_end!(starter)),
        ("stepper", as_end!(stepper)),
        ("holder", as_end!(hold)),
    ]);
}

/// Forks as the system does it, without the locks of the C library, which let one thread fork at a time; `None` in the
/// child.
fn fork_at_once() -> Option<Pid> {
    // SAFETY: the child has a copy of the memory, and makes system calls alone.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    assert!(pid >= 0, "{}", std::io::Error::last_os_error());
    Pid::from_raw(pid as i32)
}

/// Forks again and again while another thread attaches, until a child has the lock of the role; says its pid.
fn forker<E: End>(part: &mut Part) {
    const FORKS: usize = 4;
    let options = small(part.options());
    // What a fork has to copy holds up the other thread where it maps the ring, with the descriptor still open, and
    // another fork copies that.
    let memory = vec![1_u8; 32 << 20];
    loop {
        let barrier = Barrier::new(3);
        let (end, children) = thread::scope(|scope| {
            let attach = scope.spawn(|| {
                barrier.wait();
                succeed(|| E::attach(&options))
            });
            let forks = || {
                barrier.wait();
                (0..FORKS).map(|_| fork_at_once().unwrap_or_else(|| wait_for_the_end())).collect::<Vec<Pid>>()
            };
            let second = scope.spawn(forks);
            let mut children = forks();
            children.extend(second.join().unwrap());
            (attach.join().unwrap(), children)
        });
        let (keepers, others): (Vec<Pid>, Vec<Pid>) =
            children.into_iter().partition(|&child| keeps_a_lock(child, E::ROLE));
        for child in others {
            kill_process(child, Signal::KILL).unwrap();
            code(child);
        }
        if !keepers.is_empty() {
            part.say(keepers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            part.hear();
        }
        drop(end);
        black_box(&memory);
    }
}

/// Attaches in a thread of its own, and forks a child right before the call of that thread that it is told by its
/// number. Says the child's pid; that there was none, if the attach makes fewer calls.
fn stepper<E: End>(part: &mut Part) {
    /// The descriptor by which the thread is watched; -1 before it is, -2 if the system has no such filters.
    static LISTENER: AtomicI32 = AtomicI32::new(-1);
    static IS_WATCHED: AtomicBool = AtomicBool::new(false);
    static HAS_COME: AtomicBool = AtomicBool::new(false);
    let (options, step) = (small(part.options()), part.argument::<usize>(1));
    thread::spawn(move || {
        LISTENER.store(be_watched().unwrap_or(-2), Ordering::SeqCst);
        while !IS_WATCHED.load(Ordering::SeqCst) {
            spin_loop();
        }
        let end = E::attach(&options).unwrap();
        HAS_COME.store(true, Ordering::SeqCst);
        thread::park();
        drop(end);
    });
    let listener = wait_for("a filter", || Some(LISTENER.load(Ordering::SeqCst)).filter(|&listener| listener != -1));
    if listener < 0 {
        return part.say("no filter");
    }
    let watcher = Watcher::of(listener);
    IS_WATCHED.store(true, Ordering::SeqCst);
    let (mut child, mut calls) = (None, 0);
    while !HAS_COME.load(Ordering::SeqCst) {
        watcher.before_a_call(|_| {
            calls += 1;
            if calls == step && !HAS_COME.load(Ordering::SeqCst) {
                child = Some(fork_at_once().unwrap_or_else(|| wait_for_the_end()));
            }
        });
    }
    part.say(child.map_or("none".to_owned(), |child| child.to_string()));
    part.hear();
}

/// Returns where the FIFO of a test stands.
fn fifo(name: &str) -> PathBuf {
    env::temp_dir().join(format!("{name}.fifo"))
}

/// Attaches, and starts a program whose standard input is a FIFO that nobody has opened: the child waits for that, in
/// the memory of this process. Does so before or afterwards, as it is told.
fn spawner<E: End>(part: &mut Part) {
    let path = CString::new(fifo(part.name()).as_os_str().as_bytes()).unwrap();
    let attach = || E::attach(&small(part.options())).unwrap();
    let is_first: bool = part.argument(1);
    let end = is_first.then(attach);
    thread::spawn(move || spawn(&path));
    wait_for("a child", || child_of(process::id()));
    let _end = end.unwrap_or_else(attach);
    part.say("attached");
    part.hear();
}

/// Returns a child of a process, if there is one.
fn child_of(parent: u32) -> Option<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).to_owned();
        fields.split_whitespace().nth(1) == Some(&parent.to_string())
    })
    .and_then(Pid::from_raw)
}

fn spawn(input: &CString) {
    let mut actions: libc::posix_spawn_file_actions_t = {
        // SAFETY: a C struct of integers and pointers, which is initialised next.
        unsafe { std::mem::zeroed() }
    };
    // SAFETY: it initialises the actions.
    unsafe { libc::posix_spawn_file_actions_init(&raw mut actions) };
    // SAFETY: the actions are initialised, and the path ends with a zero.
    unsafe { libc::posix_spawn_file_actions_addopen(&raw mut actions, 0, input.as_ptr(), libc::O_RDONLY, 0) };
    let (mut pid, program) = (0, c"/bin/true");
    let arguments = [program.as_ptr().cast_mut(), ptr::null_mut()];
    // SAFETY: path, actions, arguments and environment are as the call expects them, and live through it.
    unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            &raw const actions,
            ptr::null(),
            arguments.as_ptr(),
            [ptr::null_mut()].as_ptr(),
        )
    };
}

/// Forks a child whose first thread starts another one, which attaches, and ends by itself. Says the child's pid.
fn starter<E: End>(part: &mut Part) {
    let options = small(part.options());
    let Some(child) = fork() else {
        thread::spawn(move || {
            let _end = E::attach(&options).unwrap();
            wait_for_the_end()
        });
        // SAFETY: it ends this thread, of which nothing is needed any more.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
        unreachable!()
    };
    part.say(child);
    part.hear();
}

#[test]
fn a_child_that_was_forked_during_an_attach_keeps_the_lock_and_everybody_hears_of_it() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut forker = Child::start("forker", ring.name(), &[&E::PART]);
        let keepers = forker.hear();
        let keepers: Vec<Pid> = keepers.split(' ').map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap()).collect();
        let mut peer = attach_peer::<E::Peer>(&ring);
        assert_eq!(peer.peer_state(), PeerState::Alive);
        assert_eq!(peer.wait_ready(Duration::from_millis(300)), Err(WaitError::TimedOut));
        let holder = forker.pid();
        forker.kill();
        check_gone::<E>(&ring, &mut peer, holder);
        assert!(keepers.iter().all(|&keeper| keeps_a_lock(keeper, E::ROLE)));
        for keeper in keepers {
            kill_process(keeper, Signal::KILL).unwrap();
        }
        drop(succeed(|| E::attach(&small(ring.options()))));
    }
    for_each_ring!(check);
}

/// Forks a child before each system call of an attach, one after the other, and kills its parent: the child keeps the
/// role or does not, and whoever asks hears of it. Returns how often it did, and of how many calls.
#[track_caller]
fn keeps_at_steps<E: End>(is_first: bool) -> Option<(usize, usize)> {
    let (mut kept, mut step, mut has_waited) = (0, 0, false);
    loop {
        step += 1;
        let ring = Ring::new();
        let mut peer = (!is_first).then(|| attach_peer::<E::Peer>(&ring));
        let mut stepper = Child::start("stepper", ring.name(), &[&E::PART, &step]);
        let words = stepper.hear();
        if words == "no filter" {
            missing(Ability::SystemCallFilter, "no thread can watch another's system calls");
            return None;
        }
        let mut peer = peer.take().unwrap_or_else(|| attach_peer::<E::Peer>(&ring));
        assert_eq!(peer.peer_state(), PeerState::Alive);
        let holder = stepper.pid();
        stepper.kill();
        assert_eq!(peer.wait_ready(Duration::from_secs(60)), Err(WaitError::Crashed), "step {step}");
        if words == "none" {
            return Some((kept, step - 1));
        }
        let child = Pid::from_raw(words.parse().unwrap()).unwrap();
        match E::attach(&small(ring.options())) {
            Ok(end) => assert_eq!(end.generation(), 2),
            Err(Error::HolderGone { holder: found, .. }) => {
                assert_eq!(found, holder, "step {step}");
                kept += 1;
            }
            Err(error) => panic!("step {step}: {error:?}"),
        }
        // A creator's child may keep the administration too: whoever wants to remove the name is told.
        let keeps_all = keeps_the_lock_of(child, ADMINISTRATION);
        if keeps_all && !has_waited {
            has_waited = true;
            let refused = ringmain::unlink(ring.name());
            assert!(refused.as_ref().unwrap_err().to_string().contains("forked"), "step {step}: {refused:?}");
            refuses!(refused, Error::NotReady { .. });
        }
        kill_process(child, Signal::KILL).unwrap();
        wait_for("the child to end", || (!keeps_the_lock_of(child, ADMINISTRATION)).then_some(()));
        ringmain::unlink(ring.name()).unwrap_or_else(|error| panic!("step {step}: {error:?}"));
        assert!(is_first || !keeps_all, "step {step}");
    }
}

#[test]
fn a_child_that_was_forked_at_any_step_of_an_attach_keeps_no_role_that_nobody_hears_of() {
    fn check<E: End>(is_first: bool) {
        let Some((kept, calls)) = keeps_at_steps::<E>(is_first) else { return };
        println!("{} first: {is_first}: kept at {kept} of {calls} calls", E::PART);
        assert!(kept > 0 && kept < calls, "{kept} of {calls}");
    }
    for_each_end!(at once: check(is_first) for is_first in [true, false]);
}

/// Has a holder killed, and its role locked by another description, as that of a forked child would be.
#[track_caller]
fn check_kept<E: End>(kill: fn(&mut Child), is_reaped: bool) {
    let ring = Ring::new();
    let mut holder = Child::start("holder", ring.name(), &[&E::PART]);
    holder.says("attached");
    let mut peer = attach_peer::<E::Peer>(&ring);
    kill(&mut holder);
    let object = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
    lock_role(&object, E::ROLE);
    // One system call tells that no process of its number is there, and it takes more to know a zombie.
    let expected = if is_reaped { PeerState::Crashed } else { PeerState::Alive };
    assert_eq!(peer.peer_state(), expected);
    check_gone::<E>(&ring, &mut peer, holder.pid());
    // What was told is told: whoever follows the peer hears of what comes.
    drop(peer);
    let mut peer = attach_peer::<E::Peer>(&ring);
    assert_eq!(peer.wait_ready(Duration::from_millis(300)), Err(WaitError::TimedOut));
    drop(object);
    let end = E::attach(&small(ring.options())).unwrap();
    assert_eq!((end.generation(), peer.peer_generation(), peer.peer_state()), (2, 2, PeerState::Alive));
}

#[test]
fn a_role_that_is_kept_for_a_process_that_is_gone_is_told_to_its_peer_and_its_successor() {
    fn check<E: End>() {
        check_kept::<E>(Child::kill, true);
    }
    for_each_end!(at once: check());
}

#[test]
fn a_holder_that_is_dead_and_not_reaped_is_gone() {
    fn check<E: End>() {
        check_kept::<E>(
            |holder| {
                kill_process(Pid::from_raw(holder.pid() as i32).unwrap(), Signal::KILL).unwrap();
                wait_for("the holder to be a zombie", || holder.all_threads('Z').then_some(()));
            },
            false,
        );
    }
    for_each_end!(at once: check());
}

#[test]
fn whoever_follows_waits_while_the_lock_of_a_process_that_is_gone_is_still_to_be_given_back() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut holder = Child::start("holder", ring.name(), &[&E::PART]);
        holder.says("attached");
        holder.kill();
        let object = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
        lock_role(&object, E::ROLE);
        thread::scope(|scope| {
            let attach = scope.spawn(|| succeed(|| E::attach(&small(ring.options()))));
            thread::sleep(Duration::from_millis(20));
            assert!(!attach.is_finished());
            drop(object);
            assert_eq!(attach.join().unwrap().generation(), 2);
        });
    }
    for_each_ring!(check);
}

#[test]
fn a_role_that_was_left_in_order_and_is_locked_by_who_comes_next_is_waited_for() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut holder = Child::start("holder", ring.name(), &[&E::PART]);
        holder.says("attached");
        let pid = u64::from(holder.pid());
        holder.say("leave");
        holder.join();
        // The process of the notes is gone, and has said that it left: they say nothing of the lock.
        assert_eq!((ring.word(E::PRESENCE), ring.word(E::PRESENCE + 8)), (2, pid));
        let object = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
        lock_role(&object, E::ROLE);
        thread::scope(|scope| {
            let attach = scope.spawn(|| E::attach(&small(ring.options()).wait_for(Duration::from_secs(60))));
            // Longer than the system takes to give back the lock of a process that is gone.
            thread::sleep(Duration::from_millis(400));
            assert!(!attach.is_finished(), "{:?}", attach.join().unwrap().map(drop));
            drop(object);
            assert_eq!(attach.join().unwrap().unwrap().generation(), 2);
        });
    }
    for_each_ring!(check);
}

/// A FIFO that is removed with its test.
struct Fifo(PathBuf);

impl Fifo {
    fn new(ring: &Ring) -> Fifo {
        let path = fifo(ring.name());
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the path ends with a zero.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        Fifo(path)
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_child_that_is_blocked_in_posix_spawn_keeps_the_memory_and_everybody_hears_of_it() {
    fn check<E: End>(is_first: bool) {
        let ring = Ring::new();
        let _fifo = Fifo::new(&ring);
        let mut spawner = Child::start("spawner", ring.name(), &[&E::PART, &is_first]);
        spawner.says("attached");
        let child = child_of(spawner.pid()).unwrap();
        let mut peer = attach_peer::<E::Peer>(&ring);
        let holder = spawner.pid();
        // No lock is given back, so the process itself is what tells of this.
        told_in_a_set(&mut peer, || spawner.kill());
        check_gone::<E>(&ring, &mut peer, holder);
        let maps = fs::read_to_string(format!("/proc/{}/maps", child.as_raw_nonzero())).unwrap();
        assert!(maps.contains(path(ring.name()).to_str().unwrap()), "the child shares no memory with its parent");
        kill_process(child, Signal::KILL).unwrap();
        drop(succeed(|| E::attach(&small(ring.options()))));
    }
    // A child that was there before the attach has the memory all the same.
    for_each_end!(at once: check(is_first) for is_first in [true, false]);
}

#[test]
fn a_holder_whose_first_thread_alone_has_ended_is_alive() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut starter = Child::start("starter", ring.name(), &[&E::PART]);
        let holder = starter.hear();
        wait_for("the holder", || ring.exists().then_some(()));
        let state = || fs::read_to_string(format!("/proc/{holder}/stat")).unwrap();
        wait_for("its first thread to end", || state().contains(") Z ").then_some(()));
        let view = || Inspection::open(ring.name()).ok()?.end(E::ROLE).ok();
        wait_for("its other thread to come", || (view()?.generation == 1).then_some(()));
        let mut peer = attach_peer::<E::Peer>(&ring);
        assert_eq!(peer.wait_ready(Duration::from_millis(300)), Err(WaitError::TimedOut));
        assert_eq!((peer.peer_state(), view().unwrap().state), (PeerState::Alive, PeerState::Alive));
        common::ends::check_held::<E>(&ring, holder.parse().unwrap());
        kill_process(Pid::from_raw(holder.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
        drop(succeed(|| E::attach(&small(ring.options()))));
    }
    for_each_ring!(check);
}

#[test]
fn notes_of_another_process_under_the_same_number_are_those_of_one_that_is_gone() {
    fn check<E: End>() {
        let ring = Ring::new();
        let mut holder = Child::start("holder", ring.name(), &[&E::PART]);
        holder.says("attached");
        let mut peer = attach_peer::<E::Peer>(&ring);
        let (at, pid) = (E::PRESENCE + 16, holder.pid());
        let started = ring.word(at);
        ring.set_word(at, started + 1);
        check_gone::<E>(&ring, &mut peer, pid);
        // What nobody can know from here counts as alive.
        for (at, value) in [(E::PRESENCE + 24, 1), (E::PRESENCE + 16, 0), (E::PRESENCE + 8, 0)] {
            let before = ring.word(at);
            ring.set_word(at, value);
            let peer = Inspection::open(ring.name()).unwrap().end(E::ROLE).unwrap();
            assert_eq!(peer.state, PeerState::Alive, "{at:#x}");
            refuses!(E::attach(&small(ring.options())).map(drop), Error::Busy { holder: None, .. });
            ring.set_word(at, before);
        }
    }
    for_each_ring!(check);
}

//! The Rust peer of the conformance kit: the protocol of README.md over the public API of ringmain, and one hidden call
//! of it, which wakes in vain.
//!
//! `--planted NAME` gives it a fault that the kit has to find; `--planted list` names them.

mod handles;
mod planted;

use std::alloc::Layout;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use conformance::memory::{Memory, slot, word};
use conformance::protocol::{Answer, Kind, Length, Refusal, VERSION, bytes, hex, line};
use conformance::ring::Role;
use ringmain::inspect::Inspection;
use ringmain::{Error, Options, PeerState, Wait};
use rustix::process::{Signal, getpid, kill_process};

use handles::{Handle, Receives, Refused, Sends, attach_refused, wait_refused};
use planted::{FAULTS, Fault, quietly};

/// What the library does not count.
const LACKS: &str = "stats";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let fault = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => None,
        ["--planted", "list"] => {
            FAULTS.iter().for_each(|(name, _, does)| println!("{name:<12} {does}"));
            return ExitCode::SUCCESS;
        }
        ["--planted", name] if FAULTS.iter().any(|(known, ..)| *known == name) => {
            FAULTS.iter().find(|(known, ..)| *known == name).map(|(_, fault, _)| *fault)
        }
        _ => {
            eprintln!("usage: rust-peer [--planted NAME|list], with commands on its standard input");
            return ExitCode::from(2);
        }
    };
    let mut peer = Peer { end: None, strategy: Wait::default(), fault };
    for command in io::stdin().lock().lines() {
        let Ok(command) = command else { break };
        let said = line(&peer.answer(&command));
        let mut output = io::stdout().lock();
        if writeln!(output, "{said}").and_then(|()| output.flush()).is_err() {
            break;
        }
    }
    if let (Some(Fault::Unsaid), Some(end)) = (fault, peer.end.take()) {
        end.handle.into_handle().abandon();
    }
    ExitCode::SUCCESS
}

/// Ends this process as whoever kills it would.
pub(crate) fn die() -> ! {
    _ = kill_process(getpid(), Signal::KILL);
    loop {
        thread::park();
    }
}

/// A handle of either role.
enum Either {
    Sends(Box<dyn Sends>),
    Receives(Box<dyn Receives>),
}

impl Either {
    fn handle(&mut self) -> &mut dyn Handle {
        match self {
            Either::Sends(handle) => &mut **handle,
            Either::Receives(handle) => &mut **handle,
        }
    }

    fn into_handle(self) -> Box<dyn Handle> {
        match self {
            Either::Sends(handle) => handle,
            Either::Receives(handle) => handle,
        }
    }
}

/// A role that this process holds.
struct End {
    handle: Either,
    name: String,
    memory: Memory,
    /// What was told when it came.
    told: u64,
}

struct Peer {
    end: Option<End>,
    strategy: Wait,
    fault: Option<Fault>,
}

fn usage(text: impl ToString) -> Refusal {
    Refusal::new(Kind::Usage, text)
}

fn number<T: std::str::FromStr>(word: &str) -> Refused<T> {
    word.parse().map_err(|_| usage(format!("{word:?} is no number that can be here")))
}

fn limit(word: &str) -> Refused<Duration> {
    Ok(Duration::from_millis(number(word)?))
}

fn other(error: impl ToString) -> Refusal {
    Refusal::new(Kind::Other, error)
}

fn not_here(text: &str) -> Refusal {
    Refusal::new(Kind::NotHere, text)
}

impl Peer {
    fn answer(&mut self, command: &str) -> Answer {
        let words: Vec<&str> = command.split(' ').collect();
        let nothing = |()| String::new();
        match *words.as_slice() {
            ["hello"] => Ok(format!("ringmain-conformance {VERSION} rust full {LACKS}")),
            ["attach", role, kind, name, capacity, align, size, wait] => {
                self.attach(role, kind, name, [capacity, align, size, wait, "0"])
            }
            ["attach", role, kind, name, capacity, align, size, wait, start] => {
                self.attach(role, kind, name, [capacity, align, size, wait, start])
            }
            ["push", item] => {
                let item = bytes(item).map_err(usage)?;
                self.push(&item)?;
                self.own_position()
            }
            ["pushw", word, item] => {
                let (word, item) = (number(word)?, bytes(item).map_err(usage)?);
                self.sends()?.push_tagged(word, &item)?;
                self.own_position()
            }
            ["pushn", count, first, length] => {
                self.pushn(number(count)?, number(first)?, &length.parse().map_err(usage)?)
            }
            ["batch", count, first, length] => {
                self.batch(number(count)?, number(first)?, &length.parse().map_err(usage)?)
            }
            ["abort", item] => self.sends()?.begin(&bytes(item).map_err(usage)?, false).map(nothing),
            ["pop"] => {
                let mut item = Vec::new();
                self.pop(&mut item)?;
                Ok(hex(&item))
            }
            ["popw"] => {
                let mut item = Vec::new();
                let word = self.receives()?.pop_tagged(&mut item)?;
                Ok(format!("{word} {}", hex(&item)))
            }
            ["popn", count, first, length] => {
                self.popn(number(count)?, number(first)?, &length.parse().map_err(usage)?)
            }
            ["flow", way @ ("push" | "pop"), count, first, length, time] => {
                let length = length.parse().map_err(usage)?;
                self.flow(way == "push", number(count)?, number(first)?, length, limit(time)?)
            }
            ["park", time] => self.park(1, 8, limit(time)?),
            ["park", time, len] => self.park(1, number(len)?, limit(time)?),
            ["parkn", count, time] => self.park(number(count)?, 8, limit(time)?),
            ["wait", way] => self.wait(way),
            ["position"] => {
                let positions = Inspection::open(&self.end()?.name).map_err(other)?.positions();
                let positions = positions.map_err(|error| Refusal::new(Kind::Corrupted, error))?;
                Ok(format!("{} {}", positions.head, positions.tail))
            }
            ["peer"] => Ok(match self.end()?.handle.handle().peer_state() {
                PeerState::Never => "never",
                PeerState::Alive => "alive",
                PeerState::Closed => "closed",
                PeerState::Crashed => "crashed",
            }
            .to_owned()),
            ["close"] => self.close(),
            ["abandon"] => {
                let handle = self.end.take().ok_or_else(|| not_here("no handle is attached"))?.handle.into_handle();
                match self.fault {
                    Some(Fault::Silent) => _ = handle.close(),
                    _ => handle.abandon(),
                }
                Ok(String::new())
            }
            ["die"] => die(),
            ["half", step, item] => self.half(step, &bytes(item).map_err(usage)?),
            ["unlink", name] => ringmain::unlink(name).map(|_| String::new()).map_err(|error| attach_refused(&error)),
            ["wake"] => self.end()?.handle.handle().wake().map(nothing),
            ["stats"] => Err(not_here("the library does not count sleeps that ran to their end")),
            _ => Err(usage(format!("{command:?} is no command, or has other words behind it"))),
        }
    }

    fn end(&mut self) -> Refused<&mut End> {
        self.end.as_mut().ok_or_else(|| not_here("no handle is attached"))
    }

    fn sends(&mut self) -> Refused<&mut dyn Sends> {
        match &mut self.end()?.handle {
            Either::Sends(handle) => Ok(&mut **handle),
            Either::Receives(_) => Err(not_here("this is a consumer")),
        }
    }

    fn receives(&mut self) -> Refused<&mut dyn Receives> {
        match &mut self.end()?.handle {
            Either::Receives(handle) => Ok(&mut **handle),
            Either::Sends(_) => Err(not_here("this is a producer")),
        }
    }

    fn own_position(&mut self) -> Answer {
        Ok(self.end()?.handle.handle().position().to_string())
    }

    fn attach(&mut self, role: &str, kind: &str, name: &str, numbers: [&str; 5]) -> Answer {
        if self.end.is_some() {
            return Err(not_here("a handle is attached already"));
        }
        let [capacity, align, size, wait, start] = numbers.map(number::<u64>);
        let (capacity, align, size, wait) = (capacity? as usize, align? as usize, size? as usize, wait?);
        let role = *Role::BOTH.iter().find(|known| known.name() == role).ok_or_else(|| usage("no such role"))?;
        let is_stream = match kind {
            "stream" => true,
            "message" if size == 0 => false,
            _ => return Err(usage("expected a stream, or messages of size 0")),
        };
        let wait = Duration::from_millis(wait);
        let mut options = Options::new(name).start_at(start?).wait(self.strategy);
        if capacity > 0 {
            options = options.capacity(capacity);
            if !capacity.is_power_of_two() || !is_stream && capacity < rustix::param::page_size() {
                return Err(usage(format!("no ring has a capacity of {capacity}")));
            }
        } else {
            options = options.wait_for(wait);
        }
        if !is_stream {
            options = options.record_alignment(if self.fault == Some(Fault::Stretched) { 8 } else { align });
        }
        if self.fault == Some(Fault::Tag) {
            options = options.type_tag("planted");
        }
        if let (Some(fault), Ok(memory)) = (self.fault, Memory::open(name)) {
            _ = fault.before_attach(role, &memory);
        }
        let element =
            if is_stream { Layout::from_size_align(size, align).map_err(usage)? } else { Layout::new::<u8>() };
        let start = Instant::now();
        let mut handle = loop {
            match attach(&options, role, is_stream, element) {
                Ok(handle) => break handle,
                // The library does not wait for a role that is held.
                Err(Error::Busy { .. } | Error::HolderGone { .. }) if start.elapsed() < wait => {
                    thread::sleep(Duration::from_micros(200));
                }
                Err(error) => return Err(attach_refused(&error)),
            }
        };
        let said = format!("{} {}", handle.handle().position(), handle.handle().generation());
        let memory = Memory::open(name).map_err(other)?;
        let told = memory.word(word::CONSUMER + slot::TOLD).map_err(other)?;
        self.end = Some(End { handle, name: name.to_owned(), memory, told });
        Ok(said)
    }

    fn close(&mut self) -> Answer {
        let End { handle, memory, told, .. } = self.end.take().ok_or_else(|| not_here("no handle is attached"))?;
        let handle = handle.into_handle();
        if self.fault == Some(Fault::Unsaid) {
            handle.abandon();
            return Ok(String::new());
        }
        handle.close().map_err(other)?;
        if self.fault == Some(Fault::ToldTwice) {
            _ = memory.set_word(word::CONSUMER + slot::TOLD, told);
        }
        Ok(String::new())
    }

    /// Pushes one item without a wait.
    fn push(&mut self, item: &[u8]) -> Refused {
        let fault = self.fault;
        let End { handle, memory, .. } = self.end()?;
        let Either::Sends(sender) = handle else { return Err(not_here("this is a consumer")) };
        match fault {
            None => sender.push(item),
            Some(fault) => {
                let pushed = fault.push(&mut **sender, memory, item);
                let pushed = pushed.map_err(|refusal| if_trusting(fault, refusal, Kind::Full))?;
                pushed.map_err(other)
            }
        }
    }

    /// Pops one item without a wait.
    fn pop(&mut self, item: &mut Vec<u8>) -> Refused {
        let fault = self.fault;
        let End { handle, memory, .. } = self.end()?;
        let Either::Receives(receiver) = handle else { return Err(not_here("this is a producer")) };
        match fault {
            Some(Fault::NoWake) => {
                let position = receiver.position();
                quietly(memory, Role::Producer, position, || receiver.pop(item))?.map_err(other)
            }
            Some(fault) => receiver.pop(item).map_err(|refusal| if_trusting(fault, refusal, Kind::Empty)),
            None => receiver.pop(item),
        }
    }

    fn pushn(&mut self, count: u64, first: u64, length: &Length) -> Answer {
        let mut pushed = 0;
        while pushed < count {
            match self.push(&length.item(first + pushed)) {
                Ok(()) => pushed += 1,
                Err(Refusal { kind: Kind::Full, .. }) => break,
                Err(refusal) => return Err(refusal),
            }
        }
        let padding = u64::from(self.fault == Some(Fault::Padded) && pushed < count);
        Ok((pushed + padding).to_string())
    }

    fn batch(&mut self, count: u64, first: u64, length: &Length) -> Answer {
        if count > 1 << 20 {
            return Err(usage("a batch of more items than there is memory for"));
        }
        let items: Vec<Vec<u8>> = (0..count).map(|at| length.item(first + at)).collect();
        match self.fault {
            Some(Fault::Piecemeal) => items.iter().try_for_each(|item| self.push(item))?,
            _ => self.sends()?.push_together(&items)?,
        }
        self.own_position()
    }

    /// Looks at items in place, and gives each back.
    fn popn(&mut self, count: u64, first: u64, length: &Length) -> Answer {
        let mut item = Vec::new();
        for popped in 0..count {
            let fault = self.fault;
            let looked = self.receives()?.peek(&mut item, false);
            match looked
                .map_err(|refusal| fault.map_or(refusal.clone(), |fault| if_trusting(fault, refusal, Kind::Empty)))
            {
                Ok(()) => compare(&item, first + popped, *length, popped)?,
                Err(Refusal { kind: Kind::Empty, .. }) => return Ok(popped.to_string()),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(count.to_string())
    }

    fn flow(&mut self, pushes: bool, count: u64, first: u64, length: Length, time: Duration) -> Answer {
        let (start, mut item) = (Instant::now(), Vec::new());
        let mut done = 0;
        while done < count {
            let number = first + done;
            let left = || time.saturating_sub(start.elapsed());
            let tried = if pushes { self.push(&length.item(number)) } else { self.pop(&mut item) };
            let waited = match tried {
                Ok(()) => {
                    if !pushes {
                        compare(&item, number, length, done)?;
                    }
                    done += 1;
                    Ok(())
                }
                Err(Refusal { kind: Kind::Full, .. }) => self.sends()?.wait(1, length.of(number), left()),
                Err(Refusal { kind: Kind::Empty, .. }) => self.receives()?.wait(1, left()),
                Err(refusal) => return Err(refusal),
            };
            waited.map_err(|error| wait_refused(error, Some(done)))?;
        }
        Ok(done.to_string())
    }

    fn park(&mut self, count: usize, len: usize, time: Duration) -> Answer {
        let fault = self.fault;
        let waited = match &mut self.end()?.handle {
            Either::Sends(handle) => handle.wait(count, len, time),
            Either::Receives(handle) => handle.wait(count, time),
        };
        let number = (count != 1).then_some(0);
        match waited.map_err(|error| wait_refused(error, number)) {
            Err(Refusal { kind: Kind::Timeout, .. }) if fault == Some(Fault::VainWake) => Ok(String::new()),
            Err(refusal) => Err(refusal),
            Ok(()) => Ok(String::new()),
        }
    }

    fn wait(&mut self, way: &str) -> Answer {
        self.strategy = match way {
            "park" => Wait::Park,
            "spin" => Wait::Spin,
            "auto" => Wait::SpinThenPark,
            _ => return Err(usage("expected park, spin or auto")),
        };
        if let Some(end) = &mut self.end {
            end.handle.handle().set_wait(self.strategy);
        }
        Ok(String::new())
    }

    /// Does a part of a push or a pop, and dies.
    fn half(&mut self, step: &str, item: &[u8]) -> Answer {
        match step {
            "payload" | "slots" => self.sends()?.begin(item, true)?,
            "read" => self.receives()?.peek(&mut Vec::new(), true)?,
            // Nobody who sleeps would be woken; nobody sleeps.
            "tail" => self.sends()?.push(item)?,
            "header" => {
                // The library has stored the tail, too: that is taken back, while nobody looks.
                let tail = self.sends()?.position();
                self.sends()?.push(item)?;
                self.end()?.memory.set_word(word::TAIL, tail).map_err(other)?;
            }
            _ => return Err(not_here("no such step")),
        }
        die();
    }
}

fn attach(options: &Options, role: Role, is_stream: bool, element: Layout) -> Result<Either, Error> {
    let by_value = element == Layout::new::<u64>();
    Ok(match role {
        Role::Producer if !is_stream => Either::Sends(Box::new(options.message_producer()?)),
        Role::Consumer if !is_stream => Either::Receives(Box::new(options.message_consumer()?)),
        Role::Producer if by_value => Either::Sends(Box::new(options.stream_producer::<u64>()?)),
        Role::Consumer if by_value => Either::Receives(Box::new(options.stream_consumer::<u64>()?)),
        Role::Producer => Either::Sends(Box::new(options.sized_stream_producer(element)?)),
        Role::Consumer => Either::Receives(Box::new(options.sized_stream_consumer(element)?)),
    })
}

/// Compares an item with what it must be.
fn compare(item: &[u8], number: u64, length: Length, done: u64) -> Refused {
    let expected = length.item(number);
    match item == expected {
        true => Ok(()),
        false => Err(other(format!("{done} were right, then came {}, expected {}", hex(item), hex(&expected)))),
    }
}

/// The fault of a peer that believes what it loads.
fn if_trusting(fault: Fault, refusal: Refusal, kind: Kind) -> Refusal {
    if fault == Fault::Trusting && refusal.kind == Kind::Corrupted { Refusal::new(kind, "") } else { refusal }
}

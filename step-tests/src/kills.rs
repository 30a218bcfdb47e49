//! The kills: which places of a call they come at, and how many there were.

use std::env;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::mem::swap;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use crate::judge::{Death, judge};
use crate::object::Object;
use crate::operation::Operation;
use crate::processor::Next;
use crate::rings::Ring;
use crate::tracer::{Point, Traced};
use crate::world::World;

/// After so many kills, the survivor waits for the news asleep.
const ASLEEP: usize = 64;

/// How many places a long call is killed at where nothing changes.
const SAMPLES: usize = 40;

/// Has long calls killed at each instruction too: a hundred thousand processes.
const ALL: &str = "RINGMAIN_EVERY_INSTRUCTION";

/// The bytes of a segment, as they were when they were last looked at.
#[derive(Default)]
struct Segment {
    file: Option<File>,
    bytes: Vec<u8>,
    now: Vec<u8>,
}

impl Segment {
    fn of(object: &Object) -> Segment {
        let mut segment = Segment { file: object.open(), ..Segment::default() };
        segment.has_changed();
        segment
    }

    /// Looks at the bytes once more.
    fn has_changed(&mut self) -> bool {
        let Some(file) = &mut self.file else { return false };
        self.now.clear();
        file.rewind().and_then(|()| file.read_to_end(&mut self.now)).expect("an object can be read");
        swap(&mut self.now, &mut self.bytes);
        self.now != self.bytes
    }
}

/// What was killed how often.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// The places, each between two instructions, at which a kill was judged, by itself or by one that leaves the same
    /// behind.
    pub points: usize,
    /// The processes that were killed.
    pub kills: usize,
    /// How long it took.
    pub time: Duration,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.points += other.points;
        self.kills += other.kills;
        self.time += other.time;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { points, kills, time } = self;
        write!(formatter, "{points} kill points, {kills} true kills, {:.2} s", time.as_secs_f64())
    }
}

/// What a kill has shown.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where the process stood.
    pub point: Point,
    /// What was wrong with what it left behind.
    pub what: String,
}

/// A way to kill a process in a call.
pub type Kill = fn(Victim, &Operation) -> Result<Count, Fault>;

/// The process that is killed.
#[derive(Clone, Copy, Debug)]
pub struct Victim {
    /// Its program.
    pub program: &'static str,
    /// The bug that it has; "-" for none.
    pub bug: &'static str,
}

/// A place in the course of a call.
struct Place {
    point: Point,
    /// Whether the instruction in front of it changed anything that outlives the process.
    changed: bool,
}

impl Victim {
    /// Kills a process at each of these calls, and returns how often.
    ///
    /// # Panics
    ///
    /// If a ring was not what it must be.
    pub fn survives<R: Ring>(self, operations: &[Operation], kill: Kill) -> Count {
        let mut together = Count::default();
        for operation in operations {
            match kill(self, operation) {
                Ok(count) => {
                    println!("{} {}: {count}", R::KIND, operation.name);
                    together += count;
                }
                Err(fault) => panic!("{} {}, killed at {:?}: {}", R::KIND, operation.name, fault.point, fault.what),
            }
        }
        println!("together: {together}");
        together
    }

    /// Kills a process at each instruction of a call, in turn, and judges each time what it leaves behind.
    ///
    /// # Errors
    ///
    /// The first fault that was found.
    pub fn at_every_instruction<R: Ring>(self, operation: &Operation) -> Result<Count, Fault> {
        let start = Instant::now();
        for steps in 0.. {
            let finished = self.kill_at::<R>(operation, Point { calls: 0, steps }, steps % ASLEEP == 0)?;
            if finished {
                return Ok(Count { points: steps + 1, kills: steps + 1, time: start.elapsed() });
            }
        }
        unreachable!("a call ends")
    }

    /// Leads a process through the whole of a call and notes at which instructions anything changes that outlives it:
    /// the bytes of the segment, or by a call of the system the rest. Then kills a process behind each of those,
    /// one in front of each store to the segment, and some forty more, spread over all others.
    ///
    /// Two places with no such instruction in between leave the same behind, so all places are judged by these.
    ///
    /// # Errors
    ///
    /// The first fault that was found.
    pub fn at_every_change<R: Ring>(self, operation: &Operation) -> Result<Count, Fault> {
        let start = Instant::now();
        let course = self.course::<R>(operation)?;
        let every = if env::var_os(ALL).is_some() { 1 } else { course.len().div_ceil(SAMPLES) };
        let last = course.len() - 1;
        let is_wanted = |at: usize| {
            // In front of a call of the system all is as behind the last change.
            let is_before_a_store = course.get(at + 1).is_some_and(|next| next.changed && next.point.steps > 0);
            course[at].changed || is_before_a_store || at % every == 0 || at == last
        };
        let wanted: Vec<Point> = (0..course.len()).filter(|&at| is_wanted(at)).map(|at| course[at].point).collect();
        for (at, &point) in wanted.iter().enumerate() {
            self.kill_at::<R>(operation, point, at % ASLEEP == 0)?;
        }
        Ok(Count { points: course.len(), kills: wanted.len(), time: start.elapsed() })
    }

    /// Leads a process through the whole of a call.
    fn course<R: Ring>(self, operation: &Operation) -> Result<Vec<Place>, Fault> {
        let world = self.world::<R>(operation)?;
        let mut traced = self.start(operation, &world);
        let mut segment = Segment::of(&world.object);
        let mut course = vec![Place { point: traced.point(), changed: false }];
        while traced.next() != Next::Mark {
            let calls = traced.next() == Next::Call;
            traced.step();
            if calls {
                // Only a call of the system can make it, or another one in its place.
                segment = Segment::of(&world.object);
            }
            course.push(Place { point: traced.point(), changed: calls || segment.has_changed() });
        }
        Ok(course)
    }

    /// Kills a process at one place, and returns whether its call had ended there.
    fn kill_at<R: Ring>(self, operation: &Operation, point: Point, asleep: bool) -> Result<bool, Fault> {
        let world = self.world::<R>(operation)?;
        let mut traced = self.start(operation, &world);
        let finished = !traced.run_to(point);
        let (point, private) = (traced.point(), traced.private_memory());
        traced.kill();
        match judge(world, operation, &Death { begun: point != Point::default(), finished, private, asleep }) {
            Ok(()) => Ok(finished),
            Err(what) => Err(Fault { point, what }),
        }
    }

    fn world<R: Ring>(self, operation: &Operation) -> Result<World<R>, Fault> {
        World::new(operation).map_err(|what| Fault { point: Point::default(), what })
    }

    fn start<R: Ring>(self, operation: &Operation, world: &World<R>) -> Traced {
        let call = format!("{} {}", R::KIND, operation.name);
        let arguments = [&*call, world.object.name(), &*world.next.to_string(), self.bug];
        Traced::start(self.program, &arguments).expect("processes may trace each other")
    }
}

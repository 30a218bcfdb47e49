//! What a run does, drawn from a seed: the same seed gives the same sites, steps and choices, though not the same
//! timing.

use std::time::Duration;

use fastrand::Rng;

use crate::ends::plan::{Kind, Waiting};
use crate::network::{Machine, Way};
use crate::wire::Badness;

/// What can be killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Producer,
    Sender,
    Router,
    Receiver,
    Consumer,
}

impl Part {
    pub(crate) const ALL: [Part; 5] = [Part::Router, Part::Receiver, Part::Sender, Part::Producer, Part::Consumer];

    fn draw(rng: &mut Rng, way: Way) -> Part {
        let parts = if matches!(way, Way::Routed) { &Part::ALL[..] } else { &Part::ALL[1..] };
        parts[rng.usize(..parts.len())]
    }
}

/// One thing that is done to a site. All parts are there at the beginning of each, and at its end.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Kill these, one after the other with this pause between; after another one their successors come.
    Kill { parts: Vec<Part>, after: Duration, pause: Duration },
    /// Cut a machine off for so long. Meanwhile one may be killed, and succeeded.
    Cut { machine: Machine, length: Duration, killed: Option<Part> },
    /// Stop one for a while.
    Stop { part: Part, after: Duration, pause: Duration },
    /// Wait until what ring A holds now has been read from ring B.
    Progress,
}

/// A pair of rings between two machines, and what is done to them.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) kind: Kind,
    pub(crate) way: Way,
    /// In elements, or in bytes.
    pub(crate) capacity: usize,
    pub(crate) alignment: usize,
    /// The longest message, in bytes; no more than the ring takes.
    pub(crate) longest: usize,
    /// Where the positions of both rings begin.
    pub(crate) first: u64,
    pub(crate) window: u32,
    pub(crate) salt: u64,
    pub(crate) waiting: Waiting,
    /// What the holders of the roles are drawn from.
    pub(crate) seed: u64,
    pub(crate) steps: Vec<Step>,
}

const STREAM_CAPACITIES: [usize; 5] = [1, 8, 64, 1024, 16_384];
const MESSAGE_CAPACITIES: [usize; 4] = [4096, 16_384, 65_536, 1 << 20];
const LONGEST: [usize; 4] = [24, 200, 1000, usize::MAX];

impl Life {
    pub(crate) fn draw(rng: &mut Rng, kind: Kind, longest_cut: Duration) -> Life {
        let capacity = match kind {
            Kind::Stream => STREAM_CAPACITIES[rng.usize(..STREAM_CAPACITIES.len())],
            Kind::Message => MESSAGE_CAPACITIES[rng.usize(..MESSAGE_CAPACITIES.len())],
        };
        let alignment = 8 << rng.u32(..4);
        let bad = Way::Bad(Badness::draw(rng), rng.u64(..));
        let way = [Way::ToReceiver, Way::ToSender, Way::Routed, bad][rng.usize(..4)];
        Life {
            kind,
            way,
            capacity,
            alignment,
            longest: LONGEST[rng.usize(..LONGEST.len())],
            // Every other one begins before the end of u64, which its positions pass.
            first: if rng.bool() { 0 } else { (rng.u64(..3000) * alignment as u64).wrapping_neg() },
            window: [1, 2, 8, 64][rng.usize(..4)],
            salt: rng.u64(..),
            waiting: if rng.bool() { Waiting::SpinThenPark } else { Waiting::Park },
            seed: rng.u64(..),
            steps: (0..rng.usize(10..40)).map(|_| Step::draw(rng, way, longest_cut)).collect(),
        }
    }
}

impl Step {
    fn draw(rng: &mut Rng, way: Way, longest_cut: Duration) -> Step {
        let after = milliseconds(rng, 500);
        match rng.u8(..32) {
            0..3 => Step::Cut {
                machine: [Machine::A, Machine::B][rng.usize(..2)],
                // Short ones more often: the square of an even draw.
                length: Duration::from_secs(1)
                    + longest_cut.saturating_sub(Duration::from_secs(1)).mul_f64({
                        let drawn = rng.f64();
                        drawn * drawn
                    }),
                killed: rng.bool().then(|| Part::draw(rng, way)),
            },
            3..5 => Step::Stop { part: Part::draw(rng, way), after, pause: milliseconds(rng, 1000) },
            5..8 => Step::Progress,
            drawn => Step::Kill {
                parts: (0..if drawn < 14 { 2 } else { 1 }).map(|_| Part::draw(rng, way)).collect(),
                after,
                pause: milliseconds(rng, 200),
            },
        }
    }
}

/// Draws a duration: as often within a tenth of the longest, or a hundredth, as beyond.
fn milliseconds(rng: &mut Rng, longest: u64) -> Duration {
    let scale = [1, 10, 100][rng.usize(..3)];
    Duration::from_micros(rng.u64(..=1000 * longest / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST_CUT: Duration = Duration::from_secs(10);

    fn lives(seed: u64) -> Vec<Life> {
        let mut rng = Rng::with_seed(seed);
        (0..100).map(|_| Life::draw(&mut rng, Kind::Message, LONGEST_CUT)).collect()
    }

    #[test]
    fn a_seed_gives_the_same_plan_again() {
        assert_eq!(format!("{:?}", lives(7)), format!("{:?}", lives(7)));
        assert_ne!(format!("{:?}", lives(7)), format!("{:?}", lives(8)));
    }

    #[test]
    fn a_plan_kills_each_part_and_cuts_for_one_to_ten_seconds() {
        let (mut killed, mut cuts) = (Vec::new(), Vec::new());
        for step in lives(1).into_iter().flat_map(|life| life.steps) {
            match step {
                Step::Kill { parts, .. } => killed.extend(parts),
                Step::Cut { length, .. } => cuts.push(length),
                Step::Stop { .. } | Step::Progress => {}
            }
        }
        assert!(Part::ALL.iter().all(|part| killed.contains(part)), "one is never killed");
        let seconds = |length: &Duration| length.as_secs_f64();
        assert!(cuts.iter().all(|length| (1.0..=10.0).contains(&seconds(length))));
        assert!(cuts.iter().any(|length| seconds(length) < 2.0) && cuts.iter().any(|length| seconds(length) > 8.0));
    }

    #[test]
    fn every_other_pair_passes_the_end_of_u64() {
        let late = lives(3).iter().filter(|life| life.first > u64::MAX / 2).count();
        assert!((30..70).contains(&late), "{late} of a hundred");
    }

    #[test]
    fn a_plan_has_every_way_and_lines_that_lose_and_reorder() {
        let ways: Vec<Way> = lives(4).iter().map(|life| life.way).collect();
        let some = |is_it: fn(&Way) -> bool| assert!(ways.iter().filter(|way| is_it(way)).count() > 10, "{ways:?}");
        some(|way| matches!(way, Way::ToReceiver));
        some(|way| matches!(way, Way::ToSender));
        some(|way| matches!(way, Way::Routed));
        some(|way| matches!(way, Way::Bad(badness, _) if badness.lost > 0));
        some(|way| matches!(way, Way::Bad(badness, _) if !badness.jitter.is_zero()));
    }

    #[test]
    fn only_a_routed_site_loses_its_router() {
        for life in lives(2).into_iter().filter(|life| !matches!(life.way, Way::Routed)) {
            assert!(!format!("{:?}", life.steps).contains("Router"));
        }
    }
}

//! How fast a ring is, from two looks at it.

use super::seen::Seen;

/// What passed through a ring per second: elements, or bytes of records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    pub(super) pushed: f64,
    pub(super) popped: f64,
}

impl Rates {
    /// Compares two looks at a ring that are this many seconds apart. Nothing where they cannot be of one ring.
    pub(super) fn between(earlier: &Seen, later: &Seen, seconds: f64) -> Option<Rates> {
        let (before, after) = (earlier.ring.as_ref()?, later.ring.as_ref()?);
        if before.ring_id != after.ring_id {
            return None;
        }
        let (before, after) = (before.positions?, after.positions?);
        let moved = |from: u64, to: u64| {
            let moved = to.wrapping_sub(from);
            // What went back is none.
            (moved <= u64::MAX / 2).then_some(moved as f64 / seconds)
        };
        let rates = Rates { pushed: moved(before.tail, after.tail)?, popped: moved(before.head, after.head)? };
        (seconds > 0.0).then_some(rates)
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::tests::{broken, stream};
    use super::*;

    fn at(head: u64, tail: u64) -> Seen {
        let mut seen = stream();
        let positions = seen.ring.as_mut().unwrap().positions.as_mut().unwrap();
        (positions.head, positions.tail) = (head, tail);
        seen
    }

    #[test]
    fn a_rate_is_what_passed_in_the_time_between() {
        let rates = Rates::between(&at(10, 20), &at(20, 50), 0.5);
        assert_eq!(rates, Some(Rates { pushed: 60.0, popped: 20.0 }));
        let rates = Rates::between(&at(u64::MAX - 1, u64::MAX), &at(3, 9), 1.0);
        assert_eq!(rates, Some(Rates { pushed: 10.0, popped: 5.0 }));
    }

    #[test]
    fn two_rings_under_one_name_have_no_rate() {
        assert_eq!(Rates::between(&at(100, 200), &at(0, 10), 1.0), None);
        let mut other = at(100, 200);
        other.ring.as_mut().unwrap().ring_id += 1;
        assert_eq!(Rates::between(&at(0, 10), &other, 1.0), None);
        assert_eq!(Rates::between(&at(1, 2), &broken(), 1.0), None);
        assert_eq!(Rates::between(&at(1, 2), &at(1, 2), 0.0), None);
    }
}

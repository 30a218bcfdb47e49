//! How near the processors are to each other: the bare line between each pair.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use ringmain_measure::{Regime, allowed, pin, siblings};

use super::finding::Finding;

const CHECK: &str = "lines";

/// How long all pairs take together, and one at most.
const ALL: Duration = Duration::from_millis(1200);
const ONE: Duration = Duration::from_millis(20);

/// A pair needs so long at least; of more processors than that allows, some are measured.
const SHORTEST: Duration = Duration::from_micros(500);

/// Round trips between two readings of the clock.
const TRIPS: u64 = 64;

/// Says to the other thread that it is over.
const OVER: u64 = u64::MAX;

/// The round trip of a line between two processors, in nanoseconds.
type Pair = ([usize; 2], f64);

pub(super) fn look() -> Vec<Finding> {
    let Ok(allowed) = allowed() else { return Vec::new() };
    let some = spread(&allowed, most_processors());
    let pairs: Vec<[usize; 2]> =
        some.iter().enumerate().flat_map(|(at, &one)| some[at + 1..].iter().map(move |&other| [one, other])).collect();
    let Some(limit) = ALL.checked_div(pairs.len() as u32) else { return Vec::new() };
    vec![judge(&measure(&pairs, limit.min(ONE)), pairs.len(), allowed.len(), some.len())]
}

/// Measures each pair, and those whose processors were busy again, while there is time.
fn measure(pairs: &[[usize; 2]], limit: Duration) -> Vec<Pair> {
    let start = Instant::now();
    let (mut measured, mut busy) = (Vec::new(), pairs.to_vec());
    loop {
        busy.retain(|&pair| round_trip(pair, limit).map(|line| measured.push((pair, line))).is_none());
        if busy.is_empty() || start.elapsed() + limit * busy.len() as u32 > ALL {
            return measured;
        }
    }
}

/// Returns of how many processors each pair can be measured.
fn most_processors() -> usize {
    let pairs = (ALL.as_micros() / SHORTEST.as_micros()) as usize;
    (1..).take_while(|&processors| processors * (processors - 1) / 2 <= pairs).last().unwrap_or(1)
}

/// Chooses so many of them at most, over the whole range.
fn spread(all: &[usize], most: usize) -> Vec<usize> {
    let len = all.len().min(most);
    (0..len).map(|at| all[at * all.len() / len]).collect()
}

/// Returns the least round trip in this time; `None` if a processor may not be used, or is busy with something else.
fn round_trip([here, there]: [usize; 2], limit: Duration) -> Option<f64> {
    let lines = [const { CachePadded::new(AtomicU64::new(0)) }; 2];
    let [ping, pong] = &lines;
    thread::scope(|scope| {
        let first = scope.spawn(|| pin(here).ok().and_then(|()| trips(ping, pong, limit)));
        if pin_thread_to(scope, there, ping, pong).is_err() {
            ping.store(OVER, Ordering::Release);
        }
        first.join().ok().flatten()
    })
}

/// Starts the thread that answers.
fn pin_thread_to<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    processor: usize,
    ping: &'scope AtomicU64,
    pong: &'scope AtomicU64,
) -> std::io::Result<()> {
    let answer = move || {
        if pin(processor).is_err() {
            return;
        }
        let mut last = 0;
        while last != OVER {
            let next = ping.load(Ordering::Acquire);
            if next != last {
                pong.store(next, Ordering::Release);
                last = next;
            }
        }
    };
    thread::Builder::new().spawn_scoped(scope, answer).map(|_| ())
}

fn trips(ping: &AtomicU64, pong: &AtomicU64, limit: Duration) -> Option<f64> {
    let start = Instant::now();
    let (mut count, mut least) = (0, f64::MAX);
    // The first of them wait for the other thread to begin.
    let mut part = Instant::now();
    while start.elapsed() < limit {
        for _ in 0..TRIPS {
            count += 1;
            ping.store(count, Ordering::Release);
            while pong.load(Ordering::Acquire) != count {
                if start.elapsed() > limit {
                    ping.store(OVER, Ordering::Release);
                    return (least < f64::MAX).then_some(least);
                }
            }
        }
        least = least.min(part.elapsed().as_nanos() as f64 / TRIPS as f64);
        part = Instant::now();
    }
    ping.store(OVER, Ordering::Release);
    Some(least)
}

/// Says which pairs are near, and where two ends should run.
fn judge(measured: &[Pair], pairs: usize, allowed: usize, some: usize) -> Finding {
    let apart: Vec<&Pair> = measured.iter().filter(|(pair, _)| !share_a_core(*pair)).collect();
    let of = if some < allowed { format!(" of {some} of {allowed} processors") } else { String::new() };
    let Some((best, least)) = apart.iter().copied().min_by(|one, other| one.1.total_cmp(&other.1)) else {
        let found = format!("none of {pairs} pairs{of} could be measured on two cores");
        return Finding::attention(CHECK, found, "give the process two cores that nothing else keeps busy");
    };
    let regimes = Regime::of(&apart.iter().map(|(_, line)| *line).collect::<Vec<f64>>());
    let clusters: Vec<String> = match regimes.as_slice() {
        [_] if apart.len() == 1 => vec!["one pair".to_owned()],
        [_] => vec![format!("all {} pairs{of} are alike", apart.len())],
        [near, ..] => clusters(&near.rounds.iter().map(|&at| apart[at].0).collect::<Vec<_>>()),
        [] => Vec::new(),
    };
    let distances: Vec<String> = regimes.iter().map(|regime| format!("{:.0} ns", regime.line.median)).collect();
    Finding::ok(
        CHECK,
        format!(
            "a line goes there and back in {}; {}; nearest: {},{} ({least:.0} ns), as in taskset -c {},{}; \
             record_alignment(64) keeps a short message in one line",
            distances.join(" or "),
            clusters.join(" | "),
            best[0],
            best[1],
            best[0],
            best[1],
        ),
    )
}

fn share_a_core([one, other]: [usize; 2]) -> bool {
    siblings(one).is_some_and(|siblings| siblings.contains(&other))
}

/// Groups processors that are near to each other.
fn clusters(near: &[[usize; 2]]) -> Vec<String> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for pair in near {
        let (mut joined, rest): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group: &Vec<usize>| pair.iter().any(|one| group.contains(one)));
        joined.push(pair.to_vec());
        let mut group = joined.concat();
        group.sort_unstable();
        group.dedup();
        groups = rest;
        groups.push(group);
    }
    groups.sort();
    groups.iter().map(|group| format!("near: {}", ranges(group))).collect()
}

/// Writes sorted numbers as `0-3,8`.
fn ranges(numbers: &[usize]) -> String {
    let mut parts: Vec<[usize; 2]> = Vec::new();
    for &number in numbers {
        match parts.last_mut() {
            Some([_, last]) if *last + 1 == number => *last = number,
            _ => parts.push([number, number]),
        }
    }
    let part = |&[first, last]: &[usize; 2]| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    parts.iter().map(part).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[test]
    fn pairs_that_are_near_make_clusters() {
        assert_eq!(clusters(&[[0, 1], [4, 5], [1, 2], [6, 5]]), ["near: 0-2", "near: 4-6"]);
        assert_eq!(ranges(&[0, 1, 2, 8]), "0-2,8");
    }

    #[test]
    fn of_many_processors_some_are_measured_within_two_seconds() {
        let most = most_processors();
        assert!((48..128).contains(&most), "{most}");
        let all: Vec<usize> = (0..1024).collect();
        let some = spread(&all, most);
        assert_eq!((some.len(), some[0]), (most, 0));
        assert!(some.windows(2).all(|pair| pair[0] < pair[1]) && some[most - 1] >= 1000, "{some:?}");
        assert_eq!(spread(&[3, 7], most), [3, 7]);
    }

    #[test]
    fn the_nearest_pair_is_advised_and_none_at_all_needs_attention() {
        // Numbers that no processor has: none share a core.
        let far = |pair| (pair, 400.0);
        let measured = [([9000, 9001], 60.0), far([9000, 9002]), far([9001, 9002])];
        let found = judge(&measured, 3, 3, 3).found;
        assert!(found.contains("60 ns or 400 ns; near: 9000-9001; nearest: 9000,9001 (60 ns)"), "{found}");
        let alike = judge(&measured[1..], 2, 9, 3).found;
        assert!(alike.contains("all 2 pairs of 3 of 9 processors are alike"), "{alike}");
        assert_eq!(judge(&[], 1, 2, 2).status, Status::Attention);
    }

    #[test]
    fn a_pair_is_measured_or_given_up_in_time() {
        let allowed = allowed().unwrap();
        let start = Instant::now();
        let line = round_trip([allowed[0], *allowed.last().unwrap()], Duration::from_millis(5));
        assert!(line.is_none_or(|line| line > 0.0 && line < 5e6), "{line:?}");
        // A machine with other work may keep either thread from a processor for a while.
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(round_trip([allowed[0], 1000], Duration::from_millis(5)), None);
    }
}

//! The result in one sentence.

use super::super::plan::{Test, Transport};
use super::super::results::{Outcome, Subject};
use super::super::wait::Wait;
use super::figures::{nanoseconds, per_second, short};

/// The result in one sentence: the ring of the lowest latency that was measured, at the smallest size.
pub(super) fn sentence(outcomes: &[Outcome]) -> String {
    let others = || outcomes.iter().filter(|one| one.subject.transport != Transport::CacheLine);
    let of = |transport| others().find(|one| one.subject.transport == transport);
    let Some(Outcome { subject, ratios, .. }) =
        of(Transport::Message).or(of(Transport::Stream)).or_else(|| others().next())
    else {
        return only_cache_line(outcomes);
    };
    let subject = *subject;
    let clauses: Vec<String> =
        others().filter(|one| Subject { test: subject.test, ..one.subject } == subject).flat_map(clauses).collect();
    let waiting = match (ratios.pipe, pipe_wait(outcomes, subject)) {
        (Some(_), Some(pipe)) if pipe != subject.wait => {
            format!(" ({} {}, a pipe {})", subject.transport, verb(subject.wait), verb(pipe))
        }
        _ => String::new(),
    };
    format!("With messages of {} bytes, {}{waiting}.", subject.bytes, clauses.join("; "))
}

/// How the pipe waits that a case is compared with.
fn pipe_wait(outcomes: &[Outcome], subject: Subject) -> Option<Wait> {
    let measured = |wait: &Wait| {
        let pipe = |one: &Outcome| one.subject.transport == Transport::Pipe && one.subject.wait == *wait;
        outcomes.iter().any(pipe)
    };
    subject.wait.alike().into_iter().find(measured)
}

fn verb(wait: Wait) -> &'static str {
    match wait {
        Wait::Spin => "spins while it waits",
        Wait::Adaptive => "spins a little, then sleeps",
        Wait::Park | Wait::Sleep => "sleeps",
        Wait::Never => "waits for nothing",
    }
}

/// Says how one case relates to the references.
fn clauses(one: &Outcome) -> Vec<String> {
    let name = one.subject.transport;
    let (cache_line, pipe) = (one.ratios.cache_line, one.ratios.pipe);
    match one.subject.test {
        Test::Rtt => [
            cache_line.map(|ratio| {
                let ratio = short(ratio);
                format!("a round trip over {name} takes {ratio} times as long as one over two bare cache lines")
            }),
            pipe.map(|ratio| {
                if ratio < 1.0 {
                    format!("one over a pipe takes {} times as long as that", short(1.0 / ratio))
                } else {
                    format!("it takes {} times as long as one over a pipe", short(ratio))
                }
            }),
        ]
        .into_iter()
        .flatten()
        .collect(),
        _ => {
            let pipe = pipe.map(|ratio| (ratio, "a pipe"));
            let reference = pipe.or(cache_line.map(|ratio| (ratio, "a mailbox of one word")));
            reference
                .map(|(ratio, reference)| {
                    format!("{name} carries {} times as many messages per second as {reference}", short(ratio))
                })
                .into_iter()
                .collect()
        }
    }
}

fn only_cache_line(outcomes: &[Outcome]) -> String {
    let clauses: Vec<String> = outcomes
        .iter()
        .map(|one| match one.subject.test {
            Test::Rtt => format!("a round trip over two bare cache lines takes {}", nanoseconds(one.summary.median)),
            _ => format!("a mailbox of one word hands over {}", per_second(one.summary.median)),
        })
        .collect();
    format!("On this machine, {}.", clauses.join(", and "))
}

#[cfg(test)]
mod tests {
    use super::super::super::plan::Case;
    use super::super::super::results::Measured;
    use super::*;

    fn outcomes(cases: &[(Test, Transport, Wait, f64)]) -> Vec<Outcome> {
        let measured: Vec<Measured> = cases
            .iter()
            .map(|(test, transport, wait, value)| Measured {
                case: Case {
                    test: *test,
                    bytes: 8,
                    transport: *transport,
                    align: 64,
                    wait: *wait,
                    fenced: false,
                    rate: None,
                },
                values: vec![*value],
                times: None,
            })
            .collect();
        Outcome::of_all(&measured)
    }

    #[test]
    fn the_sentence_is_about_a_ring() {
        let outcomes = outcomes(&[
            (Test::Rtt, Transport::CacheLine, Wait::Spin, 100.0),
            (Test::Rtt, Transport::Stream, Wait::Spin, 150.0),
            (Test::Rtt, Transport::Pipe, Wait::Sleep, 30_000.0),
            (Test::Throughput, Transport::Stream, Wait::Spin, 60e6),
            (Test::Throughput, Transport::Pipe, Wait::Sleep, 2e6),
        ]);
        assert_eq!(
            sentence(&outcomes),
            "With messages of 8 bytes, a round trip over stream takes 1.50 times as long as one over two bare cache \
             lines; one over a pipe takes 200 times as long as that; stream carries 30.0 times as many messages per \
             second as a pipe (stream spins while it waits, a pipe sleeps)."
        );
    }

    #[test]
    fn like_beside_like_needs_no_word_about_waiting() {
        let outcomes = outcomes(&[
            (Test::Rtt, Transport::CacheLine, Wait::Spin, 100.0),
            (Test::Rtt, Transport::Stream, Wait::Spin, 150.0),
            (Test::Rtt, Transport::Stream, Wait::Park, 15_000.0),
            (Test::Rtt, Transport::Pipe, Wait::Spin, 1500.0),
            (Test::Rtt, Transport::Pipe, Wait::Sleep, 30_000.0),
        ]);
        assert_eq!(
            sentence(&outcomes),
            "With messages of 8 bytes, a round trip over stream takes 1.50 times as long as one over two bare cache \
             lines; one over a pipe takes 10.0 times as long as that."
        );
    }

    #[test]
    fn without_other_transports_the_sentence_is_about_the_cache_line() {
        let outcomes = outcomes(&[(Test::Rtt, Transport::CacheLine, Wait::Spin, 100.0)]);
        assert_eq!(sentence(&outcomes), "On this machine, a round trip over two bare cache lines takes 100 ns.");
    }
}

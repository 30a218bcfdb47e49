//! The result in sentences. What they name comes from rounds in which everything took turns.

use clap::ValueEnum;
use ringmain_measure::Summary;

use super::super::plan::{Test, Transport, USUAL_SIZE};
use super::super::results::{Cell, Subject};
use super::super::wait::Wait;
use super::figures::{nanoseconds, per_second, short};

/// Ratios this near to 1 are no difference.
const ALIKE: f64 = 0.05;

/// The result of one regime in sentences: about the ring of the lowest latency that was measured, or else about what
/// there is.
pub(super) fn sentences(cells: &[Cell]) -> Vec<String> {
    let Some(subject) = subject(cells) else {
        return only_cache_line(cells).into_iter().collect();
    };
    let mut sentences = Vec::new();
    for test in [Test::Rtt, Test::Throughput] {
        let wanted = Subject { test, ..subject };
        let Some(one) = cells.iter().find(|one| one.subject == wanted) else { continue };
        let others = others(cells, one);
        let pipe = others.iter().find(|other| other.subject.transport == Transport::Pipe);
        let fastest = fastest(&others);
        for other in pipe.into_iter().chain(fastest.filter(|fastest| Some(*fastest) != pipe)) {
            sentences.push(beside(one, other));
        }
        sentences.extend(one.figures.ratios.cache_line.filter(|_| test == Test::Rtt).map(|ratio| {
            let (name, ratio) = (subject.transport, short(ratio));
            format!("A round trip over {name} takes {ratio} times as long as one over two bare cache lines here.")
        }));
        if others.is_empty() {
            sentences.push(alone(one));
        }
    }
    sentences
}

/// What the sentences are about: the usual size, or else the smallest one.
fn subject(cells: &[Cell]) -> Option<Subject> {
    let rank = |transport| match transport {
        Transport::Message => 0,
        Transport::Stream => 1,
        Transport::Memcpy => 3,
        Transport::OwnWork => 4,
        _ => 2,
    };
    let told = |one: &Subject| !one.transport.is_bare() && one.test != Test::Waitset;
    let subjects = cells.iter().map(|one| one.subject).filter(told);
    subjects.min_by_key(|one| (rank(one.transport), one.bytes != USUAL_SIZE, one.bytes, one.wait, one.fenced))
}

/// The transports of the kernel in the same test at the same size, each in the way to wait that is most alike.
fn others<'a>(cells: &'a [Cell], one: &Cell) -> Vec<&'a Cell> {
    let Subject { test, bytes, .. } = one.subject;
    let kernel = |transport: &&Transport| {
        transport.carries_a_time() && !transport.is_ring() && **transport != one.subject.transport
    };
    let of = |transport: &Transport| {
        one.subject.wait.alike().into_iter().find_map(|wait| {
            let wanted =
                Subject { transport: *transport, test, wait, fenced: false, bytes, rings: None, alignment: None };
            cells.iter().find(|other| other.subject == wanted)
        })
    };
    Transport::value_variants().iter().filter(kernel).filter_map(of).collect()
}

fn fastest<'a, 'b>(others: &'b [&'a Cell]) -> Option<&'b &'a Cell> {
    // Ratios among them would be pairwise too, but the order of the medians is the same unless they are alike.
    let time = |other: &Cell| match other.subject.test {
        Test::Rtt => other.figures.summary.median,
        _ => 1.0 / other.figures.summary.median,
    };
    others.iter().min_by(|one, other| time(one).total_cmp(&time(other)))
}

fn beside(one: &Cell, other: &Cell) -> String {
    let Subject { transport: name, bytes, .. } = one.subject;
    let than = with_article(other.subject.transport);
    let ratio = Summary::of_ratios(&one.values, &other.values).median;
    let waiting = waiting(one.subject, other.subject);
    match one.subject.test {
        Test::Rtt => {
            let ratio = 1.0 / ratio;
            let (first, second) = (nanoseconds(one.figures.summary.median), nanoseconds(other.figures.summary.median));
            let faster = compared(ratio, "faster than", "slower than", "as fast as");
            let request = request(bytes);
            format!("{name} answers {request} {faster} {than} here: {first} against {second}{waiting}.")
        }
        _ => {
            let (first, second) = (per_second(one.figures.summary.median), per_second(other.figures.summary.median));
            let more = compared(ratio, "as many", "fewer", "as many");
            let ends = if ratio < 1.0 - ALIKE { "than" } else { "as" };
            format!(
                "{name} carries {more} {bytes}-byte messages per second {ends} {than} here: {first} against \
                 {second}{waiting}."
            )
        }
    }
}

/// Writes how many times more or less.
fn compared(ratio: f64, more: &str, less: &str, alike: &str) -> String {
    if (ratio - 1.0).abs() <= ALIKE {
        format!("about {alike}")
    } else if ratio > 1.0 {
        format!("{} times {more}", short(ratio))
    } else {
        format!("{} times {less}", short(1.0 / ratio))
    }
}

/// Says how both wait where that differs.
fn waiting(one: Subject, other: Subject) -> String {
    if one.wait == other.wait {
        return String::new();
    }
    format!(" ({} {}, {} {})", one.transport, verb(one.wait), with_article(other.transport), verb(other.wait))
}

fn verb(wait: Wait) -> &'static str {
    match wait {
        Wait::Spin | Wait::Busy => "spins while it waits",
        Wait::Adaptive => "spins a little, then sleeps",
        Wait::Park | Wait::Sleep => "sleeps",
        Wait::Never => "waits for nothing",
    }
}

fn request(bytes: usize) -> String {
    // Eight, and 8192.
    let article = if bytes.to_string().starts_with('8') { "an" } else { "a" };
    format!("{article} {bytes}-byte request")
}

fn with_article(transport: Transport) -> String {
    match transport {
        Transport::Eventfd => format!("an {transport}"),
        Transport::Tcp | Transport::Memcpy | Transport::OwnWork => transport.to_string(),
        _ => format!("a {transport}"),
    }
}

/// A case beside which nothing of the kernel was measured.
fn alone(one: &Cell) -> String {
    let Subject { transport: name, bytes, test, .. } = one.subject;
    let median = one.figures.summary.median;
    match test {
        Test::Rtt => format!("{name} answers {} in {} here.", request(bytes), nanoseconds(median)),
        _ => format!("{name} carries {} of {bytes}-byte messages here.", per_second(median)),
    }
}

fn only_cache_line(cells: &[Cell]) -> Option<String> {
    let clauses: Vec<String> = cells
        .iter()
        .filter(|one| one.subject.test != Test::Waitset)
        .map(|one| match one.subject.test {
            Test::Rtt => {
                let what = match one.subject.transport {
                    Transport::CacheLines => "one over fresh cache lines",
                    _ => "a round trip over two bare cache lines",
                };
                format!("{what} takes {}", nanoseconds(one.figures.summary.median))
            }
            _ => format!("a mailbox of one word hands over {}", per_second(one.figures.summary.median)),
        })
        .collect();
    (!clauses.is_empty()).then(|| format!("On this machine, {}.", clauses.join(", and ")))
}

#[cfg(test)]
mod tests {
    use super::super::super::measured::Measured;
    use super::super::super::plan::Case;
    use super::*;

    fn cells(cases: &[(Test, Transport, Wait, &[f64])]) -> Vec<Cell> {
        let measured = |(test, transport, wait, values): &(Test, Transport, Wait, &[f64])| {
            let bytes = if transport.is_bare() { 8 } else { 64 };
            let (test, transport, wait) = (*test, *transport, *wait);
            let case = Case { test, bytes, transport, align: 64, wait, fenced: false, rings: 0, rate: None };
            Measured { case, values: values.to_vec(), times: Vec::new() }
        };
        Cell::of_one_regime(&cases.iter().map(measured).collect::<Vec<_>>())
    }

    #[test]
    fn the_sentences_are_about_a_ring_beside_a_pipe_and_the_fastest_of_the_others() {
        // The machine is ten times slower in the second round: ratios of medians would be others.
        let cells = cells(&[
            (Test::Rtt, Transport::CacheLine, Wait::Spin, &[100.0, 1000.0, 100.0]),
            (Test::Rtt, Transport::Message, Wait::Spin, &[150.0, 1500.0, 2000.0]),
            (Test::Rtt, Transport::Eventfd, Wait::Sleep, &[15_000.0, 150_000.0, 15_000.0]),
            (Test::Rtt, Transport::Pipe, Wait::Sleep, &[30_000.0, 300_000.0, 30_000.0]),
            (Test::Throughput, Transport::Message, Wait::Spin, &[60e6; 3]),
            (Test::Throughput, Transport::Pipe, Wait::Sleep, &[2e6; 3]),
        ]);
        assert_eq!(
            sentences(&cells),
            [
                "message answers a 64-byte request 200 times faster than a pipe here: 1500 ns against 30.0 us (message \
                 spins while it waits, a pipe sleeps).",
                "message answers a 64-byte request 100 times faster than an eventfd here: 1500 ns against 15.0 us \
                 (message spins while it waits, an eventfd sleeps).",
                "A round trip over message takes 1.50 times as long as one over two bare cache lines here.",
                "message carries 30.0 times as many 64-byte messages per second as a pipe here: 60.0 M/s against 2.00 \
                 M/s (message spins while it waits, a pipe sleeps).",
            ]
        );
    }

    #[test]
    fn like_is_set_beside_like_without_a_word_about_waiting() {
        let cells = cells(&[
            (Test::Rtt, Transport::Stream, Wait::Park, &[15_000.0]),
            (Test::Rtt, Transport::Stream, Wait::Spin, &[150.0]),
            (Test::Rtt, Transport::Pipe, Wait::Sleep, &[30_000.0]),
            (Test::Rtt, Transport::Pipe, Wait::Spin, &[1500.0]),
        ]);
        assert_eq!(
            sentences(&cells),
            ["stream answers a 64-byte request 10.0 times faster than a pipe here: 150 ns against 1500 ns."]
        );
    }

    #[test]
    fn what_is_slower_or_alike_is_told_as_well() {
        let spin = Wait::Spin;
        let cells = cells(&[
            (Test::Rtt, Transport::Message, spin, &[300.0]),
            (Test::Rtt, Transport::Pipe, spin, &[150.0]),
            (Test::Throughput, Transport::Message, spin, &[1e6]),
            (Test::Throughput, Transport::Eventfd, spin, &[2e6]),
            (Test::Throughput, Transport::Pipe, spin, &[1.02e6]),
        ]);
        assert_eq!(
            sentences(&cells),
            [
                "message answers a 64-byte request 2.00 times slower than a pipe here: 300 ns against 150 ns.",
                "message carries about as many 64-byte messages per second as a pipe here: 1.00 M/s against 1.02 M/s.",
                "message carries 2.00 times fewer 64-byte messages per second than an eventfd here: 1.00 M/s against \
                 2.00 M/s.",
            ]
        );
    }

    #[test]
    fn what_is_alone_is_told_by_itself() {
        let cells = cells(&[
            (Test::Rtt, Transport::CacheLine, Wait::Spin, &[100.0]),
            (Test::Rtt, Transport::Message, Wait::Spin, &[150.0]),
        ]);
        assert_eq!(
            sentences(&cells),
            [
                "A round trip over message takes 1.50 times as long as one over two bare cache lines here.",
                "message answers a 64-byte request in 150 ns here.",
            ]
        );
        assert_eq!(sentences(&cells[..1]), ["On this machine, a round trip over two bare cache lines takes 100 ns."]);
        assert_eq!(sentences(&[]), Vec::<String>::new());
    }
}

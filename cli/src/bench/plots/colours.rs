//! Colours of lines and bars, which stay apart for most eyes.

use super::super::results::Subject;
use super::super::wait::Wait;

/// Red, green and blue.
type Colour = (u8, u8, u8);

/// One for each transport.
const COLOURS: [Colour; 13] = [
    (31, 119, 180),
    (0, 60, 110),
    (214, 39, 40),
    (188, 128, 60),
    (44, 160, 44),
    (255, 127, 14),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (90, 90, 90),
    (150, 160, 20),
    (23, 190, 207),
    (0, 0, 0),
];

/// The colour of bars.
pub(super) const BAR: Colour = COLOURS[0];

/// The colour of a subject: each transport has its own in all pictures, lighter where it does not wait as it mostly
/// does.
pub(super) fn colour(subject: Subject) -> Colour {
    let usual = match (subject.wait, subject.transport.carries_a_time() && !subject.transport.is_ring()) {
        (Wait::Spin, kernel) => !kernel,
        (Wait::Sleep | Wait::Never, _) => true,
        (Wait::Busy | Wait::Adaptive | Wait::Park, _) => false,
    };
    let lightness = match (usual, subject.wait) {
        (true, _) => 0.0,
        (false, Wait::Park) => 0.65,
        (false, _) => 0.4,
    };
    let lightness = if subject.fenced { 0.75 } else { lightness };
    let (red, green, blue) = COLOURS[subject.transport as usize];
    let lighten = |part: u8| (f64::from(part) + lightness * (255.0 - f64::from(part))).round() as u8;
    (lighten(red), lighten(green), lighten(blue))
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::super::super::plan::{Case, Test, Transport, waits};
    use super::*;

    fn subject(transport: Transport, wait: Wait) -> Subject {
        let test = Test::Rtt;
        Subject::of(Case { test, bytes: 8, transport, align: 64, wait, fenced: false, rings: 0, rate: None })
    }

    #[test]
    fn no_two_ways_of_a_transport_and_no_two_transports_share_a_colour() {
        let mut colours = Vec::new();
        for transport in Transport::value_variants() {
            let waits = waits(*transport, Test::Idle, None);
            colours.extend(waits.into_iter().map(|wait| colour(subject(*transport, wait))));
        }
        let count = colours.len();
        colours.sort_unstable();
        colours.dedup();
        assert_eq!(colours.len(), count);
    }
}

//! Colours of lines and bars, which stay apart for most eyes.

use plotters::style::RGBColor;

use super::super::plan::Transport;
use super::super::results::Subject;
use super::super::wait::Wait;

/// Of writing.
pub(super) const INK: RGBColor = RGBColor(40, 40, 40);

/// One for each transport.
const COLOURS: [RGBColor; 11] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(255, 127, 14),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(90, 90, 90),
    RGBColor(150, 160, 20),
    RGBColor(23, 190, 207),
    RGBColor(0, 0, 0),
];

/// The colour of bars.
pub(super) const BAR: RGBColor = COLOURS[0];

/// The colour of a subject: each transport has its own in all pictures, lighter where it does not wait as it mostly
/// does.
pub(super) fn colour(subject: Subject) -> RGBColor {
    let index = Transport::ALL.iter().position(|transport| *transport == subject.transport).unwrap_or(0);
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
    let RGBColor(red, green, blue) = COLOURS[index % COLOURS.len()];
    let lighten = |part: u8| (f64::from(part) + lightness * (255.0 - f64::from(part))).round() as u8;
    RGBColor(lighten(red), lighten(green), lighten(blue))
}

#[cfg(test)]
mod tests {
    use super::super::super::plan::{Case, Test};
    use super::*;

    fn subject(transport: Transport, wait: Wait) -> Subject {
        let test = Test::Rtt;
        Subject::of(Case { test, bytes: 8, transport, align: 64, wait, fenced: false, rate: None })
    }

    #[test]
    fn no_two_ways_of_a_transport_and_no_two_transports_share_a_colour() {
        let mut colours = Vec::new();
        for transport in Transport::ALL {
            let waits = Wait::of(*transport, Test::Idle, None);
            colours.extend(waits.into_iter().map(|wait| colour(subject(*transport, wait))));
        }
        let count = colours.len();
        colours.sort_unstable_by_key(|RGBColor(red, green, blue)| (*red, *green, *blue));
        colours.dedup();
        assert_eq!(colours.len(), count);
    }
}

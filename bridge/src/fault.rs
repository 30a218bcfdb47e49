//! Faults that are planted for the tests: each breaks one rule of the protocol, and must be found. Without the feature
//! `planted` there are none.

use std::env;

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The sender gives records back to the producer when they are sent, before the answer.
    ReleaseEarly,
    /// The receiver pushes a batch wherever it starts.
    NoPositionCheck,
    /// The receiver answers a batch before it has pushed it.
    AnswerEarly,
}

/// The variable that names one.
pub const VARIABLE: &str = "RINGMAIN_BRIDGE_FAULT";

/// Returns the fault that the environment asks for.
///
/// # Errors
///
/// A text: there is none of that name, or there are none in this build.
pub fn of_environment() -> Result<Option<Fault>, String> {
    let Some(name) = env::var_os(VARIABLE) else { return Ok(None) };
    if !cfg!(feature = "planted") {
        return Err(format!(
            "{VARIABLE} is set, and this build has no planted faults: build it with --features planted"
        ));
    }
    match name.to_str() {
        Some("release-early") => Ok(Some(Fault::ReleaseEarly)),
        Some("no-position-check") => Ok(Some(Fault::NoPositionCheck)),
        Some("answer-early") => Ok(Some(Fault::AnswerEarly)),
        _ => Err(format!("{VARIABLE} is {name:?}: use release-early, no-position-check or answer-early")),
    }
}

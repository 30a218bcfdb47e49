//! What the bridge says, on stderr.

use std::io::{self, Write};

/// Says a line. Where nobody listens, nothing is said.
pub fn say(text: &str) {
    // A fuzz target would say it for each of its inputs.
    if !cfg!(fuzzing) {
        let _ = writeln!(io::stderr(), "ringmain-bridge: {text}");
    }
}

/// Says what may come again and again once: until something else does.
#[derive(Debug, Default)]
pub struct Once(Option<String>);

impl Once {
    /// Says a line, unless it was the last one.
    pub fn say(&mut self, text: String) {
        if self.0.as_ref() != Some(&text) {
            say(&text);
            self.0 = Some(text);
        }
    }

    /// Forgets the last line. Returns whether there was one.
    pub fn forget(&mut self) -> bool {
        self.0.take().is_some()
    }
}

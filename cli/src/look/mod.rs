//! The verbs that look at rings from outside: `ls`, `stat`, `watch` and `tap`.
//!
//! They hold no role and take no lock, and read rings by system calls: nothing that others do can end them.

mod cell;
mod column;
mod keys;
mod ls;
mod metrics;
mod output;
mod rates;
mod seen;
mod stat;
mod table;
mod tap;
mod terminal;
mod unit;
mod units;
mod watch;

use anyhow::Result;

use crate::ending::EXIT_CODES;

/// The verbs, as the command line has them.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Look {
    /// List every object of shared memory: rings, and what is none
    ///
    /// STATE is 'live' while somebody is at an end; else 'stale' where the last one at an end crashed; else 'idle'. It
    /// is 'being made' while a process makes a ring, 'unfinished' if that was killed, 'damaged', 'other version', and
    /// 'not a ring'; 'changing', 'leased' or 'not readable' where it could not be read; and 'gone' if it was removed or
    /// renamed during the look. '-o name,state,reason' tells why. PRODUCER and CONSUMER are the process and its
    /// program, '-' for nobody, '?' for a process that cannot be known from here. On a terminal that is too narrow,
    /// long names lose their middle, and columns are left out unless '-o' names them.
    #[command(after_help = EXIT_CODES)]
    Ls(ls::Ls),
    /// Tell all that is known of a ring, and how fast it is
    ///
    /// Rates are of elements, or of bytes of records in a message ring. Of a damaged ring it tells what can be told,
    /// and why. '--format openmetrics' prints counters and gauges for a monitoring system, of all rings if none is
    /// named.
    #[command(after_help = EXIT_CODES)]
    Stat(stat::Stat),
    /// Watch a ring, or all of them, until 'q' or Ctrl-C
    ///
    /// Draws on a terminal, and prints lines elsewhere: one for each ring and interval. LAG is for how long the
    /// consumer is busy with what waits, at the rate that it has. A terminal shows those at work first, and the busiest
    /// of them before the others; arrow keys, the page keys, Home and End show the rest, or 'j', 'k', space, 'b', 'g'
    /// and 'G'. Where it is too narrow, long names lose their middle, and columns are left out unless '-o' names them.
    #[command(after_help = EXIT_CODES)]
    Watch(watch::Watch),
    /// Print elements or messages as they pass, without taking them
    ///
    /// Begins with what waits to be read, and ends after it. What passes faster than it looks is missed, and told on
    /// stderr.
    #[command(after_help = EXIT_CODES)]
    Tap(tap::Tap),
}

/// Returns the names of all columns, or of those that one look tells.
pub(crate) fn column_names(is_of_one_look: bool) -> Vec<&'static str> {
    let names = column::names().into_iter();
    names.filter(|name| !is_of_one_look || column::parse_of_one_look(name).is_ok()).collect()
}

/// Does what a verb says.
pub(crate) fn run(look: &Look) -> Result<()> {
    match look {
        Look::Ls(arguments) => ls::run(arguments),
        Look::Stat(arguments) => stat::run(arguments),
        Look::Watch(arguments) => watch::run(arguments),
        Look::Tap(arguments) => tap::run(arguments),
    }
}

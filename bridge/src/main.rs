//! `ringmain-bridge`: one ring on two machines.

use std::{panic, process};

use clap::{CommandFactory, Parser, Subcommand};
use ringmain_bridge::receive::Receive;
use ringmain_bridge::say::say;
use ringmain_bridge::send::{Send, check_name};
use ringmain_bridge::{exit, fault, network};

/// Joins a ring on this machine to one on another machine, over Zenoh. Nothing is lost, nothing comes twice, and the
/// programs at both rings need not know of it.
#[derive(Debug, Parser)]
#[command(version, after_help = exit::CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads ring NAME, and sends what it has to whoever receives at KEY
    #[command(after_help = exit::CODES)]
    Send(Box<Send>),
    /// Receives at KEY, and writes ring NAME, which it makes as a copy of the other one
    #[command(after_help = exit::CODES)]
    Receive(Box<Receive>),
}

#[allow(unsafe_code, reason = "see limit_threads")]
fn main() {
    // SAFETY: this is the first thread, and it has started none.
    unsafe { network::limit_threads() };
    let arguments = Arguments::parse();
    let refuse = |text: &str| -> ! {
        say(text);
        process::exit(2)
    };
    let fault = fault::of_environment().unwrap_or_else(|text| refuse(&text));
    let (name, network) = match &arguments.command {
        Command::Send(send) => (&send.name, send.network()),
        Command::Receive(receive) => (&receive.name, receive.network()),
    };
    if let Err(error) = check_name(name) {
        refuse(&format!("{error:#}"));
    }
    if network.is_empty() {
        let text = "nobody to talk to: give --connect, --listen or --zenoh-config";
        Arguments::command().error(clap::error::ErrorKind::MissingRequiredArgument, text).exit();
    }
    if let Err(error) = network.check() {
        refuse(&format!("{error:#}"));
    }
    // Half a bridge is worse than none: it ends as by a crash, and can be started again.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        hook(info);
        process::abort();
    }));
    // Zenoh says what it does where RUST_LOG asks for it.
    zenoh::try_init_log_from_env();
    let result = match &arguments.command {
        Command::Send(send) => send.run(fault),
        Command::Receive(receive) => receive.run(fault),
    };
    // No handle is dropped from here on: a ring that is left here is left as by a crash.
    process::exit(match result {
        Ok(exit) => exit.code().into(),
        Err(error) => {
            say(&format!("{error:#}"));
            1
        }
    });
}

//! The session of Zenoh that both sides have.

use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use zenoh::config::EndPoint;
use zenoh::key_expr::KeyExpr;
use zenoh::{Config, Session, Wait};

use crate::say::{Once, say};

/// How long a query waits for its answer: longer than any answer takes, but for a line that is gone.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before a session is opened again that found nobody.
const RETRY: Duration = Duration::from_millis(100);

/// How to find the other side.
#[derive(Clone, Debug, Args)]
pub struct Network {
    /// Connect to this endpoint, such as tcp/10.0.0.2:7447; may be given several times
    #[arg(long, value_name = "ENDPOINT", value_parser = parse_endpoint)]
    pub connect: Vec<String>,
    /// Listen at this endpoint, such as tcp/0.0.0.0:7447; may be given several times
    #[arg(long, value_name = "ENDPOINT", value_parser = parse_endpoint)]
    pub listen: Vec<String>,
    /// Read Zenoh's configuration from this file: TLS, users and passwords, access control. --connect and --listen take
    /// the place of its endpoints
    #[arg(long, value_name = "FILE")]
    pub zenoh_config: Option<PathBuf>,
}

/// What Zenoh would do, and a bridge does not, unless a file of configuration says so: search for others, wait for
/// seconds before it connects again, take a side for alive of which nothing was heard for 10 s, wait as long for one
/// that a cut keeps from finishing a connection, and keep no more than two frames that are to be written; 16 is the
/// most that it allows.
const CHANGED: [(&str, &str); 9] = [
    ("scouting/multicast/enabled", "false"),
    ("scouting/gossip/enabled", "false"),
    ("connect/timeout_ms", "-1"),
    ("connect/exit_on_failure", "false"),
    ("transport/link/tx/lease", "3000"),
    ("transport/unicast/open_timeout", "3000"),
    ("transport/unicast/accept_timeout", "3000"),
    ("transport/link/tx/queue/size/data", "16"),
    ("connect/retry", "{ period_init_ms: 100, period_max_ms: 1000, period_increase_factor: 2 }"),
];

/// The files that a configuration names, and the endpoints without which Zenoh does not read them.
const FILES: [(&str, Option<&str>); 6] = [
    ("transport/link/tls/root_ca_certificate", None),
    ("transport/link/tls/listen_certificate", Some("listen/endpoints")),
    ("transport/link/tls/listen_private_key", Some("listen/endpoints")),
    ("transport/link/tls/connect_certificate", Some("connect/endpoints")),
    ("transport/link/tls/connect_private_key", Some("connect/endpoints")),
    ("transport/auth/usrpwd/dictionary_file", None),
];

/// The variable from which Zenoh reads how many threads it has, and what a bridge needs: one that reads and keeps the
/// time, beside the one that writes. A message so passes fewer threads.
const THREADS: (&str, &str) = ("ZENOH_RUNTIME", "(rx: (worker_threads: 1), net: (handover: rx))");

/// Lets Zenoh have as many threads as a bridge needs, unless the environment says how many.
///
/// # Safety
///
/// There is no other thread yet.
#[allow(unsafe_code, reason = "the environment is all that Zenoh asks")]
pub unsafe fn limit_threads() {
    let (variable, threads) = THREADS;
    if env::var_os(variable).is_none() {
        // SAFETY: nobody else reads or writes the environment: the caller promises that there is no other thread.
        unsafe { env::set_var(variable, threads) };
    }
}

/// Turns an error of Zenoh into one of ours.
pub fn failed(what: &str) -> impl Fn(zenoh::Error) -> anyhow::Error {
    move |error| anyhow!("{what}: {error}")
}

impl Network {
    /// Returns whether there is anybody to talk to.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connect.is_empty() && self.listen.is_empty() && self.zenoh_config.is_none()
    }

    /// Checks all that can be known before anybody is waited for.
    ///
    /// # Errors
    ///
    /// The configuration cannot be, or names a file that cannot be read.
    pub fn check(&self) -> Result<()> {
        let config = self.config(0)?;
        let found = |key: &str| config.get_json(key).unwrap_or_default();
        for (key, endpoints) in FILES {
            if endpoints.is_some_and(|endpoints| found(endpoints) == "[]") {
                continue;
            }
            let text = found(key);
            // What has characters that JSON writes in another way, Zenoh looks for.
            let file = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            if let Some(file) = file.filter(|file| !file.contains('\\')) {
                check_file(key, file)?;
            }
        }
        for endpoint in self.connect.iter().chain(&self.listen) {
            let endpoint = endpoint.parse::<EndPoint>().map_err(failed(endpoint))?;
            for (key, file) in endpoint.config().iter().filter(|(key, _)| key.ends_with("_file")) {
                check_file(&format!("{key} of {endpoint}"), file)?;
            }
        }
        Ok(())
    }

    /// Makes the configuration. No message that comes may be longer than `longest`.
    fn config(&self, longest: usize) -> Result<Config> {
        let standard = Config::default();
        let given = match &self.zenoh_config {
            None => standard.clone(),
            Some(file) => Config::from_file(file)
                .map_err(|error| anyhow!("{error}"))
                .with_context(|| format!("cannot read the configuration in {}", file.display()))?,
        };
        let is_standard = |key: &str| given.get_json(key).ok() == standard.get_json(key).ok();
        let mut config = given.clone();
        let mut set = |key: &str, value: &str| {
            config
                .insert_json5(key, value)
                .map_err(|error| anyhow!("{error}"))
                .with_context(|| format!("{key}: {value}"))
        };
        for (key, value) in CHANGED {
            if is_standard(key) {
                set(key, value)?;
            }
        }
        // A router passes no query from peer to peer: it takes it that they reach each other.
        if self.listen.is_empty() && is_standard("mode") && is_standard("listen/endpoints") {
            set("mode", "\"client\"")?;
        }
        for (key, endpoints) in [("connect/endpoints", &self.connect), ("listen/endpoints", &self.listen)] {
            // By itself a peer listens at a port that nobody knows.
            if !endpoints.is_empty() || is_standard(key) {
                let quoted: Vec<String> = endpoints.iter().map(|endpoint| format!("{endpoint:?}")).collect();
                set(key, &format!("[{}]", quoted.join(", ")))?;
            }
        }
        if is_standard("transport/link/rx/max_message_size") {
            set("transport/link/rx/max_message_size", &longest.to_string())?;
        }
        Ok(config)
    }

    /// Opens a session. No message that comes may be longer than `longest` bytes. Where nothing is listened at, a
    /// session begins with a connection: tries again for as long as it takes, or `give_up` says, and then returns
    /// `None`.
    ///
    /// # Errors
    ///
    /// The configuration cannot be, or an endpoint cannot be listened at.
    pub fn open(&self, longest: usize, give_up: Option<Duration>) -> Result<Option<Session>> {
        let mut config = self.config(longest)?;
        let is_client = config.get_json("mode").is_ok_and(|mode| mode == "\"client\"");
        if is_client && config.get_json("connect/timeout_ms").is_ok_and(|limit| limit == "-1") {
            // By itself it would not come back to say that it waits.
            let limit = PATIENCE.min(give_up.unwrap_or(PATIENCE)).as_millis().to_string();
            config.insert_json5("connect/timeout_ms", &limit).map_err(failed("connect/timeout_ms"))?;
        }
        let (start, mut said) = (Instant::now(), Once::default());
        loop {
            match zenoh::open(config.clone()).wait() {
                Ok(session) => return Ok(Some(session)),
                Err(error) if is_client => {
                    said.say(format!("waiting: nobody answers at {}: {error}", self.connect.join(", ")));
                    if give_up.is_some_and(|limit| start.elapsed() >= limit) {
                        say(&format!("nothing got through for {} s: giving up", start.elapsed().as_secs()));
                        return Ok(None);
                    }
                    thread::sleep(RETRY);
                }
                Err(error) => return Err(failed("cannot open a session of Zenoh")(error)),
            }
        }
    }
}

/// Checks that a file can be read.
fn check_file(what: &str, file: &str) -> Result<()> {
    File::open(file).map(drop).with_context(|| format!("{what}: cannot read the file {file}"))
}

/// Reads an endpoint: a protocol that a bridge has, a host and a port.
///
/// # Errors
///
/// A text: it is none.
pub fn parse_endpoint(text: &str) -> Result<String, String> {
    let expected = "expected tcp/HOST:PORT or tls/HOST:PORT, such as tcp/10.0.0.2:7447";
    let endpoint = text.parse::<EndPoint>().map_err(|error| format!("{expected}: {error}"))?;
    let protocol = endpoint.protocol();
    if !matches!(protocol.as_str(), "tcp" | "tls") {
        return Err(format!("{expected}, found the protocol {:?}", protocol.as_str()));
    }
    match endpoint.address().as_str().rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err(format!("{expected}, found the address {:?}", endpoint.address().as_str())),
    }
}

/// Reads a key: no wildcards, no parts without a character.
///
/// # Errors
///
/// A text: it is none.
pub fn parse_key(text: &str) -> Result<String, String> {
    let key = KeyExpr::new(text.to_owned()).map_err(|error| format!("{text:?} is no key of Zenoh: {error}"))?;
    if key.is_wild() {
        return Err(format!("{text:?} has a wildcard: a bridge needs a key of its own"));
    }
    Ok(key.to_string())
}

/// Returns what this process is called: its host, its number, and that of its session.
#[must_use]
pub fn own_name(session: &Session) -> String {
    let host = rustix::system::uname();
    let host = String::from_utf8_lossy(host.nodename().to_bytes()).into_owned();
    format!("{host}/{}/{}", process::id(), session.zid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::key_of_sender;

    fn network() -> Network {
        Network { connect: Vec::new(), listen: Vec::new(), zenoh_config: None }
    }

    fn found(config: &Config, key: &str) -> String {
        config.get_json(key).unwrap()
    }

    #[test]
    fn nobody_is_searched_for_and_nothing_listens_by_itself() {
        let config = Network { connect: vec!["tcp/10.0.0.2:7447".into()], ..network() }.config(1 << 20).unwrap();
        assert_eq!(found(&config, "scouting/multicast/enabled"), "false");
        assert_eq!(found(&config, "scouting/gossip/enabled"), "false");
        assert_eq!(found(&config, "listen/endpoints"), "[]");
        assert_eq!(found(&config, "transport/link/tx/queue/size/data"), "16");
        assert_eq!(found(&config, "transport/unicast/open_timeout"), "3000");
        assert_eq!(found(&config, "connect/endpoints"), r#"["tcp/10.0.0.2:7447"]"#);
        assert_eq!(found(&config, "transport/link/rx/max_message_size"), "1048576");
    }

    #[test]
    fn a_side_that_only_connects_is_a_client_so_that_a_router_serves_it() {
        let config = Network { connect: vec!["tcp/10.0.0.2:7447".into()], ..network() }.config(1 << 20).unwrap();
        assert_eq!(found(&config, "mode"), r#""client""#);
        let config = Network { listen: vec!["tcp/10.0.0.2:7447".into()], ..network() }.config(1 << 20).unwrap();
        assert_ne!(found(&config, "mode"), r#""client""#);
    }

    #[test]
    fn what_a_file_says_stays() {
        let file = std::env::temp_dir().join(format!("ringmain-bridge-config-{}.json5", process::id()));
        std::fs::write(
            &file,
            r#"{
            mode: "client",
            scouting: { multicast: { enabled: true } },
            transport: { link: { tx: { queue: { size: { data: 3 } } } } },
        }"#,
        )
        .unwrap();
        let config = Network { zenoh_config: Some(file.clone()), listen: vec!["tcp/[::1]:7".into()], ..network() };
        let config = config.config(1 << 20);
        std::fs::remove_file(file).unwrap();
        let config = config.unwrap();
        assert_eq!(found(&config, "scouting/multicast/enabled"), "true");
        assert_eq!(found(&config, "transport/link/tx/queue/size/data"), "3");
        assert_eq!(found(&config, "scouting/gossip/enabled"), "false");
        assert_eq!(found(&config, "mode"), r#""client""#);
        assert_eq!(found(&config, "listen/endpoints"), r#"["tcp/[::1]:7"]"#);
    }

    #[test]
    fn an_endpoint_has_a_protocol_a_host_and_a_port() {
        for text in ["tcp/10.0.0.2:7447", "tls/receiver.example:7447", "tcp/[::1]:0", "tcp/[::]:7447#iface=eth0"] {
            assert_eq!(parse_endpoint(text), Ok(text.to_owned()));
        }
        for text in ["nowhere", "", "tcp/", "tcp/10.0.0.2", "tcp/:7447", "tcp/a:b", "tcp/a:65536", "udp/10.0.0.2:7447"]
        {
            let refused = parse_endpoint(text).unwrap_err();
            assert!(refused.contains("expected tcp/HOST:PORT"), "{refused}");
        }
    }

    #[test]
    fn keys_have_no_wildcards() {
        assert_eq!(parse_key("plant/7/ticks"), Ok("plant/7/ticks".into()));
        for text in ["", "/a", "a/", "a//b", "a/*", "**", "a/b?c", "a#b"] {
            assert!(parse_key(text).is_err(), "{text}");
        }
        let sender = key_of_sender("a/b", 0x1f, &[0xab; 16]);
        assert_eq!(sender, format!("a/b/000000000000001f/sender/{}", "ab".repeat(16)));
        assert!(KeyExpr::new(sender).is_ok());
    }
}

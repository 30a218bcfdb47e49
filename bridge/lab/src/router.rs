//! A router of Zenoh, and nothing else.

use anyhow::{Result, anyhow};
use zenoh::{Config, Wait};

/// Returns a configuration that finds nobody by itself.
///
/// # Errors
/// - Zenoh does not know one of its settings
pub fn config(mode: &str, listen: &[String], connect: &[String]) -> Result<Config> {
    let mut config = Config::default();
    let settings = [
        ("mode", serde_json::to_string(mode)?),
        ("scouting/multicast/enabled", "false".to_owned()),
        ("scouting/gossip/enabled", "false".to_owned()),
        ("listen/endpoints", serde_json::to_string(listen)?),
        ("connect/endpoints", serde_json::to_string(connect)?),
        ("connect/timeout_ms", "-1".to_owned()),
        ("connect/exit_on_failure", "false".to_owned()),
    ];
    for (name, value) in settings {
        config.insert_json5(name, &value).map_err(|error| anyhow!("{name}: {error}"))?;
    }
    Ok(config)
}

/// Routes between all that connect here, until this process is killed.
///
/// # Errors
/// - it cannot listen there
pub fn run(listen: &str) -> Result<()> {
    let config = config("router", &[listen.to_owned()], &[])?;
    let _session = zenoh::open(config).wait().map_err(|error| anyhow!("cannot open a router: {error}"))?;
    loop {
        std::thread::park();
    }
}

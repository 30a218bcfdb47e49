//! Gives the shared library the name by which programs ask for it when they start.

use std::env;

fn main() {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION_{name}")).unwrap_or_default();
    // While the version begins with 0, each minor version has an ABI of its own.
    let version = match (part("MAJOR").as_str(), part("MINOR")) {
        ("0", minor) => format!("0.{minor}"),
        (major, _) => major.to_owned(),
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libringmain.so.{version}");
    println!("cargo::rerun-if-changed=build.rs");
}

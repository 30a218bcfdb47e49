//! Gives the shared library the name by which programs ask for it when they start, and a panic that is short.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION_{name}")).unwrap_or_default();
    // While the version begins with 0, each minor version has an ABI of its own.
    let version = match (part("MAJOR").as_str(), part("MINOR")) {
        ("0", minor) => format!("0.{minor}"),
        (major, _) => major.to_owned(),
    };
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libringmain.so.{version}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=panic.rs");
    if let Err(why) = shorten_panics() {
        println!("cargo::warning=the shared library is a third larger, with all that shows backtraces: {why}");
    }
}

/// A panic of the standard library reads debugging information, to show where it came from, and so does the end of a
/// process without memory: a third of the library, for what is never to happen. Whatever panics calls one function,
/// whose name only the compiler knows; the linker is told that one of panic.rs is meant by it, and leaves out what
/// nobody calls any more. The name is that of any panic handler; that of the other function differs in its last part.
fn shorten_panics() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let (probe, source, object) = (out.join("probe.rs"), out.join("panic.rs"), out.join("panic.o"));
    let handler = "#![no_std]\n#[panic_handler]\nfn handler(_: &core::panic::PanicInfo<'_>) -> ! { loop {} }\n";
    fs::write(&probe, handler).map_err(|error| error.to_string())?;
    let listing = out.join("probe.s");
    compile(&probe, "asm", &listing)?;
    let listing = fs::read_to_string(listing).map_err(|error| error.to_string())?;
    let name =
        listing.lines().find_map(|line| line.strip_suffix(':').filter(|name| name.contains("rust_begin_unwind")));
    let prefix = name.and_then(|name| name.strip_suffix("17rust_begin_unwind"));
    let prefix = prefix.ok_or("the compiler calls panic handlers otherwise")?;

    let mut text = fs::read_to_string("panic.rs").map_err(|error| error.to_string())?;
    for (placeholder, last) in [("PANIC", "17rust_begin_unwind"), ("NO_MEMORY", "26___rust_alloc_error_handler")] {
        text = text.replace(&format!("\"{placeholder}\""), &format!("\"__wrap_{prefix}{last}\""));
        println!("cargo::rustc-cdylib-link-arg=-Wl,--wrap={prefix}{last}");
    }
    fs::write(&source, text).map_err(|error| error.to_string())?;
    compile(&source, "obj", &object)?;
    println!("cargo::rustc-cdylib-link-arg={}", object.display());
    Ok(())
}

fn compile(source: &Path, kind: &str, to: &Path) -> Result<(), String> {
    let mut rustc = Command::new(env::var_os("RUSTC").ok_or("no RUSTC")?);
    rustc.args(["--edition=2024", "--crate-type=lib", "-Copt-level=s", "-Cpanic=abort", "-Ccodegen-units=1"]);
    rustc.args(["-Crelocation-model=pic", "--emit", kind]).arg(source).arg("-o").arg(to);
    let target = env::var_os("TARGET").filter(|target| env::var_os("HOST").is_none_or(|host| host != *target));
    if let Some(target) = target {
        rustc.arg("--target").arg(target);
    }
    match rustc.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join("; ")),
        Err(error) => Err(error.to_string()),
    }
}

//! The header is the one that cbindgen makes of the sources.

use std::path::Path;
use std::{env, fs};

/// `RINGMAIN_WRITE=1 cargo test -p ringmain-capi --features header --test header` writes it anew.
#[test]
fn the_header_is_made_of_the_sources() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::generate_with_config(folder, config).unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    let path = folder.join("include/ringmain.h");
    if env::var_os("RINGMAIN_WRITE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let header = fs::read_to_string(&path).unwrap_or_default();
    let differs = header.lines().zip(made.lines()).position(|(one, other)| one != other);
    assert!(
        header == made,
        "line {:?} of include/ringmain.h is not that of the sources: \
         RINGMAIN_WRITE=1 cargo test -p ringmain-capi --features header --test header",
        differs.map(|at| at + 1)
    );
    // Whoever reads it has 120 columns.
    let long = header.lines().position(|line| line.chars().count() > 120);
    assert_eq!(long.map(|at| at + 1), None, "a line of include/ringmain.h is longer than 120 columns");
}

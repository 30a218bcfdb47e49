//! The golden bytes are what the library leaves. `RINGMAIN_WRITE=1 cargo test -p conformance --test golden` makes them.

use std::fs;

use anyhow::Result;
use conformance::golden::{Golden, all};
use conformance::peer::Program;

/// Plays a description by two Rust peers.
fn play(golden: &Golden) -> Result<Vec<u8>> {
    let program = Program::new(env!("CARGO_BIN_EXE_rust-peer"))?;
    golden.bytes(program.start()?, program.start()?, false)
}

#[test]
#[cfg_attr(target_endian = "big", ignore = "the files are those of a little-endian machine")]
fn the_library_leaves_the_golden_bytes() -> Result<()> {
    for golden in all()? {
        let found = play(&golden)?;
        if std::env::var_os("RINGMAIN_WRITE").is_some() {
            fs::write(golden.file(), &found)?;
        }
        golden.compare(&found)?;
    }
    Ok(())
}

#[test]
fn a_byte_that_differs_is_seen_unless_it_is_masked() -> Result<()> {
    let golden = all()?.into_iter().find(|golden| golden.name == "message-8").expect("a description of messages");
    let bytes = fs::read(golden.file())?;
    golden.compare(&bytes)?;
    // A capacity, a position, a header, a payload, the header at the tail.
    for at in [0x0028, 0x0180, 0x1011, 0x1020, 0x1030] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let seen = golden.compare(&other).expect_err("another byte").to_string();
        assert!(seen.contains(&format!("{:#06x}", at / 8 * 8)), "{seen}");
    }
    assert!(golden.compare(&bytes[1..]).is_err());
    // What is masked is 0 in the file, whatever the ring held: the ring id, a pid, a bit, what was given back.
    assert_eq!([0x0070, 0x0088, 0x00a8, 0x1008].map(|at| bytes[at]), [0; 4]);
    Ok(())
}

#[test]
fn every_file_has_a_description() -> Result<()> {
    let described: Vec<_> = all()?.iter().map(Golden::file).collect();
    let folder = described[0].parent().expect("a folder").to_owned();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let known = path.extension().is_some_and(|ending| ending == "txt") || described.contains(&path);
        assert!(known, "{} belongs to no description", path.display());
    }
    Ok(())
}

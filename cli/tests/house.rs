//! Facts about the sources of the command, of peers/ and of what both have in common: who imports whom, which is never
//! a circle.

#[path = "../../tests/common/imports.rs"]
mod imports;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use imports::{Source, circle, draw, imports, sources};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// `RINGMAIN_WRITE=1 cargo test -p ringmain-cli --test house` writes the drawing anew.
#[test]
fn arrows_go_one_way_and_are_drawn() {
    let mut drawing = String::new();
    let folders = ["cli/src", "measure/src", "peers/src"];
    let folders = folders
        .into_iter()
        .flat_map(|root| imports(&sources(&self::root().join(root))).into_iter().map(move |it| (root, it)));
    for (root, (folder, arrows)) in folders {
        let circle = circle(&arrows);
        assert!(circle.is_empty(), "{root}/{folder}: {circle:?} import one another: {arrows:?}");
        let gap = if drawing.is_empty() { "" } else { "\n" };
        write!(drawing, "{gap}{root}/{folder}\n{}", draw(&arrows)).unwrap();
    }
    let path = root().join("docs/modules-cli.txt");
    if std::env::var_os("RINGMAIN_WRITE").is_some() {
        fs::write(&path, &drawing).unwrap();
    }
    let how = "RINGMAIN_WRITE=1 cargo test -p ringmain-cli --test house";
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), drawing, "{how}");
}

#[track_caller]
fn check_circle(files: &[(&str, &str)], folder: &str, expected: &[&str]) {
    let source = |(file, text): &(&str, &str)| (file.split('/').map(str::to_owned).collect(), (*text).to_owned());
    let sources: Vec<Source> = files.iter().map(source).collect();
    assert_eq!(circle(&imports(&sources)[folder]), expected);
}

#[test]
fn a_circle_is_seen() {
    let main = ("main", "mod a;\nmod b;\nmod c;");
    check_circle(&[main, ("a", "use crate::b;"), ("b", "use crate::c::C;"), ("c", "")], "", &[]);
    let b = ("b/mod", "use crate::{a::A, c::{C, D}};");
    check_circle(&[main, ("a", "super::b::f()"), b, ("c", "// use\nuse\nsuper::a;")], "", &["a", "b", "c"]);
    check_circle(&[main, ("a/mod", ""), ("a/b", "use super::super::c;"), ("c", "use crate::a::b;")], "", &["a", "c"]);
    check_circle(&[main, ("a/mod", ""), ("a/b", "use super::Item;"), ("a/c", "")], "a", &["b", "mod"]);
    check_circle(&[main, ("a", "pub(crate) use crate::*;"), ("b", ""), ("c", "")], "", &["a", "mod"]);
    check_circle(&[main, ("a", "mod tests {\nuse crate::b;\n}"), ("b", "use crate::a;")], "", &[]);
}

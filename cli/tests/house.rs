//! Facts about the sources of the command, of peers/ and of what both have in common: who imports whom, which is never
//! a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A source file: its path below `src` without an ending, and its text.
type Source = (Vec<String>, String);

/// The modules of one folder, each with those of the same folder that it imports. `mod` is the folder's own file.
type Arrows = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Reads all sources below a folder of this repository.
fn sources(folder: &str) -> Vec<Source> {
    let (mut sources, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let inner = path.strip_prefix(root().join(folder)).unwrap().with_extension("");
                let inner = inner.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                sources.push((inner, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

/// Returns the module that a file is: `a/mod.rs` is `a`, and `main.rs` is the root.
fn module(file: &[String]) -> &[String] {
    match file {
        [inner @ .., name] if ["lib", "main", "mod"].contains(&&**name) => inner,
        file => file,
    }
}

/// Returns all paths in a code, those in braces one by one.
fn paths(code: &str) -> Vec<Vec<&str>> {
    let (mut found, mut groups, mut path) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rest, mut goes_on) = (code.trim_start(), false);
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let (token, after) = rest.split_at(if rest.starts_with("::") { 2 } else { word.max(first.len_utf8()) });
        if goes_on && (word > 0 || token == "*") {
            path.push(token);
        } else if token == "{" && goes_on {
            groups.push(std::mem::take(&mut path));
        } else if token != "::" {
            found.push(std::mem::take(&mut path));
            if word > 0 {
                path = groups.last().cloned().unwrap_or_default();
                path.push(token);
            } else if token == "}" {
                groups.pop();
            }
        }
        (rest, goes_on) = (after.trim_start(), token == "::");
    }
    found
}

/// Returns a path from the root, if it is one of this program: `super` is followed from the module that names it.
fn absolute(path: &[&str], module: &[String]) -> Option<Vec<String>> {
    // Not those of `pub(crate)`.
    path.get(1)?;
    let rest = path.iter().skip_while(|word| ["crate", "self", "super"].contains(word));
    let from = match *path.first()? {
        "crate" => 0,
        "self" => module.len(),
        "super" => module.len() - path.iter().filter(|word| **word == "super").count(),
        _ => return None,
    };
    Some(module[..from].iter().cloned().chain(rest.map(|&word| word.to_owned())).collect())
}

/// Who imports whom, by folder. Comments and tests are left out.
fn imports(sources: &[Source]) -> BTreeMap<String, Arrows> {
    let modules: BTreeSet<&[String]> = sources.iter().map(|(file, _)| module(file)).collect();
    let mut folders = BTreeMap::<String, Arrows>::new();
    for (file, text) in sources.iter().filter(|(file, _)| file.last().is_none_or(|name| name != "tests")) {
        let from = module(file);
        let code = text.split("mod tests {").next().unwrap_or_default();
        let code: String = code.lines().filter_map(|line| line.split("//").next()).collect::<Vec<_>>().join("\n");
        let named = paths(&code).into_iter().filter_map(|path| absolute(&path, from)).collect::<Vec<_>>();
        let children = modules.iter().filter(|one| one.len() == from.len() + 1 && one.starts_with(from));
        let children = children.map(|child| child.to_vec());
        let above = from.len().saturating_sub(1);
        folders.entry(from[..above].join("/")).or_default().entry(name(from, above)).or_default();
        for to in named.into_iter().chain(children) {
            let to = (0..=to.len()).rev().map(|len| &to[..len]).find(|some| modules.contains(some)).unwrap();
            let common = from.iter().zip(to).take_while(|(one, other)| one == other).count();
            if from != to {
                let arrows = folders.entry(from[..common].join("/")).or_default();
                arrows.entry(name(from, common)).or_default().insert(name(to, common));
            }
        }
    }
    folders
}

/// Returns what a module is called in a folder that has so many above it.
fn name(module: &[String], level: usize) -> String {
    module.get(level).map_or("mod", |name| name).to_owned()
}

/// Returns the modules that import one another, be it through others.
fn circle(arrows: &Arrows) -> Vec<String> {
    let mut left = arrows.clone();
    loop {
        let named: BTreeSet<String> = left.values().flatten().cloned().collect();
        let is_end = |(name, names): (&String, &BTreeSet<String>)| {
            (!named.contains(name) || names.iter().all(|other| !left.contains_key(other))).then(|| name.clone())
        };
        match left.iter().find_map(is_end) {
            Some(end) => left.remove(&end),
            None => return left.into_keys().collect(),
        };
    }
}

/// `RINGMAIN_WRITE=1 cargo test -p ringmain-cli --test house` writes the drawing anew.
#[test]
fn arrows_go_one_way_and_are_drawn() {
    let mut drawing = String::new();
    let folders = ["cli/src", "measure/src", "peers/src"];
    let folders = folders.into_iter().flat_map(|root| imports(&sources(root)).into_iter().map(move |it| (root, it)));
    for (root, (folder, arrows)) in folders {
        let circle = circle(&arrows);
        assert!(circle.is_empty(), "{root}/{folder}: {circle:?} import one another: {arrows:?}");
        let gap = if drawing.is_empty() { "" } else { "\n" };
        writeln!(drawing, "{gap}{root}/{folder}").unwrap();
        for (module, named) in arrows.iter().filter(|(module, _)| *module != "mod") {
            let named: Vec<&str> = named.iter().map(String::as_str).collect();
            let named = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
            writeln!(drawing, "{module:<16} -> {named}").unwrap();
        }
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

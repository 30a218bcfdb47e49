//! Who imports whom among the modules of a program, by their sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// A source file: its path below `src` without an ending, and its text.
pub(crate) type Source = (Vec<String>, String);

/// The modules of one folder, each with those of the same folder that it imports. `mod` is the folder's own file.
pub(crate) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// Reads all sources below a folder.
pub(crate) fn sources(folder: &Path) -> Vec<Source> {
    let (mut sources, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let inner = path.strip_prefix(folder).unwrap().with_extension("");
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
pub(crate) fn paths(code: &str) -> Vec<Vec<&str>> {
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

/// Returns which modules there are.
fn modules(sources: &[Source]) -> BTreeSet<&[String]> {
    sources.iter().map(|(file, _)| module(file)).collect()
}

/// Returns each module with one that it names. Comments and tests are left out.
pub(crate) fn named(sources: &[Source]) -> Vec<(&[String], &[String])> {
    let modules = modules(sources);
    let mut found = Vec::new();
    for (file, text) in sources.iter().filter(|(file, _)| !file.contains(&"tests".to_owned())) {
        let from = module(file);
        let code = text.split("mod tests {").next().unwrap_or_default();
        let code: String = code.lines().filter_map(|line| line.split("//").next()).collect::<Vec<_>>().join("\n");
        for path in paths(&code).into_iter().filter_map(|path| absolute(&path, from)) {
            let longest = (0..=path.len()).rev().find_map(|len| modules.get(&path[..len]));
            found.extend(longest.filter(|to| **to != from).map(|to| (from, *to)));
        }
    }
    found
}

/// Who imports whom, by folder. A module imports those that lie in it.
pub(crate) fn imports(sources: &[Source]) -> BTreeMap<String, Arrows> {
    let sources: Vec<Source> =
        sources.iter().filter(|(file, _)| !file.contains(&"tests".to_owned())).cloned().collect();
    let mut folders = BTreeMap::<String, Arrows>::new();
    for one in modules(&sources) {
        let above = one.len().saturating_sub(1);
        folders.entry(one[..above].join("/")).or_default().entry(name(one, above)).or_default();
    }
    let children = modules(&sources).into_iter().filter(|one| !one.is_empty()).map(|one| (&one[..one.len() - 1], one));
    for (from, to) in named(&sources).into_iter().chain(children) {
        let common = from.iter().zip(to).take_while(|(one, other)| one == other).count();
        let arrows = folders.entry(from[..common].join("/")).or_default();
        arrows.entry(name(from, common)).or_default().insert(name(to, common));
    }
    folders
}

/// Returns what a module is called in a folder that has so many above it.
fn name(module: &[String], level: usize) -> String {
    module.get(level).map_or("mod", |name| name).to_owned()
}

/// Returns the modules that import one another, be it through others.
pub(crate) fn circle(arrows: &Arrows) -> Vec<String> {
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

/// Draws who imports whom in a folder, a line for each module but the folder's own file.
pub(crate) fn draw(arrows: &Arrows) -> String {
    let mut drawing = String::new();
    for (module, named) in arrows.iter().filter(|(module, _)| *module != "mod") {
        let mut line = format!("{module:<16} ->{}", if named.is_empty() { " nothing" } else { "" });
        for (at, name) in named.iter().enumerate() {
            if line.len() + name.len() > 117 {
                writeln!(drawing, "{line}").unwrap();
                line = " ".repeat(19);
            }
            write!(line, " {name}{}", if at + 1 < named.len() { "," } else { "" }).unwrap();
        }
        writeln!(drawing, "{line}").unwrap();
    }
    drawing
}

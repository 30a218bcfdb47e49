//! The files of one processor's figures: the results, the page about them, and the picture on it.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use super::{markdown, picture};
use crate::results::Results;

/// Where the figures of one processor stand.
pub(crate) struct Files {
    folder: PathBuf,
    model: String,
}

impl Files {
    /// Makes the folder where it is not there, and finds out whether the files can be written: a measurement takes too
    /// long to learn that at its end.
    pub(crate) fn prepare(folder: &Path, model: &str) -> Result<Files, Box<dyn Error>> {
        let files = Files { folder: folder.to_owned(), model: model.to_owned() };
        let refused = |why: String| format!("cannot write the report into {}: {why}", folder.display());
        fs::create_dir_all(folder).map_err(|error| refused(error.to_string()))?;
        for ending in ["json", "md", "svg"] {
            let path = files.path(ending);
            if path.exists() && !path.is_file() {
                return Err(refused(format!("{} is no file", path.display())).into());
            }
        }
        let trial = files.unfinished("trial");
        fs::write(&trial, "").map_err(|error| refused(error.to_string()))?;
        fs::remove_file(trial)?;
        Ok(files)
    }

    /// Returns those of the results in this file.
    fn beside(results: &Path) -> Option<Files> {
        let model = results.file_stem()?.to_str()?.to_owned();
        Some(Files { folder: results.parent()?.to_owned(), model })
    }

    /// Writes all of them.
    pub(crate) fn write(&self, results: &Results) -> Result<(), Box<dyn Error>> {
        self.replace("json", &(serde_json::to_string_pretty(results)? + "\n"))?;
        self.write_page(results)
    }

    /// Writes the page and the picture beside the results.
    fn write_page(&self, results: &Results) -> Result<(), Box<dyn Error>> {
        self.replace("md", &markdown::page(results, &self.model))?;
        self.replace("svg", &picture::draw(results)?)
    }

    /// Puts a file in the place of an earlier one, which is there until then.
    fn replace(&self, ending: &str, text: &str) -> Result<(), Box<dyn Error>> {
        let unfinished = self.unfinished(ending);
        fs::write(&unfinished, text)?;
        Ok(fs::rename(unfinished, self.path(ending))?)
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.model))
    }

    fn unfinished(&self, ending: &str) -> PathBuf {
        self.folder.join(format!(".{}.{ending}.{}", self.model, std::process::id()))
    }
}

/// Writes the pages and pictures of a folder once more, from the results there.
pub(crate) fn write_again(folder: &Path) -> Result<(), Box<dyn Error>> {
    let mut found = false;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let results = fs::read_to_string(&path)?;
        let results = serde_json::from_str(&results).map_err(|error| format!("{}: {error}", path.display()))?;
        Files::beside(&path).ok_or("a file of results has a name")?.write_page(&results)?;
        found = true;
    }
    if found { Ok(()) } else { Err(format!("no results in {}", folder.display()).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::mixed;

    /// A folder that a test has for itself.
    struct Folder(PathBuf);

    impl Folder {
        fn new(test: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("peers-{test}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Folder(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[track_caller]
    fn check_refused(folder: &Path, why: &str) {
        let error = Files::prepare(folder, "model").err().expect("a folder that is refused").to_string();
        assert!(error.contains(why) && error.contains(folder.to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_folder_is_made_and_nothing_is_left_in_it() {
        let folder = Folder::new("made");
        let inner = folder.0.join("a/b");
        Files::prepare(&inner, "model").unwrap();
        assert!(inner.is_dir() && fs::read_dir(&inner).unwrap().next().is_none());
    }

    #[test]
    fn a_folder_that_cannot_be_one_or_be_written_is_refused() {
        let folder = Folder::new("refused");
        let file = folder.0.join("file");
        fs::write(&file, "").unwrap();
        check_refused(&file, "exists");
        check_refused(&file.join("below"), "directory");
        // Nobody may make files there, not even root.
        check_refused(Path::new("/proc"), "");
        fs::create_dir(folder.0.join("model.md")).unwrap();
        check_refused(&folder.0, "model.md is no file");
    }

    #[test]
    fn the_files_of_a_processor_have_its_name_and_leave_those_of_others() {
        let folder = Folder::new("written");
        fs::write(folder.0.join("other.json"), "figures").unwrap();
        let files = Files::prepare(&folder.0, "model").unwrap();
        files.write(&mixed()).unwrap();
        files.write(&mixed()).unwrap();
        assert_eq!(folder.names(), ["model.json", "model.md", "model.svg", "other.json"]);
        assert_eq!(fs::read_to_string(folder.0.join("other.json")).unwrap(), "figures");
        let page = fs::read_to_string(folder.0.join("model.md")).unwrap();
        assert!(page.contains("(model.json)") && page.contains("(model.svg)"), "{page}");
    }

    #[test]
    fn pages_are_written_once_more_from_results() {
        let folder = Folder::new("again");
        Files::prepare(&folder.0, "model").unwrap().write(&mixed()).unwrap();
        let page = fs::read_to_string(folder.0.join("model.md")).unwrap();
        fs::write(folder.0.join("model.md"), "").unwrap();
        fs::remove_file(folder.0.join("model.svg")).unwrap();
        write_again(&folder.0).unwrap();
        assert_eq!(fs::read_to_string(folder.0.join("model.md")).unwrap(), page);
        assert_eq!(folder.names(), ["model.json", "model.md", "model.svg"]);
        fs::write(folder.0.join("other.json"), "figures").unwrap();
        assert!(write_again(&folder.0).unwrap_err().to_string().contains("other.json"));
    }

    /// `cargo run -- report ../docs/benchmarks` writes the pages.
    #[test]
    fn every_page_in_docs_is_what_its_results_say() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks");
        let list = fs::read_to_string(folder.join("README.md")).unwrap();
        let mut count = 0;
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|ending| ending == "json") {
                let model = path.file_stem().unwrap().to_str().unwrap();
                let results: Results = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
                let page = fs::read_to_string(path.with_extension("md")).unwrap();
                assert!(page == markdown::page(&results, model), "{model}.md is not what {model}.json says");
                assert!(path.with_extension("svg").is_file(), "{model}.svg");
                assert!(list.contains(&format!("[{model}]({model}.md)")), "docs/benchmarks/README.md names no {model}");
                count += 1;
            }
        }
        assert!(count >= 2, "figures of a processor are gone");
    }

    #[test]
    fn the_pictures_of_the_first_page_are_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let text = fs::read_to_string(root.join("README.md")).unwrap();
        let pictures = text.split("](").filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        let pictures: Vec<&str> = pictures.filter(|link| link.starts_with("docs/benchmarks/")).collect();
        assert!(!pictures.is_empty(), "README.md shows no figures");
        for picture in pictures {
            assert!(root.join(picture).is_file(), "{picture}");
        }
    }
}

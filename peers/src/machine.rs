//! What was measured on, and with which versions.

use ringmain_measure::cpuinfo;
use rustix::system::uname;
use serde::{Deserialize, Serialize};

/// The machine, as far as a reader of the figures needs it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    /// What files of figures of this processor are called. Empty in results of before they were called so.
    #[serde(default)]
    pub(crate) model: String,
    pub(crate) processors: usize,
    /// Those that the two ends ran on.
    pub(crate) used: [usize; 2],
    pub(crate) system: String,
    pub(crate) virtual_machine: bool,
}

impl Machine {
    /// Looks at this one.
    pub(crate) fn look(used: [usize; 2]) -> Machine {
        let first = |key: &str| cpuinfo(key).into_iter().next().unwrap_or_default();
        let name = first("model name");
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let (family, model) = (first("cpu family"), first("model"));
        // Those of ARM have no name here.
        let parts = [first("CPU implementer"), first("CPU part")];
        let system = uname();
        let release = system.release().to_string_lossy().into_owned();
        Machine {
            model: slug(&name, &first("vendor_id"), [&family, &model], [&parts[0], &parts[1]]),
            processor: if name.is_empty() {
                format!("implementer {} part {}", parts[0], parts[1])
            } else {
                format!("{name}, family {family} model {model}")
            },
            processors: cpuinfo("processor").len(),
            used,
            system: format!("{} {}", system.sysname().to_string_lossy(), release.split('-').next().unwrap_or(&release)),
            virtual_machine: first("flags").split(' ').any(|flag| flag == "hypervisor"),
        }
    }
}

/// Returns what a processor is called in a file's name: by its own name where that has a number of several digits, as
/// the models of makers have, or else by its maker, family and model.
fn slug(name: &str, vendor: &str, [family, model]: [&str; 2], [implementer, part]: [&str; 2]) -> String {
    let plain = name.replace("(R)", "").replace("(TM)", "").replace("(tm)", "");
    // The clock and the number of cores say nothing of the model.
    let words = plain.split('@').next().unwrap_or_default().split_whitespace();
    let words = words.filter(|word| !["CPU", "Processor"].contains(word) && !word.ends_with("-Core"));
    let words: Vec<&str> = words.collect();
    let is_number = |word: &&str| word.chars().filter(char::is_ascii_digit).count() >= 3;
    if words.iter().any(is_number) {
        return kebab(&words.join(" "));
    }
    if !family.is_empty() && !model.is_empty() {
        let vendor = match vendor {
            "GenuineIntel" => "intel",
            "AuthenticAMD" => "amd",
            other => other,
        };
        return kebab(&format!("{vendor} family {family} model {model}"));
    }
    match kebab(&format!("{implementer} {part}")) {
        parts if parts.is_empty() => "unknown-processor".to_owned(),
        _ => kebab(&format!("implementer {implementer} part {part}")),
    }
}

/// Returns a text in lower case, with dashes between its words and nothing that a file's name had better not have.
fn kebab(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// Returns the version of a package in the lock file that this program was built with.
pub(crate) fn version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let line = lines.next().and_then(|line| line.strip_prefix("version = "));
    line.map_or("unknown".to_owned(), |version| version.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_is_called_by_maker_family_and_model_unless_its_name_says_more() {
        let none = ["", ""];
        let intel = "Intel(R) Xeon(R) Processor";
        assert_eq!(slug(intel, "GenuineIntel", ["6", "207"], none), "intel-family-6-model-207");
        assert_eq!(slug("AMD EPYC", "AuthenticAMD", ["25", "1"], none), "amd-family-25-model-1");
        assert_eq!(slug("", "Maker/../Of", ["1", "2"], none), "maker-of-family-1-model-2");
        let named = "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz";
        assert_eq!(slug(named, "GenuineIntel", ["6", "143"], none), "intel-xeon-platinum-8481c");
        let named = "AMD EPYC 7763 64-Core Processor";
        assert_eq!(slug(named, "AuthenticAMD", ["25", "1"], none), "amd-epyc-7763");
        assert_eq!(slug("", "", none, ["0x41", "0xd0c"]), "implementer-0x41-part-0xd0c");
        assert_eq!(slug("", "", none, none), "unknown-processor");
    }

    #[test]
    fn this_processor_has_a_name_for_files() {
        let model = Machine::look([0, 1]).model;
        assert!(!model.is_empty() && kebab(&model) == model, "{model:?}");
    }

    #[test]
    fn the_version_of_every_subject_is_known() {
        for subject in &crate::subjects::ALL {
            assert_ne!(version(subject.package), "unknown", "{}", subject.package);
        }
        assert_eq!(version("no-such-package"), "unknown");
    }
}

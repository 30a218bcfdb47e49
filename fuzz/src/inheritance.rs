//! What a process may find in the variable that tells it of a ring.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;

use ringmain::pass::{self, PassError};
use ringmain::{Options, message};

use crate::choices::Bytes;
use crate::descriptors::{self, flags};
use crate::hostile::Choices;

const VARIABLE: &str = "FUZZ_RING";

/// The descriptors that this process has inherited, as it seems.
pub struct Inheritance {
    _producers: [message::Producer; 2],
    descriptors: Vec<OwnedFd>,
}

/// How many of the descriptors are those of rings: the first ones.
const RINGS: u64 = 2;

/// What a text says that is as [`pass::inherit`] writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    number: i32,
    object: (u64, u64),
}

impl Default for Inheritance {
    fn default() -> Inheritance {
        let producers = [(); RINGS as usize].map(|()| Options::anonymous().capacity(4096).message_producer().unwrap());
        let mut descriptors: Vec<_> =
            producers.iter().map(|producer| producer.descriptor().try_clone_to_owned().unwrap()).collect();
        descriptors.extend(["/dev/null", "/proc/self/fd"].map(|path| OwnedFd::from(File::open(path).unwrap())));
        descriptors.extend([descriptors::memory_file().into(), descriptors::pipe()]);
        check_format(descriptors[0].as_fd());
        Inheritance { _producers: producers, descriptors }
    }
}

/// Checks that what is parsed here is what the library writes.
fn check_format(ring: BorrowedFd<'_>) {
    let mut command = Command::new("none");
    pass::inherit(&mut command, ring, VARIABLE).unwrap();
    let text = command.get_envs().find_map(|(name, value)| (name == VARIABLE).then_some(value?)).unwrap();
    assert_eq!(Note::parse(text.as_bytes()).unwrap().object, descriptors::object(ring), "{text:?}");
}

impl Inheritance {
    /// Makes a variable of an input, and asks for what it names.
    ///
    /// # Panics
    ///
    /// If anything else is opened, or the error is not the right one, or a flag is changed that is none of its
    /// business, or a descriptor is left open.
    pub fn round(&self, input: &[u8]) {
        self.descriptors.iter().for_each(|descriptor| descriptors::set_inherited(descriptor, true));
        let text = self.text(&Bytes::new(input));
        let before: Vec<_> = descriptors::open().into_iter().map(|number| (number, flags(number))).collect();
        // SAFETY: no other thread of a fuzzer uses the environment.
        unsafe { env::set_var(VARIABLE, OsStr::from_bytes(&text)) };
        let inherited = pass::inherited(VARIABLE);
        let note = Note::parse(&text);
        let is_ours = note.is_some_and(|note| {
            let rings = &self.descriptors[..RINGS as usize];
            rings.iter().any(|ring| note == Note::of(ring.as_fd()))
        });
        let kept = match &inherited {
            Ok(descriptor) => {
                let note = note.expect("a note");
                assert_eq!(descriptors::object(descriptor), note.object, "what was opened");
                assert!(descriptor.as_raw_fd() > 2, "it is one of the standard streams");
                assert_eq!(flags(descriptor.as_raw_fd()), Some(libc::FD_CLOEXEC), "it is inherited in turn");
                Some(note.number).filter(|&number| number > 2)
            }
            Err(error) => {
                assert!(!is_ours, "refused a ring: {error:?}");
                check(error, &text, note);
                None
            }
        };
        drop(inherited);
        let after = before.iter().map(|&(number, flags)| match kept == Some(number) {
            true => (number, Some(libc::FD_CLOEXEC)),
            false => (number, flags),
        });
        let found: Vec<_> = descriptors::open().into_iter().map(|number| (number, flags(number))).collect();
        assert_eq!(found, after.collect::<Vec<_>>(), "the descriptors and their flags");
    }

    /// Chooses what the variable holds.
    fn text(&self, choices: &Bytes<'_>) -> Vec<u8> {
        let descriptor = |most| self.descriptors[choices.below(most) as usize].as_fd();
        let mut note = Note::of(match choices.below(4) {
            0 | 1 => descriptor(RINGS),
            _ => descriptor(self.descriptors.len() as u64),
        });
        match choices.below(8) {
            0 => note.object = descriptors::object(descriptor(self.descriptors.len() as u64)),
            1 => note.object.0 = choices.any(),
            2 => note.object.1 = choices.any(),
            3 => note.number = choices.below(64) as i32,
            4 => note.number = choices.any() as i32,
            _ => {}
        }
        let mut text = note.text().into_bytes();
        match choices.below(8) {
            0 => text.insert(choices.below(text.len() as u64 + 1) as usize, choices.any() as u8),
            1 => _ = text.remove(choices.below(text.len() as u64) as usize),
            2 => text[choices.below(note.text().len() as u64) as usize] = choices.any() as u8,
            3 => text = (0..choices.below(48)).map(|_| choices.any() as u8).collect(),
            _ => {}
        }
        // No variable can hold that.
        text.retain(|&byte| byte != 0);
        text
    }
}

/// Checks that a refusal has the reason that it names.
fn check(error: &PassError, text: &[u8], note: Option<Note>) {
    match (error, note) {
        (PassError::Malformed { found, .. }, None) => assert_eq!(found.clone().into_vec(), text),
        (PassError::NotInherited { number, .. }, Some(note)) => {
            assert_eq!((*number, flags(note.number)), (note.number, None));
        }
        (PassError::OtherFile { number, found, expected, .. }, Some(note)) => {
            assert_eq!((*number, *expected), (note.number, note.object));
            assert_eq!(*found, object_of(note.number));
            assert_ne!(found, expected);
        }
        // Which kinds are refused is the library's to say; that rings are not, is looked at elsewhere.
        (_, Some(note)) => assert_eq!(note.object, object_of(note.number), "{error:?}"),
        (error, None) => panic!("{error:?} of {text:?}"),
    }
    assert!(!error.to_string().contains(char::is_control), "{error}");
}

/// Returns the device and the inode behind the descriptor of a number, which is open.
fn object_of(number: i32) -> (u64, u64) {
    assert!(flags(number).is_some(), "descriptor {number} is not open");
    // SAFETY: it is open, and nobody closes it meanwhile.
    descriptors::object(unsafe { BorrowedFd::borrow_raw(number) })
}

impl Note {
    fn of(descriptor: BorrowedFd<'_>) -> Note {
        Note { number: descriptor.as_raw_fd(), object: descriptors::object(descriptor) }
    }

    fn text(&self) -> String {
        format!("{}:{}:{}", self.number, self.object.0, self.object.1)
    }

    /// Reads three numbers without a sign and without a 0 in front.
    fn parse(text: &[u8]) -> Option<Note> {
        let number = |text: &[u8]| {
            let is_number = text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || !text.starts_with(b"0"));
            str::from_utf8(text).ok().filter(|_| is_number)?.parse::<u64>().ok()
        };
        let mut fields = text.split(|&byte| byte == b':').map(number);
        let note = Note { number: fields.next()??.try_into().ok()?, object: (fields.next()??, fields.next()??) };
        fields.next().is_none().then_some(note)
    }
}

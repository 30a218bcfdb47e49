//! What comes through a socket where a descriptor is to be received.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use ringmain::pass::{self, PassError};

use crate::choices::Bytes;
use crate::descriptors;
use crate::hostile::Choices;

/// How many descriptors one part has at most: more than the library has room for.
const MOST: u64 = 12;

/// The bytes by which a greeting is recognized: magic, version, length.
const HEAD: usize = 24;

/// `SO_PASSPIDFD`, which libc lacks.
const PASS_PIDFD: libc::c_int = 76;

/// What a peer may send, and what it stands for.
pub struct Greeting {
    /// What `pass::send` sends.
    bytes: Vec<u8>,
    ring: File,
    others: [OwnedFd; 3],
}

/// A part of what was sent: where it begins, and its descriptors.
struct Part {
    start: usize,
    objects: Vec<(u64, u64)>,
}

impl Default for Greeting {
    fn default() -> Greeting {
        let ring = descriptors::memory_file();
        let (server, mut client) = UnixStream::pair().unwrap();
        pass::send(&server, &ring).unwrap();
        let mut bytes = vec![0; 64];
        let len = client.read(&mut bytes).unwrap();
        bytes.truncate(len);
        let socket = OwnedFd::from(server);
        let null = File::open("/dev/null").unwrap();
        Greeting { bytes, ring, others: [descriptors::pipe(), socket, null.into()] }
    }
}

impl Greeting {
    /// Sends what an input chooses, in some parts, and receives.
    ///
    /// # Panics
    ///
    /// If what is received is not what was sent, or the error is not the right one, or a descriptor is left open.
    pub fn round(&self, input: &[u8]) {
        let before = descriptors::open();
        self.make(&Bytes::new(input));
        assert_eq!(descriptors::open(), before, "the descriptors that are open");
    }

    fn make(&self, choices: &Bytes<'_>) {
        let (server, mut client) = UnixStream::pair().unwrap();
        client.set_nonblocking(true).unwrap();
        match choices.below(8) {
            0 => descriptors::ask_for(&client, libc::SO_PASSCRED),
            1 => descriptors::ask_for(&client, PASS_PIDFD),
            2 => [libc::SO_PASSCRED, PASS_PIDFD].iter().for_each(|&option| descriptors::ask_for(&client, option)),
            _ => {}
        }
        let (mut sent, mut parts) = (Vec::new(), Vec::new());
        for _ in 0..1 + choices.below(4) {
            let bytes = self.bytes(choices, sent.len());
            let descriptors = self.descriptors(choices);
            descriptors::send(&server, &bytes, &descriptors);
            parts.push(Part { start: sent.len(), objects: descriptors.iter().map(descriptors::object).collect() });
            sent.extend(bytes);
        }
        let is_over = choices.below(2) == 0;
        let _server = (!is_over).then_some(server);
        let received = pass::receive(&client);
        let greeting = self.bytes.as_slice();
        match received {
            Ok(descriptor) => {
                assert!(self.is_greeting(&sent), "taken for a greeting: {sent:?}");
                let came: Vec<_> = came(&parts, greeting.len()).collect();
                assert_eq!(came, [descriptors::object(&descriptor)], "what came with the greeting");
                assert!(descriptor.as_raw_fd() > 2, "it is one of the standard streams");
                assert_eq!(descriptors::flags(descriptor.as_raw_fd()), Some(libc::FD_CLOEXEC));
                // What follows the greeting is somebody else's.
                let mut rest = Vec::new();
                match client.read_to_end(&mut rest) {
                    Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
                    _ => assert_eq!(rest, &sent[greeting.len()..], "what follows the greeting"),
                }
            }
            Err(error) => self.check(&error, &sent, &parts, is_over),
        }
    }

    /// Chooses the bytes of a part. `len` is how many were sent before.
    fn bytes(&self, choices: &Bytes<'_>, len: usize) -> Vec<u8> {
        let mut bytes = match choices.below(4) {
            // What a greeting still lacks.
            0 => self.bytes[len.min(self.bytes.len() - 1)..].to_vec(),
            1 => self.bytes.clone(),
            2 => self.bytes[len.min(self.bytes.len() - 1)..][..1].to_vec(),
            _ => (0..1 + choices.below(40)).map(|_| choices.below(256) as u8).collect(),
        };
        if choices.below(4) == 3 {
            // One bit: what is nearly right is what may be taken for right.
            let at = choices.below(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << choices.below(8);
        }
        if choices.below(4) == 3 {
            bytes.truncate(1 + choices.below(bytes.len() as u64) as usize);
        }
        bytes
    }

    fn descriptors(&self, choices: &Bytes<'_>) -> Vec<BorrowedFd<'_>> {
        let count = match choices.below(4) {
            0 => 0,
            1 | 2 => 1,
            _ => choices.below(MOST),
        };
        let one = |_| match choices.below(4) {
            0 => self.ring.as_fd(),
            other => self.others[other as usize - 1].as_fd(),
        };
        (0..count).map(one).collect()
    }

    /// Returns whether what was sent begins with a greeting. Its sender may ask for something.
    fn is_greeting(&self, sent: &[u8]) -> bool {
        let Some((head, wishes)) = sent.get(..self.bytes.len()).and_then(|bytes| bytes.split_at_checked(HEAD)) else {
            return false;
        };
        head == &self.bytes[..HEAD] && wishes.iter().enumerate().all(|(at, &byte)| byte == 0 || at == 0 && byte == 1)
    }

    /// Checks that a refusal has the reason that it names.
    fn check(&self, error: &PassError, sent: &[u8], parts: &[Part], is_over: bool) {
        let greeting = self.bytes.as_slice();
        let word = |bytes: &[u8], at: usize| {
            let word = bytes.get(8 * at..8 * at + 8).expect("a word that has come");
            u64::from_ne_bytes(word.try_into().unwrap())
        };
        let is_whole = self.is_greeting(sent);
        let came = came(parts, greeting.len()).count();
        match error {
            PassError::OtherProtocol { word: name, found, expected } => {
                let at = ["magic", "version", "length", "wishes"].iter().position(|word| word == name);
                let at = at.expect("a word of a greeting");
                assert!(!expected.contains(found) && *found == word(sent, at), "{error:?}");
                // What a sender asks for is said behind the first three words, and is one of several.
                assert!(expected.contains(&word(greeting, at)), "{error:?}");
            }
            PassError::Descriptors { found, expected: 1 } => assert!(is_whole && came != 1 && *found == came),
            PassError::Truncated { found, expected: 1 } => assert!(came > 1 && *found < came, "{error:?} of {came}"),
            PassError::Ended { found, .. } => assert!(is_over && *found == sent.len() && sent.len() < greeting.len()),
            PassError::Unfinished { found, source, .. } => {
                assert_eq!(source.kind(), ErrorKind::WouldBlock, "{error:?}");
                assert!(!is_over && *found == sent.len() && sent.len() < greeting.len(), "{error:?}");
            }
            _ => panic!("{error:?}"),
        }
        assert!(!error.to_string().contains(char::is_control), "{error}");
    }
}

/// Returns what came with the first bytes, so many.
fn came(parts: &[Part], len: usize) -> impl Iterator<Item = (u64, u64)> {
    parts.iter().filter(move |part| part.start < len).flat_map(|part| part.objects.iter().copied())
}

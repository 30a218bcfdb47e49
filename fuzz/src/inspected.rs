//! An object of any bytes under the name of a ring, looked at from outside.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};

use ringmain::inspect::{Inspection, Kind};
use ringmain::{Error, Role};

use crate::choices::Bytes;
use crate::hostile::{Choices, attached, check_corrupted};
use crate::object::{self, LONGEST};
use crate::ring::path;
use crate::{names, tapped, word};

/// A name for objects that inputs make.
pub struct Inspected {
    name: String,
}

impl Default for Inspected {
    fn default() -> Inspected {
        Inspected { name: names::new() }
    }
}

impl Inspected {
    /// Makes an object of an input, as [`Object`](crate::Object) does, and looks at all that can be seen of it. One
    /// choice decides whether the system has reserved all of its memory.
    ///
    /// # Panics
    ///
    /// If what is told of a ring cannot be, or the object is changed.
    pub fn round(&self, input: &[u8]) {
        let Some((len, rest)) = input.split_first_chunk::<2>() else { return };
        let (choices, rest) = rest.split_at(object::CHOICES.min(rest.len()));
        let (header, data) = rest.split_at(object::HEADER.min(rest.len()));
        let choices = Bytes::new(choices);
        let len = match u64::from(u16::from_le_bytes(*len)) {
            // The length that the header claims, where an object can have that.
            0 => header
                .get(word::SEGMENT_LENGTH as usize..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |len| u64::from_ne_bytes(*len)),
            len => len,
        };
        object::make(&self.name, len % (LONGEST + 1), header, data);
        let file = OpenOptions::new().read(true).write(true).open(path(&self.name)).unwrap();
        // Where it has holes, a read through a mapping would fill them.
        let contents = fs::read(path(&self.name)).unwrap();
        file.write_all_at(&contents, 0).unwrap();
        let blocks = file.metadata().unwrap().blocks();
        self.look(&file, &choices);
        let found = file.metadata().unwrap();
        assert_eq!((found.len(), found.blocks()), (contents.len() as u64, blocks), "the object has changed");
        assert!(fs::read(path(&self.name)).unwrap() == contents, "the object has changed");
    }

    fn look(&self, file: &File, choices: &Bytes<'_>) {
        let opened = Inspection::open(&self.name);
        if let Err(error) = &opened {
            assert!(!error.to_string().contains(char::is_control), "{error}");
            assert!(!matches!(error, Error::NotFound { .. }), "{error}");
        }
        let Some(ring) = attached(opened) else { return };
        let stored = |offset| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, offset).unwrap();
            u64::from_ne_bytes(bytes)
        };
        let len = file.metadata().unwrap().len();
        assert_eq!((ring.segment_length(), ring.segment_length()), (len, stored(word::SEGMENT_LENGTH)));
        assert_eq!((ring.ring_id(), ring.layout_version()), (stored(word::RING_ID), stored(word::LAYOUT_VERSION)));
        let capacity = ring.capacity() as u64;
        assert!(capacity.is_power_of_two() && capacity == stored(word::CAPACITY), "a capacity of {capacity}");
        let unit = match ring.kind() {
            Kind::Stream { element_size, element_align } => {
                assert!(element_size > 0 && element_align.is_power_of_two() && element_size % element_align == 0);
                element_size as u64
            }
            Kind::Message { record_alignment } => {
                assert!(record_alignment.is_power_of_two() && (8..=4096).contains(&record_alignment));
                1
            }
            kind => panic!("an unknown kind: {kind:?}"),
        };
        assert_eq!(word::DATA + capacity * unit, len, "{ring:?}");
        assert!(ring.type_tag().len() <= 64, "{:?}", ring.type_tag());
        match ring.positions() {
            Ok(positions) => {
                assert_eq!((positions.head, positions.tail), (stored(word::HEAD), stored(word::TAIL)));
                assert!(positions.used <= capacity, "{positions:?} in {capacity}");
                let between = positions.tail.wrapping_sub(positions.head);
                assert!(positions.used == between || unit == 1 && between.wrapping_neg() <= capacity, "{positions:?}");
            }
            Err(cause) => check_corrupted(cause),
        }
        for role in [Role::Producer, Role::Consumer] {
            let end = ring.end(role).unwrap();
            assert_eq!(end.process, None, "nobody holds a role: {end:?}");
        }
        assert!(!ring.is_orphaned().unwrap() && !ring.is_truncated().unwrap());
        let _ = (ring.permissions().unwrap(), ring.features(), ring.created(), ring.first_position(), ring.type_id());
        let mut tap = if choices.below(2) == 0 { ring.tap() } else { ring.tap_new() };
        tapped::tap_all(&ring, &mut tap);
    }
}

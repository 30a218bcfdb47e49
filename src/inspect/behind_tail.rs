//! Committed records of a message ring after its tail, which does not count them yet.

use super::Kind;
use crate::ring::message::Geometry;
use crate::segment::Inspection;

/// How many bytes are read at once. Records that are shorter lie in it together.
const CHUNK: usize = 4096;

/// A bound on the reads: a ring with very many records must not delay the observer for ever.
const READS: usize = 4096;

/// Counts the bytes of these records, as far as they can be: up to a header that is 0, or that cannot be.
pub(super) fn behind_tail(ring: &Inspection) -> u64 {
    let Kind::Message { record_alignment } = ring.kind() else { return 0 };
    let geometry = Geometry::new(ring.capacity(), record_alignment);
    let (head, tail) = ring.positions_after_copy();
    // A tail may lie behind its head, and a false one may start no record.
    let ahead = tail.wrapping_sub(head);
    let start = if ahead <= geometry.max_used() { tail } else { head };
    let start = start & !(geometry.alignment() as u64 - 1);
    let (mut chunk, mut chunk_start, mut reads, mut counted) = (Vec::new(), 0, 0, 0);
    while counted < geometry.max_used() {
        let at = (counted - chunk_start) as usize;
        let Some(header) = chunk.get(at..).and_then(|bytes: &[u8]| bytes.first_chunk()) else {
            if reads == READS {
                break;
            }
            reads += 1;
            chunk.clear();
            chunk_start = counted;
            ring.copy(geometry.index(start.wrapping_add(counted)), CHUNK.min(ring.capacity()), &mut chunk);
            continue;
        };
        let header = u64::from_ne_bytes(*header);
        let Some(len) = (header != 0).then(|| geometry.len(header, geometry.max_used() - counted).ok()).flatten()
        else {
            break;
        };
        counted += geometry.size(len);
    }
    counted
}

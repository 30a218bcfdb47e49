//! Pages around a victim's mapping that cannot be touched, so that a step beyond it is a signal.

use std::fs;
use std::path::Path;
use std::ptr;

const PAGE: usize = 4096;

/// A range of addresses in use, and whether it can be touched.
struct Range {
    start: usize,
    end: usize,
    is_open: bool,
    is_ring: bool,
}

/// Makes sure that the pages in front of and behind the mapping of `path` that is not at `other` cannot be touched.
/// If something that can be touched lies there already, it returns the place of the mapping, for [`avoid`].
///
/// The library maps where the system says, so this looks where that was, and fills in what is around it. A mapping of
/// the same length then comes to the same place each time.
#[track_caller]
pub(crate) fn surround(path: &Path, other: usize) -> Result<(), Place> {
    let ranges = ranges(path);
    let ours: Vec<&Range> = ranges.iter().filter(|range| range.is_ring && range.start != other).collect();
    let (start, end) = (ours[0].start, ours[ours.len() - 1].end);
    assert_eq!(ours.iter().map(|range| range.end - range.start).sum::<usize>(), end - start, "one mapping in a row");
    let is_open = |page: usize| ranges.iter().any(|range| range.is_open && (range.start..range.end).contains(&page));
    let is_free = |page: usize| !ranges.iter().any(|range| (range.start..range.end).contains(&page));
    for page in [start - PAGE, end] {
        if is_free(page) {
            // Should another thread be faster, the next look says so.
            close(page, PAGE);
        }
    }
    if is_open(start - PAGE) || is_open(end) {
        return Err(Place { start, len: end - start });
    }
    Ok(())
}

/// Where a mapping was that could not be guarded.
#[derive(Debug)]
pub(crate) struct Place {
    start: usize,
    len: usize,
}

/// Takes a place that the mapping has left, so that the next one comes to another.
pub(crate) fn avoid(place: Place) {
    close(place.start, place.len);
}

/// Takes addresses that nobody can touch, for ever.
fn close(at: usize, len: usize) {
    let flags = libc::MAP_FIXED_NOREPLACE | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: nothing that is mapped is replaced.
    let _ = unsafe { libc::mmap(ptr::without_provenance_mut(at), len, libc::PROT_NONE, flags, -1, 0) };
}

/// Returns all ranges of addresses of this process, in their order.
fn ranges(path: &Path) -> Vec<Range> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = path.to_str().unwrap();
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        Some(Range {
            start: usize::from_str_radix(start, 16).ok()?,
            end: usize::from_str_radix(end, 16).ok()?,
            is_open: !rest.starts_with("---"),
            is_ring: rest.ends_with(path),
        })
    };
    maps.lines().map(|line| range(line).expect("a line of a process's mappings")).collect()
}

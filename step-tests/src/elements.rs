//! Elements and messages that show what happened to them: each is made of its number, and no word of one stands in
//! another.

/// An element of a stream ring, of several words, so that it can be torn.
pub type Element = [u64; 4];

/// The longest message.
pub const LONGEST: usize = 100;

/// The lengths of messages, in turn: with and without a whole last word, and longer than what is copied word by word.
const LENGTHS: [usize; 5] = [40, 13, LONGEST, 8, 72];

/// Makes a number that no address or count equals out of one that is small.
const FIRST_WORD: u64 = 0x5249_4e47_0000_0000;

/// Makes the element of this number.
#[must_use]
pub fn element(number: u64) -> Element {
    std::array::from_fn(|at| word(number, at))
}

/// Makes the message of this number.
#[must_use]
pub fn message(number: u64) -> Vec<u8> {
    let len = LENGTHS[(number % LENGTHS.len() as u64) as usize];
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|at| word(number, at).to_ne_bytes()).collect();
    bytes.truncate(len);
    bytes
}

/// Returns the number of an element.
///
/// # Errors
///
/// What was found, where nobody ever pushed such an element.
pub fn number_of_element(found: Element) -> Result<u64, String> {
    let number = found[0].wrapping_sub(FIRST_WORD);
    if found == element(number) { Ok(number) } else { Err(format!("a torn element: {found:x?}")) }
}

/// Returns the number of a message.
///
/// # Errors
///
/// What was found, where nobody ever pushed such a message.
pub fn number_of_message(found: &[u8]) -> Result<u64, String> {
    let first = found.first_chunk().ok_or_else(|| format!("a torn message: {found:x?}"))?;
    let number = u64::from_ne_bytes(*first).wrapping_sub(FIRST_WORD);
    if found == message(number) { Ok(number) } else { Err(format!("a torn message: {found:x?}")) }
}

/// Makes the word at `at` of what has this number. None is 0, which a message ring takes for a header of nothing.
fn word(number: u64, at: usize) -> u64 {
    if at == 0 {
        return FIRST_WORD.wrapping_add(number);
    }
    // The steps of splitmix64: every number gives another one.
    let mut mixed = (number * 16 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

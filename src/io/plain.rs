//! Length of the plain start of a JSON string, found many bytes at a time.

/// Bytes that are checked together, by vector instructions.
const BLOCK_BYTES: usize = 64;
/// Bytes that are checked together, in one register.
const WORD_BYTES: usize = 8;

/// Returns the number of bytes before the first quote, backslash or control character (below
/// U+0020); all of them if there is none.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    // Most strings are names and ids, which end in the first words.
    let (words, mut rest) = bytes.as_chunks::<WORD_BYTES>();
    let mut at = 0;
    for word in words.iter().take(2) {
        if let Some(found) = first_special(word) {
            return at + found;
        }
        at += WORD_BYTES;
    }
    if words.len() > 2 {
        at += plain_blocks(&bytes[at..]);
        let (words, tail) = bytes[at..].as_chunks::<WORD_BYTES>();
        for word in words {
            if let Some(found) = first_special(word) {
                return at + found;
            }
            at += WORD_BYTES;
        }
        rest = tail;
    }
    at + rest.iter().take_while(|&&byte| !is_special(byte)).count()
}

/// Returns the number of bytes in the leading blocks without special bytes.
fn plain_blocks(bytes: &[u8]) -> usize {
    let blocks = bytes.as_chunks::<BLOCK_BYTES>().0;
    // Without a branch for each byte, the compiler uses vector instructions.
    let is_plain = |block: &&[u8; BLOCK_BYTES]| !block.iter().fold(false, |found, &byte| found | is_special(byte));
    blocks.iter().take_while(is_plain).count() * BLOCK_BYTES
}

#[inline]
fn is_special(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Returns the position of the first special byte.
#[inline]
fn first_special(word: &[u8; WORD_BYTES]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xFF;
    const HIGH_BITS: u64 = ONES << 7;
    let word = u64::from_le_bytes(*word);
    // The high bit of each byte below `limit`. Borrows reach only bytes behind the first one found.
    let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equals = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let found = (equals(b'"') | equals(b'\\') | below(word, 0x20)) & HIGH_BITS;
    (found != 0).then_some(found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_at_every_place_and_behind_every_byte() {
        for length in 0..200 {
            let mut bytes = vec![b'x'; length];
            assert_eq!(plain_length(&bytes), length);
            for at in 0..length {
                for special in [b'"', b'\\', 0, 0x1F] {
                    bytes[at] = special;
                    // Another special byte behind it changes nothing.
                    bytes[length - 1] = special;
                    assert_eq!(plain_length(&bytes), at, "{special} in {length} bytes");
                    bytes[length - 1] = b'x';
                }
                bytes[at] = b'x';
            }
        }
        for byte in 0..=u8::MAX {
            for (at, length) in [(0, 8), (3, 8), (7, 8), (1, 3), (20, 90), (81, 90)] {
                let mut bytes = vec![b'x'; length];
                bytes[at] = byte;
                let expected = if matches!(byte, b'"' | b'\\' | 0..0x20) { at } else { length };
                assert_eq!(plain_length(&bytes), expected, "{byte} at {at} of {length}");
            }
        }
    }
}

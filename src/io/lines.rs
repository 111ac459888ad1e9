//! Lines of bytes, and the white space in them.

/// Returns the lines of `bytes` that are not blank, without their line ends, each with its byte
/// offset.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', bytes).chain(std::iter::once(bytes.len()));
    ends.map(move |end| {
        let line = (start, &bytes[start..end]);
        start = end + 1;
        line
    })
    .filter(|(_, line)| !line.iter().all(|&byte| is_blank(byte)))
}

/// True for ASCII white space as trec_eval and C's `isspace` define it.
#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    // One comparison settles nearly every byte.
    byte <= b' ' && matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0B | 0x0C)
}

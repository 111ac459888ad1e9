//! Changes bytes at random, the same way for the same seed.

/// A small generator (splitmix64): no quality is asked of it but that a seed gives the same numbers
/// everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 { 0 } else { (self.next() % bound as u64) as usize }
    }
}

/// Numbers at which arithmetic goes wrong.
const EDGES: [u64; 12] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 60, 0x7fff_ffff_ffff_ffff, u64::MAX];

/// The same as text.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "1",
    "1e400",
    "-1e400",
    "NaN",
    "-0.0",
    "2147483648",
    "4294967296",
    "9223372036854775808",
    "18446744073709551616",
    "1.5",
    "null",
    "\"x\"",
];

/// Inputs do not grow beyond this by repetition.
const LONGEST: usize = 1 << 20;

/// One to eight changes of `input`; `other` gives pieces.
pub fn mutate(input: &[u8], other: &[u8], words: &[&str], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let changes = 1 + random.below(8).min(random.below(8));
    for _ in 0..changes {
        change(&mut bytes, other, words, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], words: &[&str], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(11) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
        2 => bytes.truncate(at),
        3 => put(bytes, at, &[random.next() as u8]),
        4 => {
            let end = at + random.below(bytes.len() - at + 1).min(64);
            bytes.drain(at..end);
        }
        5 => overwrite_number(bytes, at, random),
        6 => {
            let number = NUMBERS[random.below(NUMBERS.len())];
            replace_number(bytes, at, number);
        }
        7 if !words.is_empty() => put(bytes, at, words[random.below(words.len())].as_bytes()),
        8 => repeat(bytes, at, random),
        9 => {
            let from = random.below(other.len());
            let piece = other[from..].iter().take(1 + random.below(256)).copied().collect::<Vec<_>>();
            put(bytes, at, &piece);
        }
        _ => {
            let from = random.below(bytes.len());
            let piece = bytes[from..].iter().take(1 + random.below(64)).copied().collect::<Vec<_>>();
            put(bytes, at, &piece);
        }
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    if bytes.len() < LONGEST {
        bytes.splice(at..at, piece.iter().copied());
    }
}

fn overwrite_number(bytes: &mut [u8], at: usize, random: &mut Random) {
    let width = [1, 2, 4, 8][random.below(4)];
    let edge = EDGES[random.below(EDGES.len())].wrapping_add(random.below(3) as u64).wrapping_sub(1);
    let number = edge.to_le_bytes();
    bytes.iter_mut().skip(at).zip(&number[..width]).for_each(|(byte, new)| *byte = *new);
}

/// Puts `number` in the place of the digits after `at`.
fn replace_number(bytes: &mut Vec<u8>, at: usize, number: &str) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else { return };
    let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.splice(start..start + len, number.bytes());
}

fn repeat(bytes: &mut Vec<u8>, at: usize, random: &mut Random) {
    let piece = bytes[at..].iter().take(1 + random.below(16)).copied().collect::<Vec<_>>();
    let times = 1 << random.below(12);
    if bytes.len() + piece.len() * times < LONGEST {
        put(bytes, at, &piece.repeat(times));
    }
}

//! The format of entries on disk.
//!
//! The index maps a key to an [`CacheEntry`] of 16 bytes. The vectors are stored separately, by number:
//! `crc32 u32, tokens u32, truncated u8, f32 ...`, all little-endian. The checksum covers the key
//! too, so a flipped bit or a record under a wrong number is detected.

use super::CacheKey;

/// Bytes of a record before its vector.
const HEAD: usize = 9;
/// Bytes of the checksum.
const SUM: usize = 4;

/// An embedding as returned by [`crate::Encoder::encode`].
#[derive(Debug, Clone, PartialEq)]
pub struct CachedVector {
    /// The components, `[dim]`, bit by bit as the encoder returned them.
    pub vector: Vec<f32>,
    /// The number of encoded tokens after truncation, including special tokens and prompt.
    pub tokens: u32,
    /// True if the text was longer than the model's maximum, and was truncated.
    pub truncated: bool,
}

/// The number of a record and the time of its last use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CacheEntry {
    /// Time of the last use, in seconds since 1970. It is the first field, because entries are
    /// evicted in their order.
    pub used: u64,
    /// Number of the record; later records have greater numbers.
    pub id: u64,
}

impl CacheEntry {
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.used.to_le_bytes());
        bytes[8..].copy_from_slice(&self.id.to_le_bytes());
        bytes
    }

    /// Reads an entry; `None` for bytes of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (used, id) = bytes.split_at_checked(8)?;
        Some(Self { used: u64::from_le_bytes(used.try_into().ok()?), id: u64::from_le_bytes(id.try_into().ok()?) })
    }
}

/// Returns the key of a record in the table of vectors. It is big-endian, so that the table is in
/// the order of writing and grows only at its end.
pub(super) fn record_key(id: u64) -> [u8; 8] {
    id.to_be_bytes()
}

/// Writes a record into `bytes`, replacing the old content.
pub(super) fn encode(bytes: &mut Vec<u8>, key: &CacheKey, value: &CachedVector) {
    bytes.clear();
    bytes.extend([0; SUM]);
    bytes.extend(value.tokens.to_le_bytes());
    bytes.push(u8::from(value.truncated));
    value.vector.iter().for_each(|component| bytes.extend(component.to_le_bytes()));
    let sum = checksum(key, &bytes[SUM..]);
    bytes[..SUM].copy_from_slice(&sum.to_le_bytes());
}

/// Reads a record; `None` if it is not what was written under this key.
pub(super) fn decode(key: &CacheKey, bytes: &[u8]) -> Option<CachedVector> {
    if bytes.len() < HEAD || !is_sound(key, bytes) {
        return None;
    }
    let (components, rest) = bytes[HEAD..].as_chunks::<4>();
    let tokens = u32::from_le_bytes(bytes[SUM..HEAD - 1].try_into().ok()?);
    let vector = components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    rest.is_empty().then_some(CachedVector { vector, tokens, truncated: bytes[HEAD - 1] != 0 })
}

/// Returns an answer's record: the checksum, then its bytes.
pub(super) fn encode_answer(key: &CacheKey, answer: &[u8]) -> Vec<u8> {
    [&checksum(key, answer).to_le_bytes(), answer].concat()
}

/// Reads an answer's record; `None` if it is not what was written under this key.
pub(super) fn decode_answer(key: &CacheKey, bytes: &[u8]) -> Option<Vec<u8>> {
    is_sound(key, bytes).then(|| bytes[SUM..].to_vec())
}

/// True if a record is what was written under this key.
pub(super) fn is_sound(key: &CacheKey, bytes: &[u8]) -> bool {
    bytes.len() >= SUM && bytes[..SUM] == checksum(key, &bytes[SUM..]).to_le_bytes()
}

fn checksum(key: &CacheKey, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key.0);
    hasher.update(content);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::super::CachedModel;
    use super::*;
    use crate::encoder::Role;

    #[test]
    fn a_record_comes_back_bit_by_bit_and_no_flipped_bit_passes() {
        let model = CachedModel::new("m", "f");
        let (key, other) = (model.key(Role::Query, "a"), model.key(Role::Query, "b"));
        let value = CachedVector { vector: vec![-0.0, 1.5e-40, f32::MAX], tokens: 7, truncated: true };
        let mut bytes = vec![9; 99];
        encode(&mut bytes, &key, &value);
        let found = decode(&key, &bytes).unwrap();
        assert_eq!(found, value);
        assert!(found.vector[0].is_sign_negative());
        assert_eq!(decode(&other, &bytes), None);
        for bit in 0..8 * bytes.len() {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&key, &broken), None, "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert_eq!(decode(&key, &bytes[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn an_answer_comes_back_and_no_flipped_bit_passes() {
        let model = CachedModel::new("m", "f");
        let key = model.question_key("q");
        let bytes = encode_answer(&key, b"{}");
        assert_eq!(decode_answer(&key, &bytes), Some(b"{}".to_vec()));
        assert_eq!(decode_answer(&model.question_key("r"), &bytes), None);
        assert_eq!(decode(&key, &bytes), None, "an answer is no vector");
        for bit in 0..8 * bytes.len() {
            let mut broken = bytes.clone();
            broken[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_answer(&key, &broken), None, "bit {bit}");
        }
    }

    #[test]
    fn entries_are_in_the_order_in_which_they_go() {
        let entry = |used, id| CacheEntry { used, id };
        assert!(entry(1, 9) < entry(2, 0) && entry(2, 0) < entry(2, 1));
        assert_eq!(CacheEntry::from_bytes(&entry(3, 4).to_bytes()), Some(entry(3, 4)));
        assert_eq!(CacheEntry::from_bytes(&[0; 15]), None);
    }
}

//! The key of an embedding: a hash of everything that decides its numbers.

use sha2::{Digest, Sha256};

use crate::encoder::Role;

/// The first field of every hash. A new number makes every older entry unfindable: raise it when a
/// stored vector's meaning changes.
const FORMAT: &[u8] = b"nearsort embedding 1";
/// The same for answers of services.
const ANSWER_FORMAT: &[u8] = b"nearsort answer 1";

/// Number of bytes of a key that name the model. Entries of one model are adjacent, so counting
/// them reads only keys.
pub(super) const MODEL_BYTES: usize = 8;
/// Number of bytes of a key.
pub(super) const KEY_BYTES: usize = MODEL_BYTES + 32;

/// The key of one text's embedding by one model: 8 bytes of the hash of the model's fingerprint,
/// then sha256 over everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey(pub(super) [u8; KEY_BYTES]);

/// A model whose vectors are stored, identified by [`crate::Encoder::fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedModel {
    /// The model's name, for display only.
    pub name: String,
    /// The fingerprint. Equal fingerprints mean equal vectors: weights, prompts, longest text,
    /// dimension, precision, instruction set.
    pub fingerprint: String,
    prefix: [u8; MODEL_BYTES],
}

impl CachedModel {
    /// Creates a model by its fingerprint. [`super::EmbeddingCache::info`] shows `name`.
    pub fn new(name: impl Into<String>, fingerprint: impl Into<String>) -> Self {
        let (name, fingerprint) = (name.into(), fingerprint.into());
        let hash: [u8; 32] = Sha256::digest(&fingerprint).into();
        let mut prefix = [0; MODEL_BYTES];
        prefix.copy_from_slice(&hash[..MODEL_BYTES]);
        Self { name, fingerprint, prefix }
    }

    /// Returns the key of a text in a role.
    pub fn key(&self, role: Role, text: &str) -> CacheKey {
        let role = match role {
            Role::Query => "query",
            Role::Document => "document",
        };
        self.hashed([FORMAT, self.fingerprint.as_bytes(), role.as_bytes(), text.as_bytes()])
    }

    /// Returns the key of the answer to a question. `hash` identifies the question.
    pub fn question_key(&self, hash: &str) -> CacheKey {
        self.hashed([ANSWER_FORMAT, self.fingerprint.as_bytes(), b"", hash.as_bytes()])
    }

    /// Hashes fields with their lengths, so that two different inputs never give the same bytes.
    fn hashed(&self, fields: [&[u8]; 4]) -> CacheKey {
        let mut hash = Sha256::new();
        for field in fields {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        let mut key = [0; KEY_BYTES];
        key[..MODEL_BYTES].copy_from_slice(&self.prefix);
        key[MODEL_BYTES..].copy_from_slice(&hash.finalize());
        CacheKey(key)
    }

    #[cfg(feature = "cache")]
    pub(super) fn prefix(&self) -> &[u8; MODEL_BYTES] {
        &self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_key_counts() {
        let model = CachedModel::new("a", "f");
        let key = model.key(Role::Document, "text");
        assert_eq!(key, CachedModel::new("another name", "f").key(Role::Document, "text"));
        assert_ne!(key, CachedModel::new("a", "g").key(Role::Document, "text"));
        assert_ne!(key, model.key(Role::Query, "text"));
        assert_ne!(key, model.key(Role::Document, "text "));
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let (long, short) = (CachedModel::new("a", "fingerprint"), CachedModel::new("a", "finger"));
        assert_ne!(long.key(Role::Query, "x").0[MODEL_BYTES..], short.key(Role::Query, "printx").0[MODEL_BYTES..]);
    }
}

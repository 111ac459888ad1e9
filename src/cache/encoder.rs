//! An encoder with a cache of embeddings.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array2, ArrayView1};

use super::{CacheKey, CachedModel, CachedVector, EmbeddingCache};
use crate::call::Call;
use crate::encoder::{Embeddings, Encoder, ModelInfo, Role};
use crate::{Error, Result};

/// An [`Encoder`] with a cache. It encodes only texts that are not in the cache, each distinct text
/// once, and stores their vectors.
///
/// The answers are the encoder's own, bit by bit: vectors, tokens and truncation. It has no token
/// vectors, so a scorer over it can only compute cosines: the token vectors of a passage are some
/// 80 times as large as its embedding.
///
/// ```no_run
/// use nearsort::cache::{CacheOptions, CachedEncoder, EmbeddingCache};
/// use nearsort::{Call, DEFAULT_MODEL, Encoder, Model, ModelOptions, Role, StoreOptions};
///
/// # fn main() -> nearsort::Result<()> {
/// let encoder = Model::load_encoder(DEFAULT_MODEL, ModelOptions::default())?;
/// let folder = StoreOptions::from_env()?.embedding_cache();
/// let cache = EmbeddingCache::open(&CacheOptions { folder, max_bytes: None })?;
/// let cached = CachedEncoder::new(encoder, cache, "all-MiniLM-L6-v2")?;
/// let call = Call::new();
/// let embeddings = cached.encode_with(&["The Eiffel Tower stands in Paris."], Role::Document, &call)?;
/// println!("{:?} {} from the cache", embeddings.view(), call.usage().cached);
/// # Ok(())
/// # }
/// ```
pub struct CachedEncoder {
    inner: Arc<dyn Encoder>,
    cache: EmbeddingCache,
    model: CachedModel,
}

impl CachedEncoder {
    /// Puts a cache before an encoder. `name`: the model's name, for [`EmbeddingCache::info`].
    ///
    /// # Errors
    /// When the encoder has no fingerprint.
    pub fn new(inner: Arc<dyn Encoder>, cache: EmbeddingCache, name: &str) -> Result<Self> {
        let model = CachedModel::new(name, inner.fingerprint()?);
        Ok(Self { inner, cache, model })
    }

    /// Returns the same cache before another encoder.
    ///
    /// # Errors
    /// When the encoder has no fingerprint.
    pub fn before(&self, inner: Arc<dyn Encoder>) -> Result<Self> {
        Self::new(inner, self.cache.clone(), &self.model.name)
    }

    /// Returns the vectors that the cache has. A vector of another length or with a number that is
    /// not finite counts as missing. So does a vector of a truncated text if the encoder refuses
    /// long texts.
    fn look_up(&self, keys: &[CacheKey]) -> Result<Vec<Option<CachedVector>>> {
        let mut found = self.cache.get_many(keys)?;
        let (dim, refuses) = (self.inner.dim(), self.inner.refuses_long_texts());
        let is_none =
            |value: &CachedVector| value.vector.len() != dim || !is_finite(value) || (refuses && value.truncated);
        found.iter_mut().for_each(|value| drop(value.take_if(|value| is_none(value))));
        Ok(found)
    }

    /// Encodes texts and stores them, each part as soon as it is ready.
    fn encode_missing(
        &self,
        keys: &[CacheKey],
        texts: &[&str],
        role: Role,
        call: &Call<'_>,
    ) -> Result<Vec<CachedVector>> {
        let values = Mutex::new(vec![None; texts.len()]);
        self.inner.encode_parts(texts, role, call, &|positions, part| {
            let entries = self.entries(keys, positions, part)?;
            // Vectors that are not finite are returned to the caller, but not stored.
            match entries.iter().all(|(_, value)| is_finite(value)) {
                true => self.cache.put_many(&self.model, &entries)?,
                false => {
                    let finite: Vec<_> = entries.iter().filter(|(_, value)| is_finite(value)).cloned().collect();
                    self.cache.put_many(&self.model, &finite)?;
                }
            }
            let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
            positions.iter().zip(entries).for_each(|(&at, (_, value))| values[at] = Some(value));
            Ok(())
        })?;
        let values = values.into_inner().unwrap_or_else(PoisonError::into_inner);
        values.into_iter().collect::<Option<_>>().ok_or_else(|| broken("a text is without a vector".into()))
    }

    fn entries(
        &self,
        keys: &[CacheKey],
        positions: &[usize],
        part: &Embeddings,
    ) -> Result<Vec<(CacheKey, CachedVector)>> {
        let lengths = [part.len(), part.tokens.len(), part.truncated.len()];
        if lengths != [positions.len(); 3] || part.vectors.ncols() != self.dim() {
            return Err(broken(format!("vectors for {lengths:?} of {} texts", positions.len())));
        }
        let value = |(row, &at): (usize, &usize)| {
            let key =
                keys.get(at).copied().ok_or_else(|| broken(format!("a vector for text {at} of {}", keys.len())))?;
            let vector = part.vectors.row(row).to_vec();
            Ok((key, CachedVector { vector, tokens: part.tokens[row], truncated: part.truncated[row] }))
        };
        positions.iter().enumerate().map(value).collect()
    }
}

fn is_finite(value: &CachedVector) -> bool {
    value.vector.iter().all(|x| x.is_finite())
}

impl fmt::Debug for CachedEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedEncoder").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Encoder for CachedEncoder {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn has_text_vectors(&self) -> bool {
        self.inner.has_text_vectors()
    }

    fn refuses_long_texts(&self) -> bool {
        self.inner.refuses_long_texts()
    }

    fn max_tokens(&self) -> usize {
        self.inner.max_tokens()
    }

    fn fingerprint(&self) -> Result<String> {
        Ok(self.model.fingerprint.clone())
    }

    fn model(&self) -> Option<ModelInfo> {
        self.inner.model()
    }

    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        self.encode_with(texts, role, &Call::new())
    }

    fn encode_with(&self, texts: &[&str], role: Role, call: &Call<'_>) -> Result<Embeddings> {
        call.check()?;
        let (distinct, places) = distinct(texts);
        let keys: Vec<CacheKey> = distinct.iter().map(|text| self.model.key(role, text)).collect();
        let mut values = self.look_up(&keys)?;
        let missing: Vec<usize> = (0..values.len()).filter(|&at| values[at].is_none()).collect();
        let hits = texts.len() - missing.len();
        if hits > 0 {
            call.count(|usage| usage.cached += hits as u64);
            call.done(hits);
        }
        if !missing.is_empty() {
            let missing_texts: Vec<&str> = missing.iter().map(|&at| distinct[at]).collect();
            let missing_keys: Vec<CacheKey> = missing.iter().map(|&at| keys[at]).collect();
            // An error names a text by its position among the texts of the call.
            let given = |at: usize| places.iter().position(|&place| Some(&place) == missing.get(at)).unwrap_or(at);
            let encoded = self.encode_missing(&missing_keys, &missing_texts, role, call);
            let encoded = encoded.map_err(|error| error.renumbered(given, given))?;
            missing.into_iter().zip(encoded).for_each(|(at, value)| values[at] = Some(value));
        }
        let values = values.into_iter().collect::<Option<Vec<_>>>();
        Ok(assembled(&values.ok_or_else(|| broken("a text is without a vector".into()))?, &places, self.dim()))
    }
}

/// Returns the distinct texts, and the position of each text among them.
fn distinct<'a>(texts: &[&'a str]) -> (Vec<&'a str>, Vec<usize>) {
    let mut seen = HashMap::with_capacity(texts.len());
    let mut distinct = Vec::with_capacity(texts.len());
    let places = texts.iter().map(|&text| {
        *seen.entry(text).or_insert_with(|| {
            distinct.push(text);
            distinct.len() - 1
        })
    });
    let places = places.collect();
    (distinct, places)
}

fn assembled(values: &[CachedVector], places: &[usize], dim: usize) -> Embeddings {
    let mut vectors = Array2::zeros((places.len(), dim));
    for (mut row, &place) in vectors.rows_mut().into_iter().zip(places) {
        row.assign(&ArrayView1::from(&values[place].vector));
    }
    Embeddings {
        vectors,
        tokens: places.iter().map(|&place| values[place].tokens).collect(),
        truncated: places.iter().map(|&place| values[place].truncated).collect(),
    }
}

fn broken(message: String) -> Error {
    Error::Compute { context: "the encoder broke its contract".into(), message }
}

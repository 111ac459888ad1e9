//! A transformer on this machine as an [`Encoder`].
//!
//! Texts are tokenized in parallel, ordered by length and cut into batches of at most `batch_tokens` tokens. The backend
//! hands the hidden states of one text after the other to the pooling step, which writes the text's row. Peak memory above
//! the weights is what the backend needs for one batch, plus the rows.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sha2::{Digest, Sha256};

use super::dense::Dense;
use super::pooling::normalize;
use super::tokenizer::{TextTokenizer, TokenizedText};
use super::{Contract, Embeddings, Encoder, Overrides, Precision, Role};
use crate::candle_backend::{CandleBackend, Device};
use crate::engine::{Backend, RaggedBatch};
use crate::store::{ModelFiles, hex};
use crate::{Error, Result};

/// Called with the number of texts just finished; from any thread.
pub type ProgressFn = Arc<dyn Fn(usize) + Send + Sync>;

/// How a local model is loaded and run.
#[derive(Clone)]
pub struct LocalEncoderOptions {
    /// Where the forward pass runs.
    pub device: Device,
    /// Threads for tokenizing and the forward pass; `None`: rayon's global pool, one per core.
    pub threads: Option<usize>,
    /// Arithmetic of the forward pass.
    pub precision: Precision,
    /// Tokens per batch, padding included. More needs more memory; on a GPU it is faster up to a point.
    pub batch_tokens: usize,
    /// What overrides the model's own files.
    pub overrides: Overrides,
    /// Told about every finished text.
    pub progress: Option<ProgressFn>,
}

impl Default for LocalEncoderOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            threads: None,
            precision: Precision::F32,
            batch_tokens: 16_384,
            overrides: Overrides::default(),
            progress: None,
        }
    }
}

impl fmt::Debug for LocalEncoderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEncoderOptions")
            .field("device", &self.device)
            .field("threads", &self.threads)
            .field("precision", &self.precision)
            .field("batch_tokens", &self.batch_tokens)
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}

/// A local model. `Send + Sync`; calls from many threads run side by side, there is no lock around the model.
pub struct LocalEncoder {
    contract: Contract,
    tokenizer: TextTokenizer,
    backend: Box<dyn Backend>,
    dense: Vec<Dense>,
    files: ModelFiles,
    options: LocalEncoderOptions,
    pool: Option<ThreadPool>,
    fingerprint: OnceLock<String>,
}

impl LocalEncoder {
    /// Loads a model.
    ///
    /// # Errors
    /// Those of [`Contract::read`]; [`Error::UnsupportedArchitecture`]; [`Error::ModelFile`] when weights or tokenizer are
    /// unusable; [`Error::Device`] when the device is not there; [`Error::InvalidArgument`] for options out of range.
    pub fn load(files: ModelFiles, options: LocalEncoderOptions) -> Result<Self> {
        let contract = Contract::read(&files, &options.overrides)?;
        if options.batch_tokens == 0 {
            return Err(Error::InvalidArgument("--batch-tokens must be at least 1".into()));
        }
        let pool = options.threads.map(thread_pool).transpose()?;
        let tokenizer = TextTokenizer::load(&files, &contract)?;
        let backend = CandleBackend::load(&contract.config, &files.weights()?, options.device, contract.max_tokens)?;
        let dense = load_dense(&files, &contract)?;
        Ok(Self {
            contract,
            tokenizer,
            backend: Box::new(backend),
            dense,
            files,
            options,
            pool,
            fingerprint: OnceLock::new(),
        })
    }

    /// How the model is used.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The model's files.
    pub fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// Where the forward pass runs.
    pub fn device(&self) -> Device {
        self.options.device
    }

    /// Arithmetic of the forward pass.
    pub fn precision(&self) -> Precision {
        self.options.precision
    }

    /// Whether vectors are made as the model's files say, without overrides.
    pub(super) fn is_unchanged(&self) -> bool {
        self.options.overrides == Overrides::default()
    }

    /// [`Encoder::encode`] by one padded rectangle under an attention mask, whatever the device: for checking that
    /// padding and neighbours do not change a vector.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_padded(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        self.install(|| {
            let tokenized = self.tokenize(texts, role)?;
            let whole: Vec<usize> = (0..texts.len()).collect();
            self.encode_batches(&tokenized, &[&whole], Pass::Padded)
        })
    }

    fn tokenize(&self, texts: &[&str], role: Role) -> Result<Vec<TokenizedText>> {
        texts.par_iter().map(|text| self.tokenizer.tokenize(text, role)).collect()
    }

    fn encode_batches(&self, tokenized: &[TokenizedText], batches: &[&[usize]], pass: Pass) -> Result<Embeddings> {
        let rows = Mutex::new(Array2::zeros((tokenized.len(), self.contract.dim)));
        for &indices in batches {
            let mut batch = RaggedBatch::new();
            indices.iter().for_each(|&index| batch.push(&tokenized[index].ids));
            let sink = |position: usize, hidden: ArrayView2<'_, f32>| {
                let vector = self.vector(hidden);
                let mut rows = rows.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                rows.row_mut(indices[position]).iter_mut().zip(vector).for_each(|(to, from)| *to = from);
                drop(rows);
                if let Some(progress) = &self.options.progress {
                    progress(1);
                }
            };
            match pass {
                Pass::Exact => self.backend.forward(&batch, &sink)?,
                Pass::Padded => self.backend.forward_padded(&batch, &sink)?,
            }
        }
        Ok(Embeddings {
            vectors: rows.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()),
            tokens: tokenized.iter().map(|text| text.ids.len() as u32).collect(),
            truncated: tokenized.iter().map(|text| text.truncated).collect(),
        })
    }

    /// Pools, applies the dense layers, cuts and normalises.
    fn vector(&self, hidden: ArrayView2<'_, f32>) -> Vec<f32> {
        let pooled = self.contract.pooling.pool(hidden);
        let mut vector = self.dense.iter().fold(pooled, |vector, layer| layer.apply(&vector));
        vector.truncate(self.contract.dim);
        if self.contract.normalize {
            normalize(&mut vector);
        }
        vector
    }

    fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }

    /// The files, and the settings that an override or a later release may change.
    fn compute_fingerprint(&self) -> Result<String> {
        let contract = &self.contract;
        let numbers = (contract.dim, contract.max_tokens, contract.normalize, contract.pooling, self.precision());
        let prompts = (&contract.query_prompt, &contract.document_prompt);
        let hash = Sha256::digest(format!("{} {numbers:?} {prompts:?}", self.files.fingerprint()?));
        Ok(hex(hash))
    }
}

#[derive(Clone, Copy)]
enum Pass {
    Exact,
    Padded,
}

impl Encoder for LocalEncoder {
    fn dim(&self) -> usize {
        self.contract.dim
    }

    fn max_tokens(&self) -> usize {
        self.contract.max_tokens
    }

    fn fingerprint(&self) -> Result<String> {
        if let Some(fingerprint) = self.fingerprint.get() {
            return Ok(fingerprint.clone());
        }
        let fingerprint = self.compute_fingerprint()?;
        Ok(self.fingerprint.get_or_init(|| fingerprint).clone())
    }

    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        self.install(|| {
            let tokenized = self.tokenize(texts, role)?;
            let lengths: Vec<usize> = tokenized.iter().map(|text| text.ids.len()).collect();
            let order = by_length(&lengths);
            let batches = cut_batches(&order, &lengths, self.options.batch_tokens);
            self.encode_batches(&tokenized, &batches, Pass::Exact)
        })
    }
}

fn load_dense(files: &ModelFiles, contract: &Contract) -> Result<Vec<Dense>> {
    let mut width = contract.hidden_size;
    let mut layers = Vec::with_capacity(contract.dense.len());
    for folder in &contract.dense {
        let layer = Dense::load(files, folder, width)?;
        width = layer.out_features(width);
        layers.push(layer);
    }
    Ok(layers)
}

fn thread_pool(threads: usize) -> Result<ThreadPool> {
    if threads == 0 {
        return Err(Error::InvalidArgument("--threads must be at least 1".into()));
    }
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::Compute { context: format!("cannot start {threads} threads"), message: e.to_string() })
}

/// Positions of the texts, longest first: texts of like length share a batch, and the last ones to run are short,
/// so that no core waits long for another.
fn by_length(lengths: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
    order
}

/// Cuts `order` (longest first) into runs whose padded size, texts times the longest, stays within `budget` tokens. A text
/// longer than the budget is a batch of its own.
fn cut_batches<'a>(order: &'a [usize], lengths: &[usize], budget: usize) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let mut rest = order;
    while let Some(&longest) = rest.first() {
        let width = lengths[longest].max(1);
        let (batch, tail) = rest.split_at((budget / width).clamp(1, rest.len()));
        batches.push(batch);
        rest = tail;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_text_once_within_the_budget() {
        let lengths = [3, 9, 1, 9, 4, 20, 0, 5];
        let order = by_length(&lengths);
        assert_eq!(order, [5, 1, 3, 7, 4, 0, 2, 6]);
        for budget in 1..60 {
            let batches = cut_batches(&order, &lengths, budget);
            assert_eq!(batches.concat(), order);
            for batch in batches {
                let width = lengths[batch[0]];
                assert!(batch.len() == 1 || batch.len() * width <= budget, "budget {budget}: {batch:?}");
            }
        }
        assert!(cut_batches(&[], &[], 10).is_empty());
    }
}

//! A transformer on this machine as an [`Encoder`].
//!
//! On the CPU each thread takes a few texts at a time, the longest first, and tokenizes, encodes
//! and pools them. All three steps overlap, and no thread waits for another before the end. A few
//! texts on many threads share the threads instead.
//!
//! On a GPU all texts are tokenized in parallel, ordered by length and cut into batches of at most
//! `batch_tokens` tokens. Concurrent calls share these batches.
//!
//! In both cases the backend passes the hidden states of each text to the pooling step. The pooling
//! step passes the vector and the tokens' hidden states to the caller's sink. Above the weights,
//! peak memory is the backend's need for one batch per thread, plus the vectors that the sink
//! keeps.

mod loading;

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::batches::{BatchWork, Tokens};
use super::lengths::LengthCollector;
use super::local_options::LocalEncoderOptions;
use super::pipeline::{Features, Pipeline};
use super::tokenized::TokenizedText;
use super::tokenizer::TextTokenizer;
use super::version::arithmetic_version;
use super::{
    Contract, Embeddings, EncodedLengths, EncodedText, Encoder, Engine, ModelInfo, Overrides, Precision, Role,
    TextSink, Token, TokenEncoder,
};
use crate::call::{Call, Usage};
use crate::candle_backend::Device;
use crate::engine::{Backend, ModelMemory, RaggedBatch, all_finite};
use crate::error::{Remedy, TextName};
use crate::hex::hex;
use crate::kernels::Kernels;
use crate::store::ModelFiles;
use crate::threads::Threads;
use crate::{Error, Result};

/// A local model. It is `Send + Sync` and has no lock around it: calls from many threads run side
/// by side.
pub struct LocalEncoder {
    contract: Contract,
    tokenizer: TextTokenizer,
    backend: Arc<dyn Backend>,
    engine: Engine,
    precision: Precision,
    pipeline: Pipeline,
    files: ModelFiles,
    options: LocalEncoderOptions,
    threads: Threads,
    fingerprint: OnceLock<String>,
    /// The fingerprint of the files alone.
    files_fingerprint: Arc<OnceLock<String>>,
    /// Length in tokens of the longest text that the backend was loaded for. Only the native engine
    /// takes longer ones.
    loaded_tokens: usize,
    /// True if a [`Reading`](super::Reading) differs from the files and the options.
    reads_otherwise: bool,
}

impl LocalEncoder {
    /// Returns the overrides that the model was loaded with.
    pub fn overrides(&self) -> &Overrides {
        &self.options.overrides
    }

    /// Returns the settings that the model is used with.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Returns the model's files.
    pub fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// Returns the device of the forward pass.
    pub fn device(&self) -> Device {
        self.options.device
    }

    /// Returns the engine of the forward pass.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the arithmetic of the forward pass.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Returns true for a static model: a table of token vectors, whose mean is a text's vector.
    pub fn is_static(&self) -> bool {
        self.contract.table.is_some()
    }

    /// Returns the bytes that the weights take. Models with another [`Reading`](super::Reading) share them.
    pub fn memory(&self) -> ModelMemory {
        self.backend.memory()
    }

    /// Counts the tokens of each whole text, without prompt and special tokens. No forward pass is
    /// made. Texts are read in parallel. A text of more than 256 KiB is counted in pieces, and the
    /// number may be off by some tokens.
    ///
    /// # Errors
    /// When tokenizing fails.
    pub fn count_tokens(&self, texts: &[&str]) -> Result<Vec<usize>> {
        let shared = self.tokenizer.shared();
        self.threads.run(|| texts.par_iter().map(|text| shared.count(text)).collect())?
    }

    /// Returns the tokens of a whole text, without prompt. `with_special` adds the special tokens
    /// that the tokenizer puts around a single text.
    ///
    /// # Errors
    /// When tokenizing fails.
    pub fn tokens(&self, text: &str, with_special: bool) -> Result<Vec<Token>> {
        self.tokenizer.shared().tokens(text, with_special)
    }

    /// Returns true if vectors are made as the model's files say, without overrides.
    pub(super) fn is_unchanged(&self) -> bool {
        self.options.overrides == Overrides::default() && !self.reads_otherwise
    }

    /// Tokenizes one text. `index` is its position, for errors.
    fn tokenize_one(&self, texts: &[&str], index: usize, role: Role) -> Result<TokenizedText> {
        let tokenized = self.tokenizer.tokenize(texts[index], role)?;
        match tokenized.truncated && self.contract.caps.refuses {
            true => Err(self.too_long(texts[index], index, role)?),
            false => Ok(tokenized),
        }
    }

    fn too_long(&self, text: &str, index: usize, role: Role) -> Result<Error> {
        let (tokens, limit) = self.tokenizer.excess(text, role)?;
        let text = match role {
            Role::Query => TextName::Query(index),
            Role::Document => TextName::Document(index),
        };
        Ok(Error::TooLong { text, tokens, limit })
    }

    /// Does [`Encoder::encode`] as one padded rectangle under an attention mask, on any device. It
    /// serves to check that padding and neighbours do not change a vector. An engine that never
    /// pads encodes as usual.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_padded(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        self.threads.run(|| {
            let tokenized = self.tokenize(texts, role)?;
            self.needs_text_vectors()?;
            let batch = batch_of(tokenized.iter());
            let vectors = Mutex::new(Array2::zeros((texts.len(), self.contract.dim)));
            self.backend.forward_padded(&batch, &|position, hidden| {
                let keep = |index: usize, text: &EncodedText<'_>| set_row(&vectors, index, text.vector);
                self.hand_on(position, &tokenized[position], hidden, &keep);
            })?;
            let lengths = LengthCollector::new(texts.len());
            for (index, text) in tokenized.iter().enumerate() {
                lengths.note(index, (text.ids.len(), text.own()), text.unknown, text.truncated);
            }
            Ok(embeddings(vectors, lengths.into_inner()))
        })?
    }

    fn tokenize(&self, texts: &[&str], role: Role) -> Result<Vec<TokenizedText>> {
        (0..texts.len()).into_par_iter().map(|index| self.tokenize_one(texts, index, role)).collect()
    }

    /// Encodes texts, each given with its position, in one batch.
    fn forward(
        &self,
        texts: &[(usize, &TokenizedText)],
        threads: usize,
        call: &Call<'_>,
        sink: &TextSink<'_>,
    ) -> Result<()> {
        let batch = batch_of(texts.iter().map(|(_, text)| *text));
        self.backend.forward(&batch, threads, call, &|position, hidden| {
            let (index, text) = texts[position];
            self.hand_on(index, text, hidden, sink);
        })
    }

    /// Applies the modules to a text's hidden states and passes its vectors on. If any hidden state
    /// is not finite, all vectors are NaN. The bad state may belong to a token that pooling leaves
    /// out, but attention has spread it to the other tokens, even where their numbers look finite.
    fn hand_on(&self, index: usize, text: &TokenizedText, hidden: ArrayView2<'_, f32>, sink: &TextSink<'_>) {
        if !is_finite(hidden) {
            let tokens = Array2::from_elem((text.content.len().max(1), self.contract.token_dim), f32::NAN);
            let vector = vec![f32::NAN; if self.has_text_vectors() { self.contract.dim } else { 0 }];
            return sink(index, &EncodedText { vector: &vector, tokens: tokens.view() });
        }
        let features = self.pipeline.run(hidden);
        let tokens = features.tokens().unwrap_or(hidden);
        let vector = vector(&features);
        if text.skipped.is_empty() {
            return sink(index, &EncodedText { vector, tokens: tokens.slice(s![text.content.clone(), ..]) });
        }
        let kept: Vec<usize> = text.content.clone().filter(|at| text.skipped.binary_search(at).is_err()).collect();
        sink(index, &EncodedText { vector, tokens: tokens.select(Axis(0), &kept).view() });
    }

    /// Does [`TokenEncoder::encode_each`] as one padded rectangle, like
    /// [`LocalEncoder::encode_padded`] for [`Encoder::encode`].
    pub(super) fn encode_each_padded(&self, texts: &[&str], role: Role, sink: &TextSink<'_>) -> Result<()> {
        self.threads.run(|| {
            let tokenized = self.tokenize(texts, role)?;
            let hand_on = |position: usize, hidden: ArrayView2<'_, f32>| {
                self.hand_on(position, &tokenized[position], hidden, sink);
            };
            self.backend.forward_padded(&batch_of(tokenized.iter()), &hand_on)
        })?
    }

    fn needs_text_vectors(&self) -> Result<()> {
        if self.has_text_vectors() { Ok(()) } else { Err(no_text_vectors(&self.files.name)) }
    }

    /// Computes the fingerprint of the files, and of the settings that an override or a later
    /// release may change.
    fn compute_fingerprint(&self) -> Result<String> {
        let contract = &self.contract;
        let numbers = (contract.dim, contract.max_tokens, contract.normalize, contract.pooling);
        // Instruction sets round differently, most visibly in i8.
        let arithmetic =
            (arithmetic_version(self.precision, &contract.config), self.engine, self.precision, Kernels::best().isa());
        let prompts = (&contract.query_prompt, &contract.document_prompt);
        // Earlier releases computed other lists of modules differently; plain lists keep their
        // fingerprint.
        let mut modules = if contract.is_plain() { String::new() } else { format!(" {:?}", contract.modules) };
        if !contract.tokenizer.is_plain() {
            modules.push_str(&format!(" {:?}", contract.tokenizer));
        }
        if let Some(late) = &contract.late_interaction {
            modules.push_str(&format!(" {late:?}"));
        }
        let (files, caps) = (files_fingerprint(&self.files_fingerprint, &self.files)?, contract.caps.fingerprint());
        let hash = Sha256::digest(format!("{files} {numbers:?} {arithmetic:?} {prompts:?}{modules}{caps}"));
        Ok(hex(hash))
    }
}

/// Returns the fingerprint of a model's files, computed once.
pub(super) fn files_fingerprint<'a>(kept: &'a OnceLock<String>, files: &ModelFiles) -> Result<&'a str> {
    if let Some(fingerprint) = kept.get() {
        return Ok(fingerprint);
    }
    let fingerprint = files.fingerprint()?;
    Ok(kept.get_or_init(|| fingerprint))
}

/// Returns the sequences in the backend's form.
fn batch_of<'a>(texts: impl Iterator<Item = &'a TokenizedText>) -> RaggedBatch {
    let mut batch = RaggedBatch::new();
    texts.for_each(|text| batch.push_expanded(&text.ids, text.attended));
    batch
}

/// Returns the error that a late-interaction model has no vectors of whole texts.
pub(crate) fn no_text_vectors(name: &str) -> Error {
    Error::InvalidArgument(format!(
        "{name} is a late-interaction (ColBERT) model: it has a vector per token and none of the text, so there are no embeddings to write, \
         keep or search"
    ))
    .advised(Remedy::RerankByMaxSim)
}

/// Returns the text's vector. The contract refuses modules that give none.
fn vector<'a>(features: &'a Features<'_>) -> &'a [f32] {
    features.vector().unwrap_or_default()
}

fn set_row(vectors: &Mutex<Array2<f32>>, index: usize, vector: &[f32]) {
    let mut vectors = vectors.lock().unwrap_or_else(PoisonError::into_inner);
    vectors.row_mut(index).iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
}

fn embeddings(vectors: Mutex<Array2<f32>>, lengths: EncodedLengths) -> Embeddings {
    let vectors = vectors.into_inner().unwrap_or_else(PoisonError::into_inner);
    Embeddings { vectors, tokens: lengths.tokens, truncated: lengths.truncated }
}

/// Returns true if all hidden states of a text are finite.
pub(super) fn is_finite(hidden: ArrayView2<'_, f32>) -> bool {
    hidden.rows().into_iter().all(|row| match row.as_slice() {
        Some(row) => all_finite(row),
        None => row.iter().all(|x| x.is_finite()),
    })
}

impl Tokens for TokenizedText {
    fn num_tokens(&self) -> usize {
        self.ids.len()
    }
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

    fn model(&self) -> Option<ModelInfo> {
        Some(ModelInfo {
            name: self.files.name.clone(),
            revision: self.files.revision.clone(),
            device: self.device().to_string(),
            engine: self.engine.to_string(),
            precision: self.precision.to_string(),
            max_tokens: self.contract.max_tokens,
        })
    }

    fn refuses_long_texts(&self) -> bool {
        self.contract.caps.refuses
    }

    fn has_text_vectors(&self) -> bool {
        self.contract.late_interaction.is_none()
    }

    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        self.encode_with(texts, role, &Call::new())
    }

    fn encode_with(&self, texts: &[&str], role: Role, call: &Call<'_>) -> Result<Embeddings> {
        self.needs_text_vectors()?;
        let vectors = Mutex::new(Array2::zeros((texts.len(), self.contract.dim)));
        let lengths = self.encode_each(texts, role, call, &|index, text| set_row(&vectors, index, text.vector))?;
        Ok(embeddings(vectors, lengths))
    }

    fn token_encoder(&self) -> Option<&dyn TokenEncoder> {
        Some(self)
    }
}

impl TokenEncoder for LocalEncoder {
    fn token_dim(&self) -> usize {
        self.contract.token_dim
    }

    fn encode_each(&self, texts: &[&str], role: Role, call: &Call<'_>, sink: &TextSink<'_>) -> Result<EncodedLengths> {
        call.check()?;
        let lengths = LengthCollector::new(texts.len());
        let bytes: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let work = BatchWork {
            lengths: &bytes,
            batch_tokens: self.options.batch_tokens,
            call,
            tokenize: &|index| {
                let text = self.tokenize_one(texts, index, role)?;
                lengths.note(index, (text.ids.len(), text.own()), text.unknown, text.truncated);
                Ok(text)
            },
            forward: &|batch: &[(usize, &TokenizedText)], threads| self.forward(batch, threads, call, sink),
        };
        work.run(&self.threads, self.options.device)?;
        let lengths = lengths.into_inner();
        call.add(&Usage::of_texts(&lengths.tokens, &lengths.truncated));
        Ok(lengths)
    }

    fn windows(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        let windows = self.tokenizer.windows(text, role)?;
        let (from, to) =
            (windows.first().map_or(0, |window| window.start), windows.last().map_or(0, |window| window.end));
        match self.contract.caps.refuses && (from, to) != (0, text.len()) {
            true => Err(self.too_long(text, 0, role)?),
            false => Ok(windows),
        }
    }

    fn token_ranges(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        self.tokenizer.locate(text, role)
    }
}

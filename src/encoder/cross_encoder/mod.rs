//! Cross-encoders: models that read a query and a document together and give one score.
//!
//! `contract.rs` reads the settings from a model's files, and `pairs.rs` makes one sequence of two
//! texts. [`CrossEncoder`] runs the sequences through the same engines as embedding models and
//! passes the hidden states to a head.

mod check;
mod contract;
mod pairs;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ndarray::ArrayView2;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::backend::{choose, load_backend, map_weights};
use super::batches::BatchWork;
use super::lengths::LengthCollector;
use super::local::{files_fingerprint, is_finite};
use super::pipeline::Pipeline;
use super::version::arithmetic_version;
use super::{EncodedLengths, Engine, LocalEncoderOptions, ModelInfo, Overrides, Precision, Reading, Token};
use crate::call::{Call, Usage};
use crate::engine::{AnswerHead, Backend, ClassificationHead, ModelMemory, RaggedBatch};
use crate::error::TextName;
use crate::hex::hex;
use crate::kernels::Kernels;
use crate::store::ModelFiles;
use crate::threads::Threads;
use crate::{Error, Result};
pub use contract::{CrossContract, ModelKind};
use contract::{PairForm, not_asked};
pub use pairs::DEFAULT_INSTRUCTION;
use pairs::{PairTokenizer, PreparedQuery, TokenizedPair};

/// Options for loading and running a cross-encoder.
#[derive(Debug, Clone, Default)]
pub struct CrossEncoderOptions {
    /// The options of an encoder. Of the overrides only `max_tokens` applies. The default precision
    /// is f32, because the effect of lower ones on trained cross-encoders' scores was not measured.
    pub local: LocalEncoderOptions,
    /// The instruction for a causal model, in place of [`DEFAULT_INSTRUCTION`].
    pub instruction: Option<String>,
}

/// The head, which makes one number of the hidden states of a pair.
enum PairHead {
    Classification(ClassificationHead),
    Answer(AnswerHead),
    Modules(Pipeline),
}

impl PairHead {
    fn logit(&self, hidden: ArrayView2<'_, f32>) -> f32 {
        match self {
            // The contract refuses models with more labels.
            PairHead::Classification(head) => head.logits(hidden).first().copied().unwrap_or(f32::NAN),
            PairHead::Answer(head) => head.log_odds(hidden),
            // The contract refuses modules that give no score.
            PairHead::Modules(pipeline) => pipeline.run(hidden).scores().map_or(f32::NAN, |scores| scores[0]),
        }
    }
}

/// The logits of pairs, with token counts.
#[derive(Debug, Clone, PartialEq)]
pub struct PairLogits {
    /// One logit per pair, of any size; higher is better. NaN where the model's numbers are not
    /// finite.
    pub logits: Vec<f32>,
    /// Number of tokens of each query alone.
    pub query_tokens: Vec<u32>,
    /// True for a query that was cut in at least one of its pairs.
    pub query_truncated: Vec<bool>,
    /// True for a query whose tokens are all outside the vocabulary, or that has none.
    pub query_unknown: Vec<bool>,
    /// The lengths of each pair: all tokens of the pair, and the document's tokens outside the
    /// vocabulary.
    pub lengths: EncodedLengths,
}

/// A local model that reads query and document together. It is `Send + Sync` and has no lock around
/// it.
pub struct CrossEncoder {
    contract: CrossContract,
    tokenizer: PairTokenizer,
    backend: Arc<dyn Backend>,
    head: Arc<PairHead>,
    engine: Engine,
    precision: Precision,
    files: ModelFiles,
    options: CrossEncoderOptions,
    threads: Threads,
    fingerprint: OnceLock<String>,
    /// The fingerprint of the files alone.
    files_fingerprint: Arc<OnceLock<String>>,
    /// Length in tokens of the longest pair that the backend was loaded for. Only the native engine
    /// takes longer ones.
    loaded_tokens: usize,
}

impl CrossEncoder {
    /// Loads a model.
    ///
    /// # Errors
    /// The errors of [`CrossContract::read`]; [`Error::UnsupportedArchitecture`];
    /// [`Error::ModelFile`] when weights or tokenizer are unusable; [`Error::Device`] when the
    /// device is missing; [`Error::InvalidArgument`] for options that are out of range or do not
    /// apply.
    pub fn load(files: ModelFiles, mut options: CrossEncoderOptions) -> Result<Self> {
        let contract = CrossContract::read(&files, options.local.overrides.max_tokens)?;
        check_options(&files, &contract, &options)?;
        options.local.precision.get_or_insert(Precision::F32);
        let local = &options.local;
        let threads = Threads::new(local.threads)?;
        let (engine, precision) = choose(&contract.config, local)?;
        let tokenizer = PairTokenizer::load(&files, &contract, options.instruction.as_deref())?;
        let (device, batch_tokens, longest) = (local.device, local.batch_tokens, contract.max_tokens);
        let load = || load_backend(&files, &contract.config, (engine, precision), device, longest, batch_tokens);
        let backend = threads.run(load)??;
        let head = Arc::new(load_head(&files, &contract, &tokenizer)?);
        let (backend, fingerprint, files_fingerprint) = (backend.into(), OnceLock::new(), Arc::default());
        let loaded_tokens = contract.max_tokens;
        Ok(Self {
            contract,
            tokenizer,
            backend,
            head,
            engine,
            precision,
            files,
            options,
            threads,
            fingerprint,
            files_fingerprint,
            loaded_tokens,
        })
    }

    /// Returns the same model with other options for reading texts. It shares weights, threads and
    /// vocabulary and reads no file: this takes microseconds.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an option that does not apply to the model, and for a value out
    /// of range.
    pub fn with_reading(&self, reading: &Reading) -> Result<Self> {
        let contract = self.contract.reading(reading, &self.files.name)?;
        if self.engine == Engine::Candle && contract.max_tokens > self.loaded_tokens {
            let (tokens, loaded) = (contract.max_tokens, self.loaded_tokens);
            let why = format!("{tokens}: candle's tables are for the {loaded} tokens that the model was loaded with");
            return Err(Error::InvalidOption { option: "max_tokens", why });
        }
        let instruction = reading.instruction.clone().or_else(|| self.options.instruction.clone());
        let options = CrossEncoderOptions { instruction, ..self.options.clone() };
        Ok(Self {
            tokenizer: self.tokenizer.with_contract(&contract, options.instruction.as_deref())?,
            contract,
            backend: Arc::clone(&self.backend),
            head: Arc::clone(&self.head),
            engine: self.engine,
            precision: self.precision,
            files: self.files.clone(),
            options,
            threads: self.threads.clone(),
            fingerprint: OnceLock::new(),
            files_fingerprint: Arc::clone(&self.files_fingerprint),
            loaded_tokens: self.loaded_tokens,
        })
    }

    /// Returns the settings that the model is used with.
    pub fn contract(&self) -> &CrossContract {
        &self.contract
    }

    /// Returns the model's files.
    pub fn files(&self) -> &ModelFiles {
        &self.files
    }

    /// Returns the engine of the forward pass.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Returns the arithmetic of the forward pass; the head is in f32.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Returns the model and how it runs.
    pub fn model(&self) -> ModelInfo {
        ModelInfo {
            name: self.files.name.clone(),
            revision: self.files.revision.clone(),
            device: self.options.local.device.to_string(),
            engine: self.engine.to_string(),
            precision: self.precision.to_string(),
            max_tokens: self.contract.max_tokens,
        }
    }

    /// Identifies the weights and everything else that decides a logit.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        if let Some(fingerprint) = self.fingerprint.get() {
            return Ok(fingerprint.clone());
        }
        let arithmetic = (
            arithmetic_version(self.precision, &self.contract.config),
            self.engine,
            self.precision,
            Kernels::best().isa(),
        );
        let settings = (self.contract.max_tokens, &self.options.instruction);
        let (files, caps) =
            (files_fingerprint(&self.files_fingerprint, &self.files)?, self.contract.caps.fingerprint());
        let hash = Sha256::digest(format!("{files} cross {settings:?} {arithmetic:?}{caps}"));
        Ok(self.fingerprint.get_or_init(|| hex(hash)).clone())
    }

    /// Returns the bytes that the weights take. Models with another [`Reading`] share them.
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

    /// Computes the logit of every pair `(query, text)`, given as positions. It depends neither on
    /// the other pairs nor on the number of threads.
    ///
    /// # Errors
    /// When tokenizing or the forward pass fails; [`Error::Cancelled`];
    /// [`Error::DeadlineExceeded`].
    ///
    /// # Panics
    /// If a position in a pair is out of range.
    pub fn logits(
        &self,
        queries: &[&str],
        texts: &[&str],
        pairs: &[(usize, usize)],
        call: &Call<'_>,
    ) -> Result<PairLogits> {
        call.check()?;
        let prepare = |(index, query): (usize, &&str)| self.prepare(query, index);
        let prepared: Vec<PreparedQuery> = queries.iter().enumerate().map(prepare).collect::<Result<_>>()?;
        call.done(queries.len());
        let lengths = LengthCollector::new(pairs.len());
        let query_truncated: Vec<AtomicBool> = queries.iter().map(|_| AtomicBool::new(false)).collect();
        let logits = Mutex::new(vec![f32::NAN; pairs.len()]);
        let bytes: Vec<usize> = pairs.iter().map(|&(query, text)| queries[query].len() + texts[text].len()).collect();
        let work = BatchWork {
            lengths: &bytes,
            batch_tokens: self.options.local.batch_tokens,
            call,
            tokenize: &|index: usize| {
                let (query, text) = pairs[index];
                let pair = self.tokenizer.pair(&prepared[query], texts[text])?;
                if pair.truncated && self.contract.caps.refuses {
                    return Err(self.too_long((query, queries[query]), (text, texts[text]))?);
                }
                lengths.note(index, (pair.ids.len(), pair.own), pair.unknown, pair.truncated);
                if pair.query_truncated {
                    query_truncated[query].store(true, Ordering::Relaxed);
                }
                Ok(pair)
            },
            forward: &|batch: &[(usize, &TokenizedPair)], threads| {
                self.backend.forward(
                    &ragged(batch.iter().map(|(_, pair)| *pair)),
                    threads,
                    call,
                    &|position, hidden| self.keep(&logits, batch[position].0, hidden),
                )
            },
        };
        work.run(&self.threads, self.options.local.device)?;
        let query_tokens = prepared.iter().map(|query| query.num_tokens() as u32).collect();
        let logits = logits.into_inner().unwrap_or_else(PoisonError::into_inner);
        let lengths = lengths.into_inner();
        call.add(&Usage::of_texts(&lengths.tokens, &lengths.truncated));
        Ok(PairLogits {
            logits,
            query_tokens,
            query_truncated: query_truncated.into_iter().map(AtomicBool::into_inner).collect(),
            query_unknown: prepared.iter().map(PreparedQuery::is_unknown).collect(),
            lengths,
        })
    }

    fn prepare(&self, query: &str, index: usize) -> Result<PreparedQuery> {
        let prepared = self.tokenizer.prepare(query)?;
        if !(self.contract.caps.refuses && prepared.is_part()) {
            return Ok(prepared);
        }
        let (tokens, limit) = self.tokenizer.excess_of_query(query)?;
        Err(Error::TooLong { text: TextName::Query(index), tokens, limit })
    }

    /// Returns the error that names the text of a pair that is too long, or both texts if only the
    /// pair is too long.
    fn too_long(&self, (query, asked): (usize, &str), (document, text): (usize, &str)) -> Result<Error> {
        if let Some((tokens, limit)) = self.tokenizer.excess_of_document(text)? {
            return Ok(Error::TooLong { text: TextName::Document(document), tokens, limit });
        }
        let tokens = self.tokenizer.count(asked, text)?;
        let text = TextName::Pair { query, document };
        Ok(Error::TooLong { text, tokens, limit: self.contract.max_tokens })
    }

    /// Computes the logits of one query's texts as one padded rectangle under an attention mask, on
    /// any device. It serves to check that padding does not change them.
    fn logits_padded(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>> {
        let prepared = self.tokenizer.prepare(query)?;
        let pairs: Vec<TokenizedPair> =
            texts.iter().map(|text| self.tokenizer.pair(&prepared, text)).collect::<Result<_>>()?;
        let logits = Mutex::new(vec![f32::NAN; texts.len()]);
        self.threads.run(|| {
            self.backend.forward_padded(&ragged(pairs.iter()), &|index, hidden| self.keep(&logits, index, hidden))
        })??;
        Ok(logits.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn keep(&self, logits: &Mutex<Vec<f32>>, index: usize, hidden: ArrayView2<'_, f32>) {
        let logit = if is_finite(hidden) { self.head.logit(hidden) } else { f32::NAN };
        // A sigmoid would turn infinity into certainty.
        let logit = if logit.is_finite() { logit } else { f32::NAN };
        logits.lock().unwrap_or_else(PoisonError::into_inner)[index] = logit;
    }
}

fn ragged<'a>(pairs: impl Iterator<Item = &'a TokenizedPair>) -> RaggedBatch {
    let mut batch = RaggedBatch::new();
    pairs.for_each(|pair| batch.push_pair(&pair.ids[..pair.second], &pair.ids[pair.second..]));
    batch
}

/// Refuses options that do not apply to cross-encoders, or to this one.
fn check_options(files: &ModelFiles, contract: &CrossContract, options: &CrossEncoderOptions) -> Result<()> {
    let refused = |option: &'static str, why: String| Err(Error::InvalidOption { option, why });
    let name = &files.name;
    let Overrides { query_prompt, document_prompt, max_tokens: _, pooling, dim } = &options.local.overrides;
    let given = [
        ("query_prompt", query_prompt.is_some()),
        ("document_prompt", document_prompt.is_some()),
        ("pooling", pooling.is_some()),
        ("dim", dim.is_some()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => {
            let instead = if contract.form == PairForm::Answering { "; `instruction=` sets the question" } else { "" };
            refused(option, format!("is for embedding models, and {name} is a cross-encoder: leave it out{instead}"))
        }
        None if options.local.batch_tokens == 0 => refused("batch_tokens", "must be at least 1".into()),
        None if options.instruction.is_some() && contract.form != PairForm::Answering => {
            refused("instruction", not_asked(name))
        }
        None => Ok(()),
    }
}

fn load_head(files: &ModelFiles, contract: &CrossContract, tokenizer: &PairTokenizer) -> Result<PairHead> {
    if contract.form == PairForm::Modular {
        return Pipeline::load(files, &contract.modules, contract.hidden_size).map(PairHead::Modules);
    }
    let (weights, kernels) = (map_weights(files)?, Kernels::best());
    match contract.form {
        PairForm::Classifier => {
            ClassificationHead::load(&contract.config, weights, &files.dir, kernels).map(PairHead::Classification)
        }
        PairForm::Answering | PairForm::Modular => {
            let rows = contract.config["vocab_size"].as_u64().unwrap_or(0) as usize;
            let shape = (rows, contract.hidden_size);
            AnswerHead::load(weights, &files.dir, shape, tokenizer.answers()?, kernels).map(PairHead::Answer)
        }
    }
}

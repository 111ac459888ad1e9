//! Encoders (text to vectors) and cross-encoders (pairs of texts to a score).

mod audit;
mod backend;
mod batches;
mod check;
mod config_fields;
mod contract;
mod contract_reading;
mod cross_encoder;
mod cuts;
mod dense;
mod encoding;
mod known_fields;
mod late_interaction;
mod late_options;
mod late_tokens;
mod layer_norm;
mod lengths;
mod listed;
mod local;
mod local_options;
mod module_weights;
mod modules;
mod numbers;
mod overrides;
mod pipeline;
mod pooling;
mod reader;
mod reading;
mod shared_tokenizer;
mod static_model;
mod table_source;
mod token;
mod token_names;
mod tokenized;
mod tokenizer;
mod tokenizer_file;
mod tokenizer_settings;
mod transformer_file;
mod verification;
mod version;
mod weights_check;
mod word_ids;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use ndarray::{Array2, ArrayView2};

pub use crate::engine::Precision;
pub use crate::threads::MAX_THREADS;
pub use check::Check;
pub use contract::Contract;
pub use cross_encoder::{CrossContract, CrossEncoder, CrossEncoderOptions, DEFAULT_INSTRUCTION, ModelKind, PairLogits};
pub use late_options::{Expansion, LateInteraction};
pub use local::LocalEncoder;
pub(crate) use local::no_text_vectors;
pub use local_options::LocalEncoderOptions;
pub use overrides::Overrides;
pub use pooling::Pooling;
pub use reader::ModelFinding;
pub use reading::{Prompt, Reading, Truncate};
pub use token::Token;
pub use verification::{
    CheckDocument, ContractDocument, FileDocument, FindingDocument, Reads, Verification, VerificationDocument,
};
pub use weights_check::check_weights;

use crate::call::{Call, Usage};
use crate::{Error, Result};

/// The role of a text. Models trained with prompts put a different prompt before each role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The text that the user searches with.
    Query,
    /// A text that is ranked.
    Document,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Query => "query",
            Role::Document => "document",
        })
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "query" => Ok(Role::Query),
            "document" => Ok(Role::Document),
            _ => Err(Error::InvalidArgument(format!("unknown role '{text}'; expected query or document"))),
        }
    }
}

/// The engine of the forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// nearsort's own, on the CPU: BERT and its relatives, ModernBERT.
    Native,
    /// candle: GPUs, more architectures, and the reference on the CPU. f32 only.
    Candle,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Engine::Native => "native",
            Engine::Candle => "candle",
        })
    }
}

impl FromStr for Engine {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "native" => Ok(Engine::Native),
            "candle" => Ok(Engine::Candle),
            _ => Err(Error::InvalidArgument(format!("unknown engine '{text}'; expected native or candle"))),
        }
    }
}

/// A model and how it runs, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The name by which the model was requested.
    pub name: String,
    /// The commit of the model's repository, where it is known.
    pub revision: Option<String>,
    /// The device: a [`crate::Device`], or the host of a service.
    pub device: String,
    /// The engine: an [`Engine`], or a kind of service.
    pub engine: String,
    /// The arithmetic of the forward pass; empty if unknown.
    pub precision: String,
    /// Longest text in tokens; longer texts are cut.
    pub max_tokens: usize,
}

/// Vectors of several texts, in the texts' order.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Row-major, `[texts, dim]`.
    pub vectors: Array2<f32>,
    /// Tokens encoded per text, special tokens and prompt included, after truncation.
    pub tokens: Vec<u32>,
    /// True for a text that was longer than the model takes, and was cut.
    pub truncated: Vec<bool>,
}

impl Embeddings {
    /// Returns the matrix, `[texts, dim]`.
    pub fn view(&self) -> ArrayView2<'_, f32> {
        self.vectors.view()
    }

    /// Returns the number of texts.
    pub fn len(&self) -> usize {
        self.vectors.nrows()
    }

    /// Returns true if there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Creates vectors of zeros, without tokens.
    pub(crate) fn zeros(texts: usize, dim: usize) -> Self {
        Self { vectors: Array2::zeros((texts, dim)), tokens: vec![0; texts], truncated: vec![false; texts] }
    }
}

/// Receives a part of the texts as soon as their vectors are ready: their positions, and the
/// vectors in the same order. It is called in any order, possibly from several threads at once. An
/// error ends the encoding.
pub type PartSink<'a> = dyn Fn(&[usize], &Embeddings) -> Result<()> + Sync + 'a;

/// The vectors of one encoded text. If the model's numbers for it are not finite, its vector and
/// its token vectors are not finite either.
#[derive(Debug)]
pub struct EncodedText<'a> {
    /// The embedding, `[dim]`; empty if [`Encoder::has_text_vectors`] is false.
    pub vector: &'a [f32],
    /// Vectors of the text's own tokens, `[tokens, token_dim]`, without special tokens and prompt.
    /// They are the last hidden states, after the model's modules that change them. They are not
    /// normalised, unless a module does it. For a late-interaction model they are all tokens but
    /// those of its skip list.
    pub tokens: ArrayView2<'a, f32>,
}

/// Receives each text as it is encoded: its position and its vectors. It is called once per text,
/// in any order, possibly from several threads at once.
pub type TextSink<'a> = dyn Fn(usize, &EncodedText<'_>) + Sync + 'a;

/// The token counts of encoded texts; one element per text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedLengths {
    /// Tokens encoded, special tokens and prompt included, after truncation.
    pub tokens: Vec<u32>,
    /// The text's own tokens among these, without special tokens and prompt; empty if the encoder
    /// does not know.
    pub own: Vec<u32>,
    /// The unknown tokens among the text's own: those that stand for words outside the vocabulary.
    pub unknown: Vec<u32>,
    /// True for a text that was longer than the model takes, and was cut.
    pub truncated: Vec<bool>,
}

impl EncodedLengths {
    /// Returns true if text `index` has no tokens of its own, because the tokenizer drops all its
    /// characters. Returns `false` if the encoder does not know.
    pub(crate) fn is_nothing(&self, index: usize) -> bool {
        self.own.get(index) == Some(&0)
    }

    /// Returns true if text `index` has no token in the vocabulary, or no token at all. Returns
    /// `false` if the encoder does not know, or if the prompt left no room for the text.
    pub(crate) fn is_unknown(&self, index: usize) -> bool {
        let has_no_room = |own| own == 0 && self.truncated.get(index) == Some(&true);
        self.own.get(index).is_some_and(|&own| own <= self.unknown[index] && !has_no_room(own))
    }
}

/// An encoder turns texts into vectors. Local models and services ([`crate::remote`]) implement it.
pub trait Encoder: Send + Sync {
    /// Returns the number of components of a vector.
    fn dim(&self) -> usize;

    /// Returns the longest text in tokens, special tokens and prompt included; longer texts are
    /// cut.
    fn max_tokens(&self) -> usize;

    /// Identifies the weights and everything else that decides a vector. Equal fingerprints mean
    /// equal vectors.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    fn fingerprint(&self) -> Result<String>;

    /// Returns the model and how it runs; `None` if the encoder does not know.
    fn model(&self) -> Option<ModelInfo> {
        None
    }

    /// Encodes texts. The vector of a text does not depend on the other texts or their order.
    ///
    /// # Errors
    /// When tokenizing or the forward pass fails.
    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings>;

    /// Does [`Encoder::encode`] within a call. The call may end the work early, and receives its
    /// progress and usage. Encoders that take long should override this method; the default checks
    /// the call only once, before the work.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; [`Error::Cancelled`]; [`Error::DeadlineExceeded`].
    fn encode_with(&self, texts: &[&str], role: Role, call: &Call<'_>) -> Result<Embeddings> {
        call.check()?;
        let embeddings = self.encode(texts, role)?;
        call.add(&Usage::of_texts(&embeddings.tokens, &embeddings.truncated));
        call.done(texts.len());
        Ok(embeddings)
    }

    /// Does [`Encoder::encode_with`] in parts. Each part goes to `sink` as soon as it is ready, so
    /// that paid results are kept even if a later part fails. Every text is in exactly one part.
    ///
    /// # Errors
    /// The errors of [`Encoder::encode_with`], and those of the sink.
    fn encode_parts(&self, texts: &[&str], role: Role, call: &Call<'_>, sink: &PartSink<'_>) -> Result<()> {
        let all: Vec<usize> = (0..texts.len()).collect();
        sink(&all, &self.encode_with(texts, role, call)?)
    }

    /// Returns true if a text that is too long is [`Error::TooLong`] instead of cut.
    fn refuses_long_texts(&self) -> bool {
        false
    }

    /// Returns true if the encoder gives a vector of a whole text. A late-interaction model gives
    /// only vectors of tokens, and its [`Encoder::encode`] fails.
    fn has_text_vectors(&self) -> bool {
        true
    }

    /// Returns this encoder as a [`TokenEncoder`], if it gives token vectors.
    fn token_encoder(&self) -> Option<&dyn TokenEncoder> {
        None
    }
}

/// An encoder that also gives the token vectors of the same forward pass, for late interaction. It
/// also knows the position of each token in a text.
pub trait TokenEncoder: Encoder {
    /// Returns the number of components of a token vector.
    fn token_dim(&self) -> usize;

    /// Does [`Encoder::encode_with`] without keeping any vectors. Each text's vectors go to `sink`
    /// as soon as they are ready, so that memory does not depend on the number of texts.
    ///
    /// # Errors
    /// As [`Encoder::encode_with`].
    fn encode_each(&self, texts: &[&str], role: Role, call: &Call<'_>, sink: &TextSink<'_>) -> Result<EncodedLengths>;

    /// Returns byte ranges that cover a text, each short enough for the model. This is one range,
    /// the whole text, or overlapping windows that begin at words. For a huge text the ranges may
    /// cover the beginning only. If only a part of a text is read, they cover that part.
    ///
    /// # Errors
    /// When tokenizing fails; [`Error::TooLong`], which names document 0, as
    /// [`Encoder::refuses_long_texts`] says.
    fn windows(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>>;

    /// Returns the byte ranges in the text of the tokens whose vectors
    /// [`TokenEncoder::encode_each`] gives, in the same order. The range of a token that is not in
    /// the text is empty.
    ///
    /// # Errors
    /// When tokenizing fails.
    fn token_ranges(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>>;
}

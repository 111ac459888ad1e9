//! Text in, vectors out; and pairs of texts in, a number out: the cross-encoders.

mod audit;
mod backend;
mod batches;
mod check;
mod contract;
mod contract_reading;
mod cross_encoder;
mod cuts;
mod dense;
mod known_fields;
mod late_interaction;
mod late_options;
mod late_tokens;
mod layer_norm;
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
pub use reader::Finding;
pub use reading::{Prompt, Reading, Truncate};
pub use token::Token;
pub use verification::{
    CheckDocument, ContractDocument, FileDocument, FindingDocument, Reads, Verification, VerificationDocument,
};
pub use weights_check::check_weights;

use crate::call::{Call, Usage};
use crate::{Error, Result};

/// What a text is. Models trained with prompts put a different one before each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// What the user asks.
    Query,
    /// What is ranked.
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
            _ => Err(Error::InvalidArgument(format!("'{text}' is not a role; known are query and document"))),
        }
    }
}

/// What computes the forward pass.
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
            _ => Err(Error::InvalidArgument(format!("'{text}' is not an engine; known are native and candle"))),
        }
    }
}

/// A model and how it runs, for those who report it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// As it was asked for.
    pub name: String,
    /// Commit of the model's repository, where it is known.
    pub revision: Option<String>,
    /// Where it runs: a [`crate::Device`], or the host of a service.
    pub device: String,
    /// What computes it: an [`Engine`], or a kind of service.
    pub engine: String,
    /// Arithmetic of the forward pass; empty where nobody knows.
    pub precision: String,
    /// Longest text in tokens; what is beyond is cut.
    pub max_tokens: usize,
}

/// Vectors of several texts, in the texts' order.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// Row-major, `[texts, dim]`.
    pub vectors: Array2<f32>,
    /// Tokens encoded per text, special tokens and prompt included, after truncation.
    pub tokens: Vec<u32>,
    /// Whether a text was longer than the model takes, and was cut.
    pub truncated: Vec<bool>,
}

impl Embeddings {
    /// The matrix, `[texts, dim]`.
    pub fn view(&self) -> ArrayView2<'_, f32> {
        self.vectors.view()
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.vectors.nrows()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Vectors of zeros, without tokens.
    pub(crate) fn zeros(texts: usize, dim: usize) -> Self {
        Self { vectors: Array2::zeros((texts, dim)), tokens: vec![0; texts], truncated: vec![false; texts] }
    }
}

/// Receives texts whose vectors are there: their positions, and the vectors in the positions' order. Called in any order, possibly from several
/// threads at once; an error ends the encoding.
pub type PartSink<'a> = dyn Fn(&[usize], &Embeddings) -> Result<()> + Sync + 'a;

/// One text as it leaves the encoder. Where the model's numbers for it are not finite, its vector is not, and so are its token vectors.
#[derive(Debug)]
pub struct EncodedText<'a> {
    /// The embedding, `[dim]`; empty where [`Encoder::has_text_vectors`] says that there is none.
    pub vector: &'a [f32],
    /// Vectors of the text's own tokens, `[tokens, token_dim]`, without special tokens and prompt: the
    /// last hidden states, after the modules of the model that change them. Not normalised, unless a
    /// module does it. Of a late-interaction model all tokens but those of its skip list.
    pub tokens: ArrayView2<'a, f32>,
}

/// Receives texts as they are encoded: the text's position, and its vectors. Called once per text, in any order, possibly from several
/// threads at once.
pub type TextSink<'a> = dyn Fn(usize, &EncodedText<'_>) + Sync + 'a;

/// What became of texts on their way into the model; one element per text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedLengths {
    /// Tokens encoded, special tokens and prompt included, after truncation.
    pub tokens: Vec<u32>,
    /// Of these, the text's own, without special tokens and prompt; empty where the encoder does not
    /// know.
    pub own: Vec<u32>,
    /// Of these, tokens that stand for what the vocabulary lacks.
    pub unknown: Vec<u32>,
    /// Whether the text was longer than the model takes, and was cut.
    pub truncated: Vec<bool>,
}

impl EncodedLengths {
    /// Whether nothing of text `index` was left to read: the tokenizer drops all its characters.
    /// `false` where the encoder does not know.
    pub(crate) fn is_nothing(&self, index: usize) -> bool {
        self.own.get(index) == Some(&0)
    }

    /// Whether no token of text `index` is in the vocabulary, or there is none. `false` where the
    /// encoder does not know, and where the prompt left no room for any.
    pub(crate) fn is_unknown(&self, index: usize) -> bool {
        let has_no_room = |own| own == 0 && self.truncated.get(index) == Some(&true);
        self.own.get(index).is_some_and(|&own| own <= self.unknown[index] && !has_no_room(own))
    }
}

/// Turns texts into vectors. Local models implement it, and services ([`crate::remote`]).
pub trait Encoder: Send + Sync {
    /// Components of a vector.
    fn dim(&self) -> usize;

    /// Longest text in tokens, special tokens and prompt included; what is beyond is cut.
    fn max_tokens(&self) -> usize;

    /// Identifies the weights and everything else that decides a vector: equal fingerprints, equal vectors.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    fn fingerprint(&self) -> Result<String>;

    /// The model and how it runs; `None` where the encoder does not say.
    fn model(&self) -> Option<ModelInfo> {
        None
    }

    /// Encodes texts. The vector of a text does not depend on the other texts or their order.
    ///
    /// # Errors
    /// When tokenizing or the forward pass fails.
    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings>;

    /// [`Encoder::encode`] within a call, which may end it early, and which is told of its progress and of what it used. An encoder whose
    /// work takes long overrides this; else the call is looked at once, before the work.
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

    /// [`Encoder::encode_with`] part by part, each handed on as soon as it is there, so that what is paid for is kept even if a later part fails. Every text is
    /// in one part.
    ///
    /// # Errors
    /// As [`Encoder::encode_with`], and what the sink fails with.
    fn encode_parts(&self, texts: &[&str], role: Role, call: &Call<'_>, sink: &PartSink<'_>) -> Result<()> {
        let all: Vec<usize> = (0..texts.len()).collect();
        sink(&all, &self.encode_with(texts, role, call)?)
    }

    /// Whether a text that is longer than what is read of it is [`Error::TooLong`] instead of cut.
    fn refuses_long_texts(&self) -> bool {
        false
    }

    /// Whether there is a vector of a whole text. A late-interaction model has vectors of tokens only, and
    /// fails to [`Encoder::encode`].
    fn has_text_vectors(&self) -> bool {
        true
    }

    /// This encoder with the vectors of the single tokens, if it has them.
    fn token_encoder(&self) -> Option<&dyn TokenEncoder> {
        None
    }
}

/// An encoder that also gives the token vectors of the same forward pass, which late interaction scores with, and that knows where tokens
/// lie in a text.
pub trait TokenEncoder: Encoder {
    /// Components of a token vector.
    fn token_dim(&self) -> usize;

    /// [`Encoder::encode_with`] without keeping anything: each text's vectors go to `sink` as soon as they are there, so that memory does not
    /// depend on the number of texts.
    ///
    /// # Errors
    /// As [`Encoder::encode_with`].
    fn encode_each(&self, texts: &[&str], role: Role, call: &Call<'_>, sink: &TextSink<'_>) -> Result<EncodedLengths>;

    /// Byte ranges that cover a text and are each short enough for the model: one, the whole text, or overlapping windows that begin at
    /// words. Of a huge text they may cover the beginning only, and where only a part of a text is read that part.
    ///
    /// # Errors
    /// When tokenizing fails; [`Error::TooLong`], which names document 0, as [`Encoder::refuses_long_texts`] says.
    fn windows(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>>;

    /// Byte ranges in the text of the tokens whose vectors [`TokenEncoder::encode_each`] gives, in the same order. Empty for
    /// a token that is not of the text.
    ///
    /// # Errors
    /// When tokenizing fails.
    fn token_ranges(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>>;
}

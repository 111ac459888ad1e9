//! A loaded model, as requests use it.

use std::sync::Arc;

use nearsort::model::Task;
use nearsort::{Call, Device, Encoder, LongText, Model, ModelInfo, Reranker, ScoreKind};

use crate::demand::Demand;
use crate::ops::Proof;
use crate::wire::{ModelKind, Native, WireError};

/// A loaded model.
pub(crate) struct Served {
    /// The name for clients.
    pub name: String,
    /// The model; `None` for a cascade.
    pub model: Option<Model>,
    pub reranker: Reranker,
    /// The loaded models that it uses, each once.
    pub weights: Vec<Model>,
    /// The results of its self-tests.
    pub proof: Proof,
}

impl Served {
    pub fn new(name: String, model: Model) -> Self {
        let reranker = Reranker::new(&model);
        let known = reranker.model().map(|info| info.name).unwrap_or_default();
        Self { name, model: Some(model.clone()), reranker, weights: vec![model], proof: Proof::of(&known) }
    }

    /// Creates a cascade of these models.
    pub fn of_cascade(name: String, reranker: Reranker, weights: Vec<Model>) -> Self {
        Self { name, model: None, reranker, weights, proof: Proof::of("") }
    }

    pub fn task(&self) -> Option<Task> {
        self.model.as_ref().map(Model::task)
    }

    /// Returns the kind of the model's numbers, which decides their map to the scores of a
    /// contract.
    pub fn native(&self) -> Native {
        match self.reranker.score_kind() {
            ScoreKind::Cosine => Native::Cosine,
            ScoreKind::MaxSim => Native::MaxSim,
            ScoreKind::Hybrid => Native::Hybrid,
            ScoreKind::Rating => Native::Rating,
            ScoreKind::Logit => Native::Logit,
            // A local model ranks by its logits; a service gives probabilities only.
            ScoreKind::Probability if self.task() == Some(Task::CrossEncode) => Native::Logit,
            _ => Native::Unit,
        }
    }

    /// Returns the kind of the model for `POST /` and `/info`. An embedding model is of the kind
    /// `of_embedders`.
    pub fn kind(&self, of_embedders: ModelKind) -> ModelKind {
        match self.task() {
            Some(Task::Embed) => of_embedders,
            _ => ModelKind::Reranker,
        }
    }

    /// Returns the encoder, if the model embeds texts.
    pub fn encoder(&self) -> Option<Arc<dyn Encoder>> {
        self.model.as_ref().and_then(Model::encoder).filter(|encoder| encoder.has_text_vectors())
    }

    pub fn info(&self) -> Option<ModelInfo> {
        self.reranker.model()
    }

    /// Returns the label of its score as a class; the model's own, if it has one.
    pub fn label(&self) -> String {
        let none: &[(&str, &str)] = &[];
        let own = self.model.as_ref().filter(|_| self.task() == Some(Task::CrossEncode));
        own.and_then(|model| model.predict(none, &Call::new()).ok()).map_or_else(|| "LABEL_0".to_owned(), |p| p.label)
    }

    /// Returns the bytes of its weights in the memory of the process or the device.
    pub fn bytes(&self) -> u64 {
        self.weights.iter().map(|model| model.memory().own).sum()
    }

    /// Returns true if it reads long texts in windows.
    pub fn reads_windows(&self) -> bool {
        self.model.is_some() && self.reranker.long_text() == LongText::Window
    }

    /// Returns true if it sends texts to a service.
    pub fn is_remote(&self) -> bool {
        matches!(self.task(), Some(Task::Judge | Task::Rerank))
    }

    /// Returns a demand for this number of tokens. Work of this machine's processor begins in the
    /// order of its arrival. Devices compute requests together, and services wait for a network.
    pub fn demand(&self, tokens: u64) -> Demand {
        let is_local = matches!(self.task(), Some(Task::Embed | Task::EmbedTokens | Task::CrossEncode));
        let is_cpu = self.info().is_some_and(|info| info.device == Device::Cpu.to_string());
        Demand { in_order: is_local && is_cpu, ..Demand::of(tokens) }
    }

    /// Returns the longest text in tokens, or the longest pair for a model that reads query and
    /// text together; 0 if not known.
    pub fn max_tokens(&self) -> usize {
        self.info().map_or(0, |info| info.max_tokens)
    }

    /// Returns the refusal of a request that the model cannot serve, with the reason.
    pub fn refuse(&self, what: &str) -> WireError {
        let is = match self.task() {
            Some(Task::CrossEncode) => "a cross-encoder",
            Some(Task::EmbedTokens) => "a late-interaction (ColBERT) model",
            Some(Task::Judge | Task::Rerank) => "a model of a service",
            None => "a cascade",
            _ => "no embedding model",
        };
        WireError::NotSupported { key: "model".into(), reason: format!("{} is {is}, which cannot {what}", self.name) }
    }

    /// Estimates the tokens that it reads to rank these documents.
    pub fn tokens_to_rank<'a>(&self, query: &str, documents: impl Iterator<Item = &'a str>) -> u64 {
        let (longest, asked) = (self.max_tokens() as u64, about_tokens(query));
        let is_cut = self.reranker.long_text() == LongText::Truncate && longest > 0;
        let most = |tokens: u64| if is_cut { tokens.min(longest) } else { tokens };
        match self.task() {
            // It reads the query with each document.
            Some(Task::CrossEncode | Task::Judge | Task::Rerank) => {
                documents.map(|text| most(asked.saturating_add(about_tokens(text)))).sum()
            }
            _ => most(asked) + documents.map(|text| most(about_tokens(text))).sum::<u64>(),
        }
    }

    /// Estimates the tokens that it reads to embed these texts.
    pub fn tokens_to_embed<'a>(&self, texts: impl Iterator<Item = &'a str>) -> u64 {
        let longest = self.max_tokens() as u64;
        texts.map(|text| if longest > 0 { about_tokens(text).min(longest) } else { about_tokens(text) }).sum()
    }
}

/// About how many tokens a text has, by its bytes alone, for it is asked before anything is read.
/// Four letters or digits of ASCII are one, but a word is one at least; so is every other character
/// but space; and there are two special tokens. Of English, source, JSON, Chinese, Russian and
/// Arabic that is within a tenth of what WordPiece makes (docs/server.md).
///
/// Admission and the rate that follows from it use the same estimate: more than right it has to be
/// alike for all requests.
pub(crate) fn about_tokens(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let count = |is_one: fn(&u8) -> bool| bytes.iter().filter(|byte| is_one(byte)).count() as u64;
    let (letters, signs) = (count(u8::is_ascii_alphanumeric), count(u8::is_ascii_punctuation));
    // The first byte of each character beyond ASCII.
    let others = count(|byte| *byte >= 0xC0);
    let begins = |pair: &&[u8]| !pair[0].is_ascii_alphanumeric() && pair[1].is_ascii_alphanumeric();
    let first = u64::from(bytes.first().is_some_and(u8::is_ascii_alphanumeric));
    let words = first + bytes.windows(2).filter(begins).count() as u64;
    words.max(letters / 4) + signs + others + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_grows_with_every_document() {
        let model = Model::from_fn(|_, text| text.len() as f32);
        let served = Served::new("m".into(), model);
        let one = served.tokens_to_rank("query", ["a document"].into_iter());
        let two = served.tokens_to_rank("query", ["a document", ""].into_iter());
        assert_eq!((one, two), (3 + 4, 3 + 4 + 2));
    }

    #[test]
    fn space_costs_nothing_and_writing_without_spaces_a_token_a_character() {
        assert_eq!((about_tokens(""), about_tokens(&" \n".repeat(1000))), (2, 2));
        assert_eq!(about_tokens(&format!("a{}b", " ".repeat(1000))), 4);
        assert_eq!((about_tokens("東京タワー"), about_tokens("башня")), (7, 7));
        assert_eq!((about_tokens("abcdefgh"), about_tokens("f(x) = [1];")), (4, 11));
    }
}

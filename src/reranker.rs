//! Selection and order on top of a [`Scorer`], and nothing else.

use std::collections::HashMap;
use std::sync::Arc;

use crate::candle_backend::Device;
use crate::encoder::{Encoder, Engine, LocalEncoder, LocalEncoderOptions, Overrides, Precision, ProgressFn};
use crate::ranking::{self, Hit};
use crate::scorer::{CosineScorer, ScoreKind, Scorer, Scores};
use crate::store::{ModelSpec, ModelStore, StoreOptions};
use crate::{Error, Result};

/// The model that is used when none is named.
pub const DEFAULT_MODEL: &str = "all-MiniLM-L6-v2";

/// Which candidates come back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RerankOptions {
    /// At most so many; `None`: all.
    pub top_k: Option<usize>,
    /// Only those that score at least this much.
    pub min_score: Option<f32>,
}

/// Scores of candidates in input order, with what they cost.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredCandidates {
    /// One per candidate; higher is better. A candidate without text has the lowest score of its kind.
    pub scores: Vec<f32>,
    /// Tokens encoded per candidate after truncation; 0 where the scorer does not say, and for candidates without text.
    pub tokens: Vec<u32>,
    /// Whether a candidate was longer than the model takes, and was cut.
    pub truncated: Vec<bool>,
    /// Tokens of the query.
    pub query_tokens: u32,
    /// Tokens of all candidates together, every distinct text counted once.
    pub document_tokens: u64,
    /// Positions of the candidates without text.
    pub empty: Vec<usize>,
}

/// Puts the best candidates first.
///
/// `Send + Sync`: one instance serves many threads at once.
///
/// ```
/// use nearsort::{RerankOptions, Reranker};
///
/// # fn main() -> nearsort::Result<()> {
/// let reranker = Reranker::builder().model("all-MiniLM-L6-v2").build()?;
/// let candidates = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
/// let hits = reranker.rerank("Where is the Eiffel Tower?", &candidates, &RerankOptions::default())?;
/// assert_eq!(hits[0].index, 1);
/// # Ok(())
/// # }
/// ```
pub struct Reranker {
    scorer: Arc<dyn Scorer>,
    encoder: Option<Arc<LocalEncoder>>,
}

impl Reranker {
    /// Starts from the default model on the CPU.
    pub fn builder() -> RerankerBuilder {
        RerankerBuilder::default()
    }

    /// Ranks by a scorer of your own.
    pub fn from_scorer(scorer: Arc<dyn Scorer>) -> Self {
        Self { scorer, encoder: None }
    }

    /// Ranks candidates: score descending, equal scores in input order.
    ///
    /// `Hit::index` is the candidate's position in `candidates`, `Hit::score` its score; for local models the cosine
    /// similarity, in [-1, 1]. Equal texts are scored once and ranked each. A candidate without text (empty or
    /// white space) scores lowest.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty query; [`Error::NotANumber`] naming the candidate; what the scorer fails with.
    pub fn rerank(&self, query: &str, candidates: &[impl AsRef<str>], options: &RerankOptions) -> Result<Vec<Hit>> {
        let scored = self.score(query, candidates)?;
        let k = options.top_k.unwrap_or(scored.scores.len());
        let mut hits = ranking::top_k(&scored.scores, k)?;
        if let Some(least) = options.min_score {
            hits.retain(|hit| hit.score >= least);
        }
        Ok(hits)
    }

    /// Scores candidates without ordering them: for callers that stream, or that want tokens and truncation.
    ///
    /// # Errors
    /// As [`Reranker::rerank`], except that a score may be NaN.
    pub fn score(&self, query: &str, candidates: &[impl AsRef<str>]) -> Result<ScoredCandidates> {
        self.score_queries(&[query], candidates).map(|mut scored| scored.swap_remove(0))
    }

    /// [`Reranker::score`] for several queries over the same candidates, which are encoded once.
    ///
    /// # Errors
    /// As [`Reranker::score`].
    pub fn score_queries(&self, queries: &[&str], candidates: &[impl AsRef<str>]) -> Result<Vec<ScoredCandidates>> {
        if queries.iter().any(|query| query.trim().is_empty()) {
            return Err(Error::InvalidArgument("the query is empty".into()));
        }
        let distinct = Distinct::of(candidates);
        let scores = self.scorer.score_queries(queries, &distinct.texts)?;
        distinct.check(&scores, queries.len())?;
        Ok(scores.iter().map(|scores| distinct.spread(scores, self.scorer.kind().lowest())).collect())
    }

    /// What the scores mean.
    pub fn score_kind(&self) -> ScoreKind {
        self.scorer.kind()
    }

    /// The local model behind the scores, if there is one.
    pub fn encoder(&self) -> Option<&LocalEncoder> {
        self.encoder.as_deref()
    }
}

/// The distinct texts of a candidate list, and where each candidate's text is among them.
struct Distinct<'a> {
    texts: Vec<&'a str>,
    /// Per candidate; `None` for one without text.
    position: Vec<Option<usize>>,
}

impl<'a> Distinct<'a> {
    fn of(candidates: &'a [impl AsRef<str>]) -> Self {
        let mut seen = HashMap::with_capacity(candidates.len());
        let mut texts = Vec::new();
        let mut locate = |text: &'a str| {
            (!text.trim().is_empty()).then(|| {
                *seen.entry(text).or_insert_with(|| {
                    texts.push(text);
                    texts.len() - 1
                })
            })
        };
        let position = candidates.iter().map(|candidate| locate(candidate.as_ref())).collect();
        Self { texts, position }
    }

    fn check(&self, scores: &[Scores], queries: usize) -> Result<()> {
        let wrong = |message| Error::Compute { context: "the scorer broke its contract".into(), message };
        if scores.len() != queries {
            return Err(wrong(format!("answers to {} queries for {queries}", scores.len())));
        }
        let expected = self.texts.len();
        let fits = |len: usize| len == 0 || len == expected;
        let bad = |s: &&Scores| s.values.len() != expected || !fits(s.tokens.len()) || !fits(s.truncated.len());
        match scores.iter().find(bad) {
            Some(scores) => Err(wrong(format!("{} scores for {expected} candidates", scores.values.len()))),
            None => Ok(()),
        }
    }

    fn spread(&self, scores: &Scores, lowest: f32) -> ScoredCandidates {
        let at = |position: &Option<usize>| position.map_or(lowest, |p| scores.values[p]);
        let tokens = |position: &Option<usize>| position.and_then(|p| scores.tokens.get(p).copied()).unwrap_or(0);
        let truncated =
            |position: &Option<usize>| position.and_then(|p| scores.truncated.get(p).copied()).unwrap_or(false);
        let empty = |(index, position): (usize, &Option<usize>)| position.is_none().then_some(index);
        ScoredCandidates {
            scores: self.position.iter().map(at).collect(),
            tokens: self.position.iter().map(tokens).collect(),
            truncated: self.position.iter().map(truncated).collect(),
            query_tokens: scores.query_tokens,
            document_tokens: scores.tokens.iter().copied().map(u64::from).sum(),
            empty: self.position.iter().enumerate().filter_map(empty).collect(),
        }
    }
}

/// Collects what a [`Reranker`] is made of.
#[derive(Default)]
pub struct RerankerBuilder {
    model: Option<String>,
    store: Option<ModelStore>,
    encoder: LocalEncoderOptions,
}

impl RerankerBuilder {
    /// A name of the registry, `org/name[@revision]` on the hub, or a folder. Default: [`DEFAULT_MODEL`].
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Where models are looked for. Default: what the environment says, [`StoreOptions::from_env`].
    pub fn store(mut self, store: ModelStore) -> Self {
        self.store = Some(store);
        self
    }

    /// Where the forward pass runs. Default: the CPU.
    pub fn device(mut self, device: Device) -> Self {
        self.encoder.device = device;
        self
    }

    /// What computes the forward pass. Default: the native engine where it knows the model and the device is the CPU, else candle.
    pub fn engine(mut self, engine: Engine) -> Self {
        self.encoder.engine = Some(engine);
        self
    }

    /// Arithmetic of the forward pass. Default: [`Precision::fastest`] by the native engine, f32 by candle.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.encoder.precision = Some(precision);
        self
    }

    /// Threads for tokenizing and encoding. Default: one per core.
    pub fn threads(mut self, threads: usize) -> Self {
        self.encoder.threads = Some(threads);
        self
    }

    /// Tokens per batch; bounds the memory of a forward pass.
    pub fn batch_tokens(mut self, tokens: usize) -> Self {
        self.encoder.batch_tokens = tokens;
        self
    }

    /// Prompts, length limit and dimension other than the model's own.
    pub fn overrides(mut self, overrides: Overrides) -> Self {
        self.encoder.overrides = overrides;
        self
    }

    /// Called with the number of texts just encoded; from any thread.
    pub fn progress(mut self, progress: ProgressFn) -> Self {
        self.encoder.progress = Some(progress);
        self
    }

    /// Finds the model, downloads it if need be, and loads it.
    ///
    /// # Errors
    /// Those of [`ModelStore::get`] and [`LocalEncoder::load`].
    pub fn build(self) -> Result<Reranker> {
        let encoder = Arc::new(self.build_encoder()?);
        let scorer = Arc::new(CosineScorer::new(Arc::clone(&encoder) as Arc<dyn Encoder>));
        Ok(Reranker { scorer, encoder: Some(encoder) })
    }

    /// The encoder alone: for embedding a corpus.
    ///
    /// # Errors
    /// As [`RerankerBuilder::build`].
    pub fn build_encoder(self) -> Result<LocalEncoder> {
        let spec = ModelSpec::parse(self.model.as_deref().unwrap_or(DEFAULT_MODEL))?;
        let store = match self.store {
            Some(store) => store,
            None => ModelStore::new(StoreOptions::from_env()?),
        };
        LocalEncoder::load(store.get(&spec)?, self.encoder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores a text by its length, and records nothing else.
    struct ByLength;

    impl Scorer for ByLength {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Custom
        }

        fn score(&self, _: &str, candidates: &[&str]) -> Result<Scores> {
            let mut distinct = candidates.to_vec();
            distinct.dedup();
            assert_eq!(distinct.len(), candidates.len(), "equal texts must arrive once");
            Ok(Scores {
                values: candidates.iter().map(|text| text.len() as f32).collect(),
                query_tokens: 2,
                tokens: vec![5; candidates.len()],
                truncated: candidates.iter().map(|text| text.len() > 3).collect(),
            })
        }
    }

    struct Broken(Vec<f32>);

    impl Scorer for Broken {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Custom
        }

        fn score(&self, _: &str, _: &[&str]) -> Result<Scores> {
            Ok(self.0.clone().into())
        }
    }

    #[test]
    fn duplicates_are_scored_once_and_all_ranked_and_empty_candidates_come_last() {
        let reranker = Reranker::from_scorer(Arc::new(ByLength));
        let candidates = ["", "aa", "bbbb", "aa", " \t", "c"];
        let hits = reranker.rerank("q", &candidates, &RerankOptions::default()).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [2, 1, 3, 5, 0, 4]);
        let scored = reranker.score("q", &candidates).unwrap();
        assert_eq!(scored.empty, [0, 4]);
        assert_eq!((scored.query_tokens, scored.document_tokens), (2, 3 * 5));
        assert_eq!(scored.tokens, [0, 5, 5, 5, 0, 5]);
        assert_eq!(scored.truncated, [false, false, true, false, false, false]);
    }

    #[test]
    fn top_k_and_min_score_cut() {
        let reranker = Reranker::from_scorer(Arc::new(ByLength));
        let candidates = vec!["a".to_owned(), "bbb".to_owned(), "cc".to_owned()];
        let options = RerankOptions { top_k: Some(2), min_score: Some(2.5) };
        let hits = reranker.rerank("q", &candidates, &options).unwrap();
        assert_eq!(hits, [Hit { index: 1, score: 3.0 }]);
        let none: [&str; 0] = [];
        assert!(reranker.rerank("q", &none, &RerankOptions::default()).unwrap().is_empty());
    }

    #[test]
    fn a_scorer_that_loses_a_candidate_or_gives_nan_is_an_error() {
        let count = Reranker::from_scorer(Arc::new(Broken(vec![1.0])));
        let error = count.rerank("q", &["a", "b"], &RerankOptions::default()).unwrap_err();
        assert!(error.to_string().contains("1 scores for 2 candidates"), "{error}");
        let nan = Reranker::from_scorer(Arc::new(Broken(vec![1.0, f32::NAN])));
        let error = nan.rerank("q", &["a", "b"], &RerankOptions::default()).unwrap_err();
        assert!(matches!(error, Error::NotANumber { index: 1 }), "{error}");
    }

    #[test]
    fn an_empty_query_is_an_error() {
        let reranker = Reranker::from_scorer(Arc::new(ByLength));
        let error = reranker.rerank("  ", &["a"], &RerankOptions::default()).unwrap_err();
        assert!(error.to_string().contains("query is empty"));
    }
}

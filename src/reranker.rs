//! Selection and order on top of a [`Scorer`], and nothing else.

mod builder;
mod distinct;
mod rank;
mod stages;

use std::ops::Add;
use std::sync::Arc;

pub use builder::RerankerBuilder;
pub use rank::{Ranking, Reranked};
pub use stages::{StageBy, StageSpec};

use crate::answer::ModelRun;
use crate::blend::Blend;
use crate::cache::{CacheCounts, CachedEncoder};
use crate::encoder::{LocalEncoder, ModelInfo};
use crate::model::{Model, Prepared, RankOptions, default_blend};
use crate::ranking::Hit;
use crate::remote::judge::{JudgeCounts, JudgeMethod, JudgeOptions, Tally};
use crate::scorer::{
    CandidateList, Explanation, ListOptions, LongText, ScoreKind, ScoredList, Scorer, StageInfo, list,
};
use crate::service::Service;
use crate::text::is_blank;
use crate::{Error, Result};
use distinct::{Distinct, check};

/// Which candidates come back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RerankOptions {
    /// At most so many; `None`: all.
    pub top_k: Option<usize>,
    /// Only those whose score by the model is at least this much.
    pub min_score: Option<f32>,
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
    /// The same scorer without a cache, which knows no tokens.
    explainer: Arc<dyn Scorer>,
    /// Of every model that has a cache before it.
    cached: Vec<Arc<CachedEncoder>>,
    encoder: Option<Arc<LocalEncoder>>,
    /// Of every model that judges.
    judged: Vec<Arc<Tally>>,
    long_text: LongText,
    blend: Blend,
    stages: Vec<StageInfo>,
}

impl Reranker {
    /// Ranks by a model as it ranks when nobody says otherwise. The model stays as it is, for other rerankers and threads.
    ///
    /// # Errors
    /// As [`Reranker::with`].
    pub fn new(model: &Model) -> Result<Self> {
        Self::with(model, RankOptions::default())
    }

    /// Ranks by a model as these options say.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a blend's weight that is no share, and for options that the model has no use for.
    pub fn with(model: &Model, options: RankOptions) -> Result<Self> {
        Ok(Self::of(model.prepare(&options)?))
    }

    /// Ranks by a scorer of your own. First-stage scores are mixed in as z-scores where the scorer's have no known range, and not at all with grades
    /// and places.
    pub fn from_scorer(scorer: Arc<dyn Scorer>) -> Self {
        let blend = default_blend(scorer.kind());
        Self::of(Prepared::of_scorer(scorer, None, blend))
    }

    fn of(prepared: Prepared) -> Self {
        let Prepared { scorer, explainer, cached, encoder, judged, long_text, blend } = prepared;
        let (cached, judged) = (cached.into_iter().collect(), judged.into_iter().collect());
        Self { scorer, explainer, cached, encoder, judged, long_text, blend, stages: Vec::new() }
    }

    /// Ranks by a language model of a service. First-stage scores are not mixed in: of candidates with equal grades the first in the input is first.
    ///
    /// # Errors
    /// Those of [`Model::from_judge`].
    pub fn from_judge(service: Arc<dyn Service>, method: JudgeMethod, options: JudgeOptions) -> Result<Self> {
        Self::new(&Model::from_judge(service, method, options)?)
    }

    /// Ranks candidates: score descending, equal scores in input order.
    ///
    /// `Hit::index` is the candidate's position in `candidates`, `Hit::score` its score; for embedding models by default the hybrid of cosine
    /// similarity and MaxSim, in [-1, 1], for others see [`Reranker::score_kind`]. Equal texts are scored once and ranked each. A candidate without text (empty or white space) scores lowest.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty query; [`Error::NotANumber`] naming the candidate; what the scorer fails with.
    pub fn rerank(&self, query: &str, candidates: &[impl AsRef<str>], options: &RerankOptions) -> Result<Vec<Hit>> {
        let scored = self.score(query, candidates)?;
        Ok(list::order(&scored.pairs, &[], &self.list_options(options))?.hits)
    }

    /// [`Reranker::rerank`] with the scores of the search that found the candidates, one per candidate, higher is better: they are mixed
    /// in as [`RerankerBuilder::blend`] says. `Hit::score` is then a [`ScoreKind::Blend`]; `min_score` still speaks of the model's score.
    ///
    /// # Errors
    /// As [`Reranker::rerank`]; [`Error::InvalidArgument`] when there is not one finite first-stage score per candidate.
    pub fn rerank_with_first_stage(
        &self,
        query: &str,
        candidates: &[impl AsRef<str>],
        first_stage: &[f64],
        options: &RerankOptions,
    ) -> Result<Vec<Hit>> {
        let scored = self.score(query, candidates)?;
        if first_stage.len() != candidates.len() {
            let (found, expected) = (first_stage.len(), candidates.len());
            return Err(Error::InvalidArgument(format!("{found} first-stage scores for {expected} candidates")));
        }
        let first_stage: Vec<Option<f64>> = first_stage.iter().copied().map(Some).collect();
        Ok(list::order(&scored.pairs, &first_stage, &self.list_options(options))?.hits)
    }

    /// How this reranker orders a list, for those who score first and order later.
    pub fn list_options(&self, options: &RerankOptions) -> ListOptions {
        ListOptions::new(self.blend).top_k(options.top_k).min_score(options.min_score)
    }

    /// Scores candidates without ordering them: for callers that stream, or that want parts, tokens and truncation.
    ///
    /// # Errors
    /// As [`Reranker::rerank`], except that a score may be NaN.
    pub fn score(&self, query: &str, candidates: &[impl AsRef<str>]) -> Result<ScoredList> {
        self.score_queries(&[query], candidates).map(|mut scored| scored.swap_remove(0))
    }

    /// [`Reranker::score`] for several queries over the same candidates, which are encoded once.
    ///
    /// # Errors
    /// As [`Reranker::score`].
    pub fn score_queries(&self, queries: &[&str], candidates: &[impl AsRef<str>]) -> Result<Vec<ScoredList>> {
        let all: Vec<usize> = (0..candidates.len()).collect();
        let lists: Vec<CandidateList<'_>> =
            queries.iter().map(|query| CandidateList { query, candidates: &all }).collect();
        self.score_lists(&lists, candidates)
    }

    /// [`Reranker::score`] for several lists whose candidates are among `texts`; each distinct text is encoded once.
    ///
    /// # Errors
    /// As [`Reranker::score`]; [`Error::InvalidArgument`] for a list that names a text that is not there.
    pub fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[impl AsRef<str>]) -> Result<Vec<ScoredList>> {
        if lists.iter().any(|list| list.query.trim().is_empty()) {
            return Err(Error::InvalidArgument("the query is empty".into()));
        }
        if lists.iter().flat_map(|list| list.candidates).any(|&text| text >= texts.len()) {
            return Err(Error::InvalidArgument(format!(
                "a list names a text beyond the {} that there are",
                texts.len()
            )));
        }
        let distinct = Distinct::of(texts);
        let distinct_lists: Vec<Vec<usize>> = lists.iter().map(|list| distinct.list(list.candidates)).collect();
        let asked: Vec<CandidateList<'_>> = lists
            .iter()
            .zip(&distinct_lists)
            .map(|(list, candidates)| CandidateList { query: list.query, candidates })
            .collect();
        let scores = self.scorer.score_lists(&asked, &distinct.texts)?;
        check(&scores, &asked)?;
        let kind = self.scorer.kind();
        Ok(lists
            .iter()
            .zip(&asked)
            .zip(scores)
            .map(|((list, asked), s)| distinct.spread(list, asked, &s, kind))
            .collect())
    }

    /// Why a candidate has its score; `None` where the scorer cannot tell.
    ///
    /// # Errors
    /// What the scorer fails with.
    pub fn explain(&self, query: &str, candidate: &str) -> Result<Option<Explanation>> {
        if is_blank(query) || is_blank(candidate) {
            return Ok(None);
        }
        self.explainer.explain(query, candidate)
    }

    /// What becomes of candidates that are longer than the model takes.
    pub fn long_text(&self) -> LongText {
        self.long_text
    }

    /// How first-stage scores are mixed in.
    pub fn blend(&self) -> Blend {
        self.blend
    }

    /// What the scores mean.
    pub fn score_kind(&self) -> ScoreKind {
        self.scorer.kind()
    }

    /// What [`RerankerBuilder::cache`] saved so far, of all stages together; `None` without a cache of embeddings.
    pub fn cache_counts(&self) -> Option<CacheCounts> {
        self.cached.iter().map(|cached| cached.counts()).reduce(Add::add)
    }

    /// What judging came to so far, of all stages together; `None` without a judge.
    pub fn judge_counts(&self) -> Option<JudgeCounts> {
        self.judged.iter().map(|tally| tally.counts()).reduce(Add::add)
    }

    /// What computes the scores; `None` for a scorer that does not say.
    pub fn model(&self) -> Option<ModelInfo> {
        self.scorer.model()
    }

    /// Everything that decides a score: equal fingerprints, equal scores. `None` for a scorer that does not say.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    pub fn fingerprint(&self) -> Result<Option<String>> {
        self.scorer.fingerprint()
    }

    /// The stages of [`RerankerBuilder::stages`], in their order; empty without.
    pub fn stages(&self) -> &[StageInfo] {
        &self.stages
    }

    /// What answers say of the model and how it ran.
    pub fn model_run(&self) -> ModelRun {
        let stages = self.stages.clone();
        ModelRun::new(self.model(), self.score_kind(), self.long_text).with_stages(stages)
    }

    /// Whether scores depend on the whole list, which must then be given in one call.
    pub fn needs_whole_lists(&self) -> bool {
        self.scorer.needs_whole_lists()
    }

    /// The local encoder behind the scores, if there is one.
    pub fn encoder(&self) -> Option<&LocalEncoder> {
        self.encoder.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorer::{QueryReading, Scored};

    /// Scores a text by its length, and records nothing else.
    struct ByLength;

    impl Scorer for ByLength {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Custom
        }

        fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
            let mut distinct = candidates.to_vec();
            distinct.dedup();
            assert_eq!(distinct.len(), candidates.len(), "equal texts must arrive once");
            let pair = |text: &&str| Scored { tokens: 5, truncated: text.len() > 3, ..Scored::new(text.len() as f32) };
            let query = QueryReading { tokens: 2, ..QueryReading::default() };
            Ok(ScoredList { query, ..candidates.iter().map(pair).collect::<Vec<_>>().into() })
        }
    }

    struct Broken(Vec<f32>);

    impl Scorer for Broken {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Custom
        }

        fn score(&self, _: &str, _: &[&str]) -> Result<ScoredList> {
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
        assert_eq!(scored.empty().collect::<Vec<_>>(), [0, 4]);
        assert_eq!((scored.query.tokens, scored.document_tokens), (2, 3 * 5));
        assert_eq!(scored.pairs.iter().map(|pair| pair.tokens).collect::<Vec<_>>(), [0, 5, 5, 5, 0, 5]);
        let truncated: Vec<usize> = (0..6).filter(|&at| scored.pairs[at].truncated).collect();
        assert_eq!((truncated, scored.num_truncated()), (vec![2], 1));
    }

    /// Probabilities that are all the same in f32, and their logits.
    struct Sure;

    impl Scorer for Sure {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Probability
        }

        fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
            let pair = |text: &&str| Scored { ranked_by: 20.0 + text.len() as f32, ..Scored::new(1.0) };
            Ok(candidates.iter().map(pair).collect::<Vec<_>>().into())
        }
    }

    #[test]
    fn probabilities_that_are_rounded_to_the_same_number_are_ranked_by_their_logits() {
        let reranker = Reranker::from_scorer(Arc::new(Sure));
        let hits = reranker.rerank("q", &["a", "ccc", " ", "bb"], &RerankOptions::default()).unwrap();
        let expected = [(1, 1.0), (3, 1.0), (0, 1.0), (2, 0.0)].map(|(index, score)| Hit { index, score });
        assert_eq!(hits, expected);
        let certain = RerankOptions { top_k: Some(2), min_score: Some(1.0) };
        assert_eq!(
            reranker.rerank("q", &["a", "ccc", "bb"], &certain).unwrap(),
            expected[..2].iter().map(|hit| Hit { index: hit.index.min(2), ..*hit }).collect::<Vec<_>>()
        );
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
    fn first_stage_scores_count_whatever_the_scale_of_a_scorer() {
        let reranker = Reranker::from_scorer(Arc::new(ByLength));
        let candidates = ["aaaa", "bbbb", "cc", "d"];
        let hits = reranker.rerank_with_first_stage("q", &candidates, &[0.1, 0.3, 0.2, 0.2], &RerankOptions::default());
        assert_eq!(hits.unwrap().iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 0, 2, 3]);
        let options = RerankOptions { top_k: None, min_score: Some(1.5) };
        let long = reranker.rerank_with_first_stage("q", &candidates, &[0.1, 0.3, 0.2, 0.2], &options).unwrap();
        assert_eq!(long.len(), 3, "min_score speaks of the model's score");
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

    /// Scores texts by their length, those of one letter not at all.
    struct Unwilling;

    impl Scorer for Unwilling {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Custom
        }

        fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
            let pair = |text: &&str| match text.len() {
                1 => Scored::unscored(format!("'{text}' is too short")),
                length => Scored::new(length as f32 - 9.0),
            };
            Ok(candidates.iter().map(pair).collect::<Vec<_>>().into())
        }
    }

    #[test]
    fn what_got_no_score_is_ranked_below_what_did() {
        let reranker = Reranker::from_scorer(Arc::new(Unwilling));
        let candidates = ["a", "bb", "", "c", "ddd", "a"];
        let order = |hits: Vec<Hit>| hits.iter().map(|hit| hit.index).collect::<Vec<_>>();
        let options = RerankOptions::default();
        assert_eq!(order(reranker.rerank("q", &candidates, &options).unwrap()), [4, 1, 0, 2, 3, 5]);
        let scored = reranker.score("q", &candidates).unwrap();
        let unscored: Vec<(usize, &str)> = scored.unscored().collect();
        assert_eq!(unscored.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 3, 5]);
        assert_eq!((unscored[2].1, scored.empty().collect::<Vec<_>>()), ("'a' is too short", vec![2]));
        let first_stage = [0.1, 0.2, 0.3, 0.9, 0.2, 0.5];
        let hits = reranker.rerank_with_first_stage("q", &candidates, &first_stage, &options).unwrap();
        assert_eq!(order(hits), [4, 1, 3, 5, 2, 0], "in the first stage's order");
    }

    #[test]
    fn an_empty_query_is_an_error() {
        let reranker = Reranker::from_scorer(Arc::new(ByLength));
        let error = reranker.rerank("  ", &["a"], &RerankOptions::default()).unwrap_err();
        assert!(error.to_string().contains("query is empty"));
    }
}

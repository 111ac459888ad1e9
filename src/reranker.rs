//! Reranking: selection and order on top of a [`Scorer`].

mod distinct;
mod loading;
mod rank;
mod stages;

use std::borrow::Borrow;
use std::sync::Arc;

pub use rank::{Answer, OnDeadline, Ranking};
pub use stages::{StageBy, StageSpec};

use crate::answer::ModelRun;
use crate::blend::Blend;
use crate::call::Call;
use crate::encoder::{LocalEncoder, ModelInfo};
use crate::model::{Model, Prepared, RankOptions};
use crate::scorer::{
    CandidateList, Explanation, Feedback, ListOptions, LongText, ScoreKind, ScoredList, Scorer, StageInfo,
    score_in_parts,
};
use crate::text::is_blank;
use crate::{Error, Result};
use distinct::{Distinct, check};

/// A reranker puts the best candidates of a list first.
///
/// `Send + Sync`: one instance serves many threads at once.
///
/// ```
/// use nearsort::{Model, ModelOptions, RankOptions, Reranker, Scoring};
///
/// # fn main() -> nearsort::Result<()> {
/// let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
/// let docs = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
/// let best = Reranker::new(&model).rank("Where is the Eiffel Tower?", &docs).run()?;
/// let cosine = Reranker::with(&model, RankOptions::by(Scoring::Cosine))?; // the same model in another way
/// assert_eq!(best.hits[0].index, cosine.rank("Where is the Eiffel Tower?", &docs).run()?.hits[0].index);
/// # Ok(())
/// # }
/// ```
pub struct Reranker {
    scorer: Arc<dyn Scorer>,
    /// The same scorer without a cache, because a cache keeps no token vectors.
    explainer: Arc<dyn Scorer>,
    encoder: Option<Arc<LocalEncoder>>,
    long_text: LongText,
    blend: Blend,
    feedback: Feedback,
    stages: Vec<StageInfo>,
}

impl Reranker {
    /// Creates a reranker that uses a model with its default options. The model is not changed and
    /// can serve other rerankers and threads. A model that cannot rank by itself returns an error
    /// when it scores. An example is a model with a cache, which only supports
    /// [`Scoring::Cosine`](crate::Scoring::Cosine).
    pub fn new(model: impl Borrow<Model>) -> Self {
        Self::of(model.borrow().prepare_default())
    }

    /// Creates a reranker that uses a model with these options.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a blend's weight that is not a share;
    /// [`Error::InvalidOption`] for a feedback's weight out of its range; both for options that do
    /// not apply to the model.
    pub fn with(model: impl Borrow<Model>, options: RankOptions) -> Result<Self> {
        Ok(Self::of(model.borrow().prepare(&options)?))
    }

    fn of(prepared: Prepared) -> Self {
        let Prepared { scorer, explainer, encoder, long_text, blend, feedback } = prepared;
        Self { scorer, explainer, encoder, long_text, blend, feedback, stages: Vec::new() }
    }

    /// Returns this reranker's options for ordering a list, for callers that score first and order
    /// later.
    pub fn list_options(&self) -> ListOptions {
        ListOptions::new(self.blend).feedback(self.feedback)
    }

    /// Scores candidates without ordering them, for callers that stream or need parts, tokens and
    /// truncation.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an empty query; the scorer's errors. A score may be NaN.
    pub fn score(&self, query: &str, candidates: &[impl AsRef<str>]) -> Result<ScoredList> {
        self.score_queries(&[query], candidates, &Call::new()).map(|mut scored| scored.swap_remove(0))
    }

    /// Does [`Reranker::score`] within a call, for several queries over the same candidates. The
    /// candidates are encoded once.
    ///
    /// # Errors
    /// The errors of [`Reranker::score`]; [`Error::Cancelled`]; [`Error::DeadlineExceeded`].
    pub fn score_queries(
        &self,
        queries: &[&str],
        candidates: &[impl AsRef<str>],
        call: &Call<'_>,
    ) -> Result<Vec<ScoredList>> {
        let all: Vec<usize> = (0..candidates.len()).collect();
        let lists: Vec<CandidateList<'_>> =
            queries.iter().map(|query| CandidateList { query, candidates: &all }).collect();
        self.score_lists(&lists, candidates, call)
    }

    /// Does [`Reranker::score`] within a call, for several lists whose candidates are among
    /// `texts`. Each distinct text is encoded once.
    ///
    /// # Errors
    /// The errors of [`Reranker::score_queries`]; [`Error::InvalidArgument`] for a list with a
    /// position out of range.
    pub fn score_lists(
        &self,
        lists: &[CandidateList<'_>],
        texts: &[impl AsRef<str>],
        call: &Call<'_>,
    ) -> Result<Vec<ScoredList>> {
        if lists.iter().any(|list| list.query.trim().is_empty()) {
            return Err(Error::InvalidArgument("the query is empty".into()));
        }
        if lists.iter().flat_map(|list| list.candidates).any(|&text| text >= texts.len()) {
            return Err(Error::InvalidArgument(format!(
                "a list names a text beyond the {} that were given",
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
        let scores = score_in_parts(self.scorer.as_ref(), &asked, &distinct.texts, call);
        let scores = scores.map_err(|error| error.renumbered(|query| query, |text| distinct.candidate(text)))?;
        check(&scores, &asked)?;
        let kind = self.scorer.kind();
        Ok(lists
            .iter()
            .zip(&asked)
            .zip(scores)
            .map(|((list, asked), s)| distinct.spread(list, asked, &s, kind))
            .collect())
    }

    /// Explains the score of a candidate; `None` if the scorer cannot.
    ///
    /// # Errors
    /// The scorer's errors.
    pub fn explain(&self, query: &str, candidate: &str) -> Result<Option<Explanation>> {
        self.explain_with(query, candidate, &Call::new())
    }

    /// Does [`Reranker::explain`] within a call.
    ///
    /// # Errors
    /// The errors of [`Reranker::explain`]; [`Error::Cancelled`]; [`Error::DeadlineExceeded`].
    pub fn explain_with(&self, query: &str, candidate: &str, call: &Call<'_>) -> Result<Option<Explanation>> {
        if is_blank(query) || is_blank(candidate) {
            return Ok(None);
        }
        self.explainer.explain(query, candidate, call)
    }

    /// Returns the handling of candidates that are longer than the model takes.
    pub fn long_text(&self) -> LongText {
        self.long_text
    }

    /// Returns the blend of first-stage scores.
    pub fn blend(&self) -> Blend {
        self.blend
    }

    /// Returns the feedback from the best candidates of a list to the others. For stages see
    /// [`Stage::feedback`](crate::scorer::Stage::feedback).
    pub fn feedback(&self) -> Feedback {
        self.feedback
    }

    /// Returns the length of the vectors of scored pairs, which feedback needs; `None` if pairs
    /// have no vectors.
    pub fn vector_dim(&self) -> Option<usize> {
        self.scorer.vector_dim()
    }

    /// Returns the kind of the scores.
    pub fn score_kind(&self) -> ScoreKind {
        self.scorer.kind()
    }

    /// Returns the model that computes the scores; `None` for a scorer without that information.
    pub fn model(&self) -> Option<ModelInfo> {
        self.scorer.model()
    }

    /// Identifies everything that decides a score: equal fingerprints mean equal scores. `None` for
    /// a scorer without a fingerprint.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    pub fn fingerprint(&self) -> Result<Option<String>> {
        self.scorer.fingerprint()
    }

    /// Returns the stages of [`Reranker::load_stages`] or [`Reranker::cascade`], in their order; empty without stages.
    pub fn stages(&self) -> &[StageInfo] {
        &self.stages
    }

    /// Returns the description of the model and its run, for answers.
    pub fn model_run(&self) -> ModelRun {
        let stages = self.stages.clone();
        ModelRun::new(self.model(), self.score_kind(), self.long_text).with_stages(stages)
    }

    /// Returns true if scores depend on the whole list, which must then be given in one call.
    pub fn needs_whole_lists(&self) -> bool {
        self.scorer.needs_whole_lists()
    }

    /// Returns the local encoder behind the scores, if there is one.
    pub fn encoder(&self) -> Option<&LocalEncoder> {
        self.encoder.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::Hit;
    use crate::scorer::{QueryReading, Scored};

    /// A scorer that scores a text by its length.
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
        let reranker = Reranker::new(Model::from_scorer(Arc::new(ByLength)));
        let candidates = ["", "aa", "bbbb", "aa", " \t", "c"];
        let hits = reranker.rank("q", &candidates).run().unwrap().hits;
        assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [2, 1, 3, 5, 0, 4]);
        let scored = reranker.score("q", &candidates).unwrap();
        assert_eq!(scored.empty().collect::<Vec<_>>(), [0, 4]);
        assert_eq!((scored.query.tokens, scored.document_tokens), (2, 3 * 5));
        assert_eq!(scored.pairs.iter().map(|pair| pair.tokens).collect::<Vec<_>>(), [0, 5, 5, 5, 0, 5]);
        let truncated: Vec<usize> = (0..6).filter(|&at| scored.pairs[at].truncated).collect();
        assert_eq!((truncated, scored.num_truncated()), (vec![2], 1));
    }

    /// A scorer whose probabilities are equal in f32 while their logits differ.
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
        let reranker = Reranker::new(Model::from_scorer(Arc::new(Sure)));
        let hits = reranker.rank("q", &["a", "ccc", " ", "bb"]).run().unwrap().hits;
        let expected = [(1, 1.0), (3, 1.0), (0, 1.0), (2, 0.0)].map(|(index, score)| Hit { index, score });
        assert_eq!(hits, expected);
        assert_eq!(
            reranker.rank("q", &["a", "ccc", "bb"]).top_k(2).min_score(1.0).run().unwrap().hits,
            expected[..2].iter().map(|hit| Hit { index: hit.index.min(2), ..*hit }).collect::<Vec<_>>()
        );
    }

    #[test]
    fn top_k_and_min_score_cut() {
        let reranker = Reranker::new(Model::from_scorer(Arc::new(ByLength)));
        let candidates = vec!["a".to_owned(), "bbb".to_owned(), "cc".to_owned()];
        let hits = reranker.rank("q", &candidates).top_k(2).min_score(2.5).run().unwrap().hits;
        assert_eq!(hits, [Hit { index: 1, score: 3.0 }]);
        let none: [&str; 0] = [];
        assert!(reranker.rank("q", &none).run().unwrap().hits.is_empty());
    }

    #[test]
    fn first_stage_scores_count_whatever_the_scale_of_a_scorer() {
        let reranker = Reranker::new(Model::from_scorer(Arc::new(ByLength)));
        let candidates = ["aaaa", "bbbb", "cc", "d"];
        let scores = |text: &&str| match text.len() {
            4 if text.starts_with('a') => 0.1,
            4 => 0.3,
            _ => 0.2,
        };
        let hits = reranker.rank("q", &candidates).first_stage(scores).run().unwrap().hits;
        assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 0, 2, 3]);
        let long = reranker.rank("q", &candidates).first_stage(scores).min_score(1.5).run().unwrap().hits;
        assert_eq!(long.len(), 3, "min_score speaks of the model's score");
    }

    #[test]
    fn a_scorer_that_loses_a_candidate_or_gives_nan_is_an_error() {
        let count = Reranker::new(Model::from_scorer(Arc::new(Broken(vec![1.0]))));
        let error = count.rank("q", &["a", "b"]).run().unwrap_err();
        assert!(error.to_string().contains("1 scores for 2 candidates"), "{error}");
        let nan = Reranker::new(Model::from_scorer(Arc::new(Broken(vec![1.0, f32::NAN]))));
        let error = nan.rank("q", &["a", "b"]).run().unwrap_err();
        assert!(matches!(error, Error::NotANumber { index: 1 }), "{error}");
    }

    /// A scorer that scores texts by their length, but gives no score to texts of one letter.
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
        let reranker = Reranker::new(Model::from_scorer(Arc::new(Unwilling)));
        let candidates = ["a", "bb", "", "c", "ddd", "a"];
        let order = |hits: Vec<Hit>| hits.iter().map(|hit| hit.index).collect::<Vec<_>>();
        assert_eq!(order(reranker.rank("q", &candidates).run().unwrap().hits), [4, 1, 0, 2, 3, 5]);
        let scored = reranker.score("q", &candidates).unwrap();
        let unscored: Vec<(usize, &str)> = scored.unscored().collect();
        assert_eq!(unscored.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [0, 3, 5]);
        assert_eq!((unscored[2].1, scored.empty().collect::<Vec<_>>()), ("'a' is too short", vec![2]));
        let mut first_stage = [0.1, 0.2, 0.3, 0.9, 0.2, 0.5].into_iter();
        let hits = reranker.rank("q", &candidates).first_stage(|_| first_stage.next()).run().unwrap().hits;
        assert_eq!(order(hits), [4, 1, 3, 5, 2, 0], "in the first stage's order");
    }

    #[test]
    fn an_empty_query_is_an_error() {
        let reranker = Reranker::new(Model::from_scorer(Arc::new(ByLength)));
        let error = reranker.rank("  ", &["a"]).run().unwrap_err();
        assert!(error.to_string().contains("query is empty"));
    }
}

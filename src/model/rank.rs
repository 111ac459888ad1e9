//! Options for ranking lists with a loaded model.

use std::sync::Arc;

use super::{Loaded, Model, Task};
use crate::blend::{Blend, Normalize};
use crate::encoder::{Encoder, LocalEncoder};
use crate::remote::judge::JudgeMethod;
use crate::scorer::{BiEncoderScorer, CrossEncoderScorer, Feedback, LongText, ScoreKind, ScoredList, Scorer, Scoring};
use crate::{Error, Result};

/// Options for ranking lists. An option that is left out follows from the model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct RankOptions {
    /// The score of an embedding model. Default: [`Scoring::Hybrid`]; [`Scoring::MaxSim`] for a
    /// late-interaction (ColBERT) model, which has no other; [`Scoring::Cosine`] for a static
    /// model, for a service and for an encoder of your own.
    pub scoring: Option<Scoring>,
    /// The handling of candidates that are longer than the model takes. Default:
    /// [`Scoring::default_long_text`].
    pub long_text: Option<LongText>,
    /// True to keep every window of a long candidate with its score, in
    /// [`Scored::windows`](crate::Scored::windows). Default: only the best one, in
    /// [`Scored::window`](crate::Scored::window).
    pub windows: bool,
    /// The blend of first-stage scores, where there are any. Default: [`Scoring::default_blend`];
    /// z-scores for scorers of your own; none for judges, rerank services, and cross-encoders,
    /// which read the words themselves.
    pub blend: Option<Blend>,
    /// Feedback: the best candidates of a list change the order of the others, by their embeddings.
    /// Default: on where first-stage scores are mixed in and the model embeds texts.
    pub feedback: Feedback,
    /// For a cross-encoder: logits (`true`) or probabilities as scores. Default: as the model's
    /// files say.
    pub raw_scores: Option<bool>,
    /// For a judge: grades each candidate alone, or orders several at once. Default: as the model
    /// was loaded, [`ModelOptions::judge`](super::ModelOptions::judge).
    pub judge: Option<JudgeMethod>,
}

/// The parts of a model that a reranker needs.
pub(crate) struct Prepared {
    pub scorer: Arc<dyn Scorer>,
    /// The same scorer without a cache, because a cache keeps no token vectors.
    pub explainer: Arc<dyn Scorer>,
    pub encoder: Option<Arc<LocalEncoder>>,
    pub long_text: LongText,
    pub blend: Blend,
    pub feedback: Feedback,
}

impl RankOptions {
    /// Refuses options that do not apply to the model.
    pub(crate) fn check(&self, task: Task, name: &str) -> Result<()> {
        let refused = |message: String| Err(Error::InvalidArgument(message));
        if self.windows && !matches!(task, Task::Embed | Task::EmbedTokens) {
            let why = format!(
                "is for embedding models, which read long texts in windows, and {name} is not one: leave it out"
            );
            return Err(Error::InvalidOption { option: "windows", why });
        }
        match task {
            _ if self.judge.is_some() && task != Task::Judge => refused(format!(
                "a judge method is for language models of services, and {name} is not one: leave it out"
            )),
            Task::Embed | Task::EmbedTokens if self.raw_scores.is_some() => {
                refused(format!("`raw_scores=` is for cross-encoders, and {name} is an embedding model: leave it out"))
            }
            Task::EmbedTokens if self.scoring.is_some_and(|scoring| scoring != Scoring::MaxSim) => {
                let scoring = self.scoring.unwrap_or(Scoring::MaxSim);
                refused(format!(
                    "{name} is a late-interaction (ColBERT) model, which scores by maxsim alone: it has no vector of a text for `scoring={scoring}` \
                     (nor for `nearsort diagnose`); leave `scoring=` out"
                ))
            }
            Task::CrossEncode if self.scoring.is_some() => refused(format!(
                "`scoring=` (and `nearsort diagnose`) is for embedding models, and {name} is a cross-encoder, whose scores are its own: leave it out"
            )),
            Task::CrossEncode if self.long_text == Some(LongText::Window) => refused(format!(
                "`long_text=window` is for embedding models, and {name} is a cross-encoder, which reads the beginning of a long text: leave it out"
            )),
            Task::EmbedTokens | Task::CrossEncode | Task::Judge | Task::Rerank if self.asks_feedback() => {
                Err(Error::InvalidOption {
                    option: "feedback",
                    why: format!(
                        "is for models that embed texts, and {name} does not; leave it out, or put an embedding stage before"
                    ),
                })
            }
            Task::Judge | Task::Rerank => self.check_service(task),
            _ => Ok(()),
        }
    }

    fn asks_feedback(&self) -> bool {
        matches!(self.feedback, Feedback::Weight(_))
    }

    fn check_service(&self, task: Task) -> Result<()> {
        let has_blend = !matches!(self.blend, None | Some(Blend::None));
        let given = [
            ("a scoring", self.scoring.is_some()),
            ("windows of long texts", self.long_text.is_some()),
            ("a blend with the first stage", has_blend && task == Task::Judge),
        ];
        if self.raw_scores.is_some() {
            return Err(Error::InvalidArgument("`raw_scores=` is for local models: leave it out".into()));
        }
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((what, _)) => Err(only_for_embedding(what, task)),
            None => Ok(()),
        }
    }
}

/// Returns the error for an option `what` that was given to a service's model that does not embed.
pub(super) fn only_for_embedding(what: &str, task: Task) -> Error {
    let other = match task {
        Task::Judge => "a judge does not",
        _ => "a rerank service scores by itself",
    };
    Error::InvalidArgument(format!("{what} is for models that embed, and {other}; leave it out"))
}

/// A model that cannot rank by itself, with the reason.
struct CannotRank(String);

impl Scorer for CannotRank {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn score(&self, _: &str, _: &[&str]) -> Result<ScoredList> {
        Err(Error::InvalidArgument(self.0.clone()))
    }
}

impl Model {
    /// Prepares a reranker with default options. A model that cannot rank by itself returns an
    /// error when it scores.
    pub(crate) fn prepare_default(&self) -> Prepared {
        let why_not = |error: Error| Prepared::of_scorer(Arc::new(CannotRank(error.to_string())), Blend::None);
        self.prepare(&RankOptions::default()).unwrap_or_else(why_not)
    }

    /// Prepares a reranker with these options.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a blend's weight that is not a share, and for options that do
    /// not apply to the model.
    pub(crate) fn prepare(&self, options: &RankOptions) -> Result<Prepared> {
        options.check(self.task(), self.name())?;
        let feedback = options.feedback.check()?;
        let prepared = match &self.loaded {
            Loaded::Embedder { encoder, local, cached, scoring } => {
                let scoring = options.scoring.unwrap_or(*scoring);
                let is_cut = LongText::Truncate;
                let long_text = if local.is_some() { scoring.default_long_text() } else { is_cut };
                let long_text = options.long_text.unwrap_or(long_text);
                if options.windows && long_text == LongText::Truncate {
                    let why = "needs long texts to be read in windows: set `long_text=window`, or leave it out";
                    return Err(Error::InvalidOption { option: "windows", why: why.into() });
                }
                let blend = options.blend.unwrap_or(scoring.default_blend()).check()?;
                let needs_vectors = feedback.weight(blend != Blend::None).is_some();
                let by = |encoder: Arc<dyn Encoder>| {
                    let scorer = BiEncoderScorer::new(encoder, scoring, long_text)?.keeping_windows(options.windows);
                    Ok::<_, Error>(Arc::new(scorer.with_vectors(needs_vectors)))
                };
                let explainer = by(Arc::clone(encoder))?;
                let scorer = match cached {
                    Some(cached) => {
                        check_cached(scoring, long_text)?;
                        by(Arc::clone(cached) as Arc<dyn Encoder>)?
                    }
                    None => Arc::clone(&explainer),
                };
                Ok(Prepared { scorer, explainer, encoder: local.clone(), long_text, blend, feedback })
            }
            Loaded::CrossEncoder(model) => {
                let mut scorer = CrossEncoderScorer::new(Arc::clone(model));
                if let Some(raw_scores) = options.raw_scores {
                    scorer = scorer.raw_scores(raw_scores);
                }
                let blend = options.blend.unwrap_or(Blend::None).check()?;
                Ok(Prepared::of_scorer(Arc::new(scorer), blend))
            }
            Loaded::Judge(judge) => {
                let blend = options.blend.unwrap_or(Blend::None).check()?;
                Ok(Prepared::of_scorer(judge.scorer(options.judge)?, blend))
            }
            Loaded::Scorer { scorer, task } => {
                let own = if *task == Task::Custom { default_blend(scorer.kind()) } else { Blend::None };
                let blend = options.blend.unwrap_or(own).check()?;
                Ok(Prepared::of_scorer(Arc::clone(scorer), blend))
            }
        };
        prepared.map(|prepared| Prepared { feedback, ..prepared })
    }
}

impl RankOptions {
    /// Creates options with this scoring, for embedding models.
    pub fn by(scoring: Scoring) -> Self {
        Self { scoring: Some(scoring), ..Self::default() }
    }

    /// Sets the handling of candidates that are longer than the model takes.
    pub fn long_text(self, long_text: LongText) -> Self {
        Self { long_text: Some(long_text), ..self }
    }

    /// Sets whether every window of a long candidate is kept with its score.
    pub fn windows(self, windows: bool) -> Self {
        Self { windows, ..self }
    }

    /// Sets the blend of first-stage scores.
    pub fn blend(self, blend: Blend) -> Self {
        Self { blend: Some(blend), ..self }
    }

    /// Sets the feedback from the best candidates of a list to the others.
    pub fn feedback(self, feedback: Feedback) -> Self {
        Self { feedback, ..self }
    }

    /// Sets the method of a judge: it grades each candidate alone, or orders several at once.
    pub fn judge(self, method: JudgeMethod) -> Self {
        Self { judge: Some(method), ..self }
    }

    /// Sets logits (`true`) or probabilities as the scores of a cross-encoder.
    pub fn raw_scores(self, raw_scores: bool) -> Self {
        Self { raw_scores: Some(raw_scores), ..self }
    }
}

impl Prepared {
    /// Prepares a scorer without feedback.
    pub fn of_scorer(scorer: Arc<dyn Scorer>, blend: Blend) -> Self {
        let explainer = Arc::clone(&scorer);
        let (long_text, feedback) = (LongText::Truncate, Feedback::Off);
        Self { scorer, explainer, encoder: None, long_text, blend, feedback }
    }
}

/// Returns the default blend of a scorer. First-stage scores are mixed in as z-scores if the scores
/// have no known range, and not at all with grades and places.
fn default_blend(kind: ScoreKind) -> Blend {
    match kind {
        ScoreKind::Custom | ScoreKind::Logit => {
            let normalize = Normalize::ZScore;
            Blend::Linear { weight: Blend::linear_weight(normalize), normalize }
        }
        ScoreKind::Rating | ScoreKind::Place => Blend::None,
        _ => Blend::default(),
    }
}

/// Checks that a cache can serve the scoring. It keeps one vector per text.
pub(super) fn check_cached(scoring: Scoring, long_text: LongText) -> Result<()> {
    let refused = |message: &str| Err(Error::InvalidArgument(message.into()));
    match (scoring, long_text) {
        (Scoring::Cosine, LongText::Truncate) => Ok(()),
        (Scoring::Cosine, LongText::Window) => refused(
            "the embedding cache keeps whole texts, not their windows; set `long_text=truncate`, or leave `cache=` out",
        ),
        (Scoring::MaxSim | Scoring::Hybrid, _) => refused(
            "the embedding cache keeps embeddings, and this scoring needs the vectors of every token too, some 80 times as much; with `cache=` \
             say `scoring=cosine`, or leave `cache=` out",
        ),
    }
}

//! The stages of a cascade, as users write them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Reranker;
use crate::blend::Blend;
use crate::model::{ModelStage, Prepared};
use crate::scorer::{CascadeScorer, Feedback, Scoring, Stage, StageInfo};
use crate::service::Provider;
use crate::{Error, Result};

/// The way that a stage scores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageBy {
    /// The reranker's own embedding model.
    Scoring(Scoring),
    /// Another model, with a name as in [`Model::load`](crate::Model::load).
    Model(String),
}

/// A stage as text: `hybrid:200`, `cross-encoder/ms-marco-MiniLM-L6-v2:50`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSpec {
    /// The way that the stage scores.
    pub by: StageBy,
    /// Number of the best candidates so far that the stage scores.
    pub depth: usize,
}

/// Rerankers that will be the stages of one reranker.
#[derive(Default)]
pub(super) struct Stages {
    stages: Vec<Stage>,
    infos: Vec<StageInfo>,
}

impl Stages {
    pub fn push(&mut self, name: String, reranker: Reranker, depth: usize, feedback: Feedback) {
        let scorer = reranker.scorer;
        self.infos.push(StageInfo { name: name.clone(), kind: scorer.kind(), depth });
        self.stages.push(Stage { name, scorer, depth, feedback });
    }

    pub fn reranker(self, blend: Blend) -> Result<Reranker> {
        let Self { stages, infos } = self;
        let cascade = Reranker::of(Prepared::of_scorer(Arc::new(CascadeScorer::new(stages)?), blend));
        Ok(Reranker { stages: infos, ..cascade })
    }
}

impl Reranker {
    /// Creates a reranker of stages. Each stage scores the best candidates of the order that the
    /// one before it left; see [`CascadeScorer`](crate::CascadeScorer).
    ///
    /// ```
    /// use nearsort::{Model, Reranker};
    ///
    /// let shorter = Model::from_fn(|_, text| -(text.len() as f32));
    /// let overlap = Model::from_fn(|query, text| query.split(' ').filter(|word| text.contains(word)).count() as f32);
    /// let cascade = Reranker::cascade([(shorter, 200), (overlap, 2)])?;
    /// let answer = cascade.rank("red boats", &["two red boats at sea", "a boat", "a red boat"]).run()?;
    /// assert_eq!(answer.hits[0].index, 2, "the best of the two shortest");
    /// # Ok::<(), nearsort::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`CascadeScorer::new`](crate::CascadeScorer::new) and [`Reranker::with`].
    pub fn cascade<S: Into<ModelStage>>(stages: impl IntoIterator<Item = (S, usize)>) -> Result<Self> {
        let mut all = Stages::default();
        for (stage, depth) in stages {
            let ModelStage { model, options } = stage.into();
            let reranker = Self::with(&model, options)?;
            let kind = reranker.score_kind().to_string();
            let name = reranker.model().filter(|_| reranker.encoder.is_none()).map_or(kind, |model| model.name);
            all.push(name, reranker, depth, options.feedback);
        }
        all.reranker(Blend::None)
    }
}

impl StageSpec {
    /// Returns the scoring, if the stage uses the reranker's own model.
    pub(super) fn scoring(&self) -> Option<Scoring> {
        match self.by {
            StageBy::Scoring(scoring) => Some(scoring),
            StageBy::Model(_) => None,
        }
    }

    /// Returns provider and model, if the stage uses a service.
    pub fn service(&self) -> Option<(Provider, &str)> {
        match &self.by {
            StageBy::Scoring(_) => None,
            StageBy::Model(name) => Provider::of_name(name),
        }
    }
}

impl fmt::Display for StageBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StageBy::Scoring(scoring) => scoring.fmt(f),
            StageBy::Model(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for StageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.by, self.depth)
    }
}

impl FromStr for StageSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |what: &str| {
            Err(Error::InvalidArgument(format!(
                "the stage '{text}' {what}; a stage is SCORING:N or MODEL:N, such as hybrid:200 or cross-encoder/ms-marco-MiniLM-L6-v2:50"
            )))
        };
        // Model names may contain colons.
        let Some((name, depth)) = text.rsplit_once(':') else { return wrong("has no number of candidates") };
        match depth.parse() {
            _ if name.is_empty() => wrong("names no scoring and no model"),
            // Distilling one from the default model was measured, and a first stage by BM25 is better.
            _ if name == "static" => wrong("names no static model; name one, as in potion-base-8M:2000"),
            Ok(depth) if depth > 0 => {
                let by = name.parse().map_or_else(|_| StageBy::Model(name.to_owned()), StageBy::Scoring);
                Ok(Self { by, depth })
            }
            _ => wrong(&format!("has the depth '{depth}'; expected a number of at least 1")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_parse_and_print() {
        for text in ["hybrid:200", "cosine:1", "openai:gpt-4o:50", "./a folder:7"] {
            assert_eq!(text.parse::<StageSpec>().unwrap().to_string(), text);
        }
        assert_eq!("maxsim:3".parse::<StageSpec>().unwrap().by, StageBy::Scoring(Scoring::MaxSim));
        for (text, said) in [
            ("hybrid", "no number"),
            ("hybrid:0", "at least 1"),
            (":5", "no scoring and no model"),
            ("static:2000", "potion-base-8M:2000"),
            ("m:x", "'x'"),
            ("m:-1", "'-1'"),
        ] {
            let error = text.parse::<StageSpec>().unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("hybrid:200"), "{error}");
        }
    }
}

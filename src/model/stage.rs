//! Models as stages of a cascade.

use super::{Model, RankOptions};
use crate::remote::judge::{JudgeMethod, Windows};
use crate::scorer::Scoring;

/// A model with its options for ranking, as a stage of a cascade, see
/// [`Reranker::cascade`](crate::Reranker::cascade).
#[derive(Debug, Clone)]
pub struct ModelStage {
    pub(crate) model: Model,
    pub(crate) options: RankOptions,
}

impl From<&Model> for ModelStage {
    fn from(model: &Model) -> Self {
        model.with(RankOptions::default())
    }
}

impl From<Model> for ModelStage {
    fn from(model: Model) -> Self {
        Self { model, options: RankOptions::default() }
    }
}

impl Model {
    /// Returns the model as a stage with these options.
    pub fn with(&self, options: RankOptions) -> ModelStage {
        ModelStage { model: self.clone(), options }
    }

    /// Returns the model as a stage with this scoring, for embedding models.
    pub fn by(&self, scoring: Scoring) -> ModelStage {
        self.with(RankOptions::by(scoring))
    }

    /// Returns the model as a judge that grades each candidate alone.
    pub fn pointwise(&self) -> ModelStage {
        self.with(RankOptions::default().judge(JudgeMethod::Pointwise))
    }

    /// Returns the model as a judge that orders several candidates at once.
    pub fn listwise(&self, windows: Windows) -> ModelStage {
        self.with(RankOptions::default().judge(JudgeMethod::Listwise(windows)))
    }
}

//! Models as stages of a cascade.

use super::{Model, RankOptions};
use crate::remote::judge::{JudgeMethod, Windows};
use crate::scorer::Scoring;

/// A model and how it ranks: what a stage of a cascade is made of, see [`Reranker::cascade`](crate::Reranker::cascade).
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
    /// The model, ranking as these options say.
    pub fn with(&self, options: RankOptions) -> ModelStage {
        ModelStage { model: self.clone(), options }
    }

    /// The model, ranking by this score of an embedding model's pass.
    pub fn by(&self, scoring: Scoring) -> ModelStage {
        self.with(RankOptions::by(scoring))
    }

    /// The model as a judge of each candidate alone.
    pub fn pointwise(&self) -> ModelStage {
        self.with(RankOptions::default().judge(JudgeMethod::Pointwise))
    }

    /// The model as a judge of several candidates at once.
    pub fn listwise(&self, windows: Windows) -> ModelStage {
        self.with(RankOptions::default().judge(JudgeMethod::Listwise(windows)))
    }
}

//! What produced the scores of an answer.

use crate::encoder::{Encoder, ModelInfo};
use crate::kernels::Isa;
use crate::scorer::{LongText, ScoreKind, StageInfo};

/// Which model scored, and how it ran. `-` stands for what the scorer does not say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelRun {
    /// The model's name.
    pub name: String,
    /// Its revision, where it has one.
    pub revision: Option<String>,
    /// Where it ran, such as `cpu`.
    pub device: String,
    /// What computed the forward passes.
    pub engine: String,
    /// In which precision.
    pub precision: String,
    /// The processor's instruction set.
    pub isa: &'static str,
    /// What the scores mean.
    pub scoring: ScoreKind,
    /// What became of long texts.
    pub long_text: LongText,
    /// The stages of a cascade; else empty.
    pub stages: Vec<StageInfo>,
}

impl ModelRun {
    /// Of a model, `None` where the scorer does not say, without stages.
    pub fn new(model: Option<ModelInfo>, scoring: ScoreKind, long_text: LongText) -> Self {
        let said = |value: fn(&ModelInfo) -> &str| {
            model.as_ref().map(value).filter(|value| !value.is_empty()).unwrap_or("-").to_owned()
        };
        Self {
            name: said(|model| &model.name),
            revision: model.as_ref().and_then(|model| model.revision.clone()),
            device: said(|model| &model.device),
            engine: said(|model| &model.engine),
            precision: said(|model| &model.precision),
            isa: Isa::detect().name(),
            scoring,
            long_text,
            stages: Vec::new(),
        }
    }

    /// Of an encoder whose vectors an index is scored with: texts are cut, for an index has no windows.
    pub fn of_encoder(encoder: &dyn Encoder, scoring: ScoreKind) -> Self {
        Self::new(encoder.model(), scoring, LongText::Truncate)
    }

    /// With the stages of a cascade.
    pub fn with_stages(self, stages: Vec<StageInfo>) -> Self {
        Self { stages, ..self }
    }
}

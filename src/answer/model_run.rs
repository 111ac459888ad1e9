//! The model behind the scores of an answer.

use crate::encoder::{Encoder, ModelInfo};
use crate::kernels::Isa;
use crate::scorer::{LongText, ScoreKind, StageInfo};

/// The model that scored, and how it ran. `-` stands for unknown values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelRun {
    /// The model's name.
    pub name: String,
    /// The model's revision, where it has one.
    pub revision: Option<String>,
    /// The device, such as `cpu`.
    pub device: String,
    /// The engine of the forward passes.
    pub engine: String,
    /// The precision of the forward passes.
    pub precision: String,
    /// The processor's instruction set.
    pub isa: &'static str,
    /// The kind of the scores.
    pub scoring: ScoreKind,
    /// The handling of long texts.
    pub long_text: LongText,
    /// The stages of a cascade; empty without a cascade.
    pub stages: Vec<StageInfo>,
}

impl ModelRun {
    /// Describes a run without stages. `model` is `None` for a scorer without that information.
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

    /// Describes a run that scores an index with an encoder's vectors. Texts are cut, because an
    /// index has no windows.
    pub fn of_encoder(encoder: &dyn Encoder, scoring: ScoreKind) -> Self {
        Self::new(encoder.model(), scoring, LongText::Truncate)
    }

    /// Adds the stages of a cascade.
    pub fn with_stages(self, stages: Vec<StageInfo>) -> Self {
        Self { stages, ..self }
    }
}

//! The JSON form of a model run, for reports.

use serde::Serialize;

use super::ModelRun;

/// A model.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ModelDocument<'a> {
    /// The model's name.
    model: &'a str,
    /// The model's revision; null if it has none.
    revision: Option<&'a str>,
    /// The device, such as `cpu`.
    device: &'a str,
    /// The engine of the forward passes.
    engine: &'a str,
    /// The precision of the forward passes.
    precision: &'a str,
    /// The processor's instruction set.
    isa: &'static str,
}

impl<'a> ModelDocument<'a> {
    /// Returns the form of a run.
    pub(crate) fn of(run: &'a ModelRun) -> Self {
        Self {
            model: &run.name,
            revision: run.revision.as_deref(),
            device: &run.device,
            engine: &run.engine,
            precision: &run.precision,
            isa: run.isa,
        }
    }
}

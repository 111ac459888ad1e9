//! What is written of an answer, and what becomes of writing it.

use std::io::{self, Write};

use super::value::RankedQuery;
use crate::Error;

/// What is written of an answer, beside the format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// The candidates' texts.
    pub with_text: bool,
    /// The query's id: where queries come from a file, every line says its query, and JSON is an array.
    pub with_query: bool,
    /// In TSV and tables beside a blended score the model's.
    pub with_model_score: bool,
}

/// What becomes of writing an answer.
pub type Rendered = Result<(), RenderError>;

/// Why an answer could not be written.
#[derive(Debug)]
pub enum RenderError {
    /// The target took no more.
    Io(io::Error),
    /// The answer does not fit the format.
    Answer(Error),
}

impl From<io::Error> for RenderError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for RenderError {
    fn from(error: Error) -> Self {
        Self::Answer(error)
    }
}

impl From<serde_json::Error> for RenderError {
    fn from(error: serde_json::Error) -> Self {
        Self::Io(error.into())
    }
}

/// Draws tables.
pub type Renderer = fn(&mut dyn Write, &RankedQuery<'_>, Shape) -> Rendered;

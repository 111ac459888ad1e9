//! The parts of an answer that are written, and the errors of writing it.

use std::io::{self, Write};

use super::value::RankedQuery;
use crate::Error;

/// The parts of an answer that are written, in any format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerShape {
    /// True to write the candidates' texts.
    pub with_text: bool,
    /// True to write the query's id, for queries from a file: every line names its query, and JSON
    /// is an array.
    pub with_query: bool,
    /// True to write the model's score beside a blended one, in TSV and tables.
    pub with_model_score: bool,
}

/// The result of writing an answer.
pub type Rendered = Result<(), RenderError>;

/// The reason why an answer could not be written.
#[derive(Debug)]
pub enum RenderError {
    /// Writing to the target failed.
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

/// A function that draws tables.
pub type Renderer = fn(&mut dyn Write, &RankedQuery<'_>, AnswerShape) -> Rendered;

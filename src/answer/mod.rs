//! Answers: the ranked candidates of a query, and all documented forms of them.
//!
//! A [`RankedQuery`] is a value, and each [`Format`] is a pure function of it. [`AnswerWriter`]
//! writes answers one after the other: into a file that appears when it is whole, into a part of a
//! job's output, or to any writer. `docs/answer.schema.json` is the JSON schema of the JSON form
//! ([`AnswerDocument`]) and of the lines of JSONL ([`LineDocument`]).
//!
//! Number-only formats (TREC, TSV, Parquet) get strictly decreasing scores
//! ([`strictly_falling`](crate::ranking::strictly_falling)), so that tools that sort by score keep
//! the order.

mod columns;
mod document;
mod format;
mod json;
mod lines;
#[cfg(feature = "diagnose")]
mod model_document;
mod model_run;
mod raw_json;
mod readings;
mod shape;
mod value;
mod writer;

pub use columns::{join_columns, write_columns};
pub use document::{AnswerDocument, HeaderDocument, LineDocument, ResultDocument};
pub use format::Format;
pub use lines::{check_trec_id, check_trec_ids, check_trec_query, explained, one_line};
#[cfg(feature = "diagnose")]
pub(crate) use model_document::ModelDocument;
pub use model_run::ModelRun;
pub use readings::Readings;
pub use shape::{AnswerShape, RenderError, Rendered, Renderer};
pub use value::{IndexRun, Ranked, RankedQuery, WorkDone};
pub use writer::{AnswerWriter, STDOUT};

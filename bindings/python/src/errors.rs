//! Errors of the library as Python's exceptions: the classes of `nearsort.errors`, with options as arguments.

use nearsort::error::{Remedy, with_names};
use nearsort::{Error, JobError};
use pyo3::prelude::*;

/// The exception of an error of the library.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, class_of(error), &text(error))
}

/// `nearsort.InvalidInput`.
pub fn invalid(py: Python<'_>, message: impl AsRef<str>) -> PyErr {
    exception(py, "InvalidInput", message.as_ref())
}

/// `nearsort.Error`, for what should not happen.
pub fn internal(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "Error", &format!("internal error, which should be reported: {message}"))
}

/// An exception of a class of `nearsort.errors`.
fn exception(py: Python<'_>, class: &str, message: &str) -> PyErr {
    let made = py.import("nearsort.errors").and_then(|errors| errors.getattr(class)?.call1((message,)));
    made.map_or_else(|broken| broken, PyErr::from_value)
}

fn class_of(error: &Error) -> &'static str {
    match error {
        Error::At { source, .. } | Error::Advised { source, .. } => class_of(source),
        Error::Cancelled => "Cancelled",
        Error::DeadlineExceeded => "DeadlineExceeded",
        Error::UnknownModel { .. } | Error::ModelUnavailable { .. } => "ModelNotFound",
        Error::ModelFile { .. } | Error::UnsupportedArchitecture { .. } => "UnsupportedModel",
        Error::Device { .. } | Error::FeatureOff { .. } => "DeviceError",
        Error::Corrupted { .. } => "CorruptedFile",
        Error::Io { .. } | Error::Cache { .. } => "FileError",
        Error::Service(_) => "ServiceError",
        Error::Job(_) => "JobError",
        Error::Compute { .. } | Error::NotANumber { .. } | Error::QueryNotANumber { .. } => "ComputeError",
        Error::BadRow { .. }
        | Error::BadInput { .. }
        | Error::MissingTexts { .. }
        | Error::NoFirstStage { .. }
        | Error::InvalidArgument(_)
        | Error::InvalidOption { .. } => "InvalidInput",
        _ => "Error",
    }
}

/// The message and those of its causes that it does not quote, a line each.
fn text(error: &Error) -> String {
    let mut said = message(error);
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let reason = as_arguments(&error.to_string());
        if !said.contains(&reason) {
            said.push_str("\ncaused by: ");
            said.push_str(&reason);
        }
        cause = error.source();
    }
    said
}

fn message(error: &Error) -> String {
    match error {
        Error::Advised { source, remedy } => format!("{}; {}", message(source), remedied(remedy)),
        Error::Corrupted { path, expected, found, hint } => {
            format!("{} is corrupted: expected {expected}, found {found}; {}", path.display(), remedied(hint))
        }
        Error::InvalidOption { option, why } => format!("{} {}", argument(option), as_arguments(why)),
        Error::Job(JobError::NotResumable) => as_arguments("only a job with `output=` can be resumed"),
        error => as_arguments(&error.to_string()),
    }
}

/// What a Python program does against an error.
fn remedied(remedy: &Remedy) -> String {
    let said = match remedy {
        Remedy::AddToIndex => "add their texts to the index (Index.add), or leave them out",
        Remedy::LeaveListsOut => "leave such lists out",
        Remedy::BuildIndex => "make one with Index.build(corpus, path)",
        Remedy::AddToOrReplaceIndex => "add to it with Index.add, or replace it with replace=True",
        Remedy::RebuildIndex => REBUILD,
        Remedy::VerifyIndex => return format!("see what else is damaged with Index.damages, then {REBUILD}"),
        Remedy::RestartBuild => "the unfinished build cannot be continued; start it again with restart=True",
        Remedy::ClearCache => "remove it with `nearsort cache clear`, or leave embedding_cache= out",
        Remedy::VerifyModel => "does the model compute right? see `nearsort models verify`",
        Remedy::UseCpu => "is the driver installed and the device visible? device=\"cpu\" always works",
        Remedy::RebuildOrUseCpu { feature } => {
            return format!("this wheel has no {feature} support; use device=\"cpu\"");
        }
        Remedy::RerankWithIt => "a Reranker uses it; for all else give an embedding model, such as all-MiniLM-L6-v2",
        Remedy::RerankByMaxSim => {
            "a Reranker uses it, by MaxSim; for all else give an embedding model, such as all-MiniLM-L6-v2"
        }
        other => return as_arguments(&other.to_string()),
    };
    said.to_owned()
}

const REBUILD: &str = "build the index again with replace=True, or restore the file from a copy";

/// A message of the library with options as arguments are written.
fn as_arguments(message: &str) -> String {
    let windows =
        message.replace("`long_text=truncate`", "`window=False`").replace("`long_text=window`", "`window=True`");
    let caches = windows.replace("`cache=`", "`embedding_cache=`");
    with_names(&caches, |option| (option == "long_text").then(|| format!("`{}=`", argument(option))))
}

/// The argument of the package that has this name in the library.
fn argument(option: &str) -> &str {
    match option {
        "long_text" => "window",
        "cache" => "embedding_cache",
        other => other,
    }
}

//! Converts errors of the library to the exception classes of `nearsort.errors`, with options named
//! as arguments.

use nearsort::error::{Remedy, with_names};
use nearsort::{Error, JobError};
use pyo3::prelude::*;

/// Returns the exception of a library error.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    exception(py, class_of(error), &text(error))
}

/// Makes a `nearsort.InvalidInput`.
pub fn invalid(py: Python<'_>, message: impl AsRef<str>) -> PyErr {
    exception(py, "InvalidInput", message.as_ref())
}

/// Makes a `nearsort.Error` for an internal error.
pub fn internal(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "Error", &format!("internal error, which should be reported: {message}"))
}

/// Makes an exception of a class of `nearsort.errors`.
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

/// Returns the message of an error, and a line for each cause that it does not quote.
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

/// Returns a remedy in the words of the Python package.
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
        Remedy::VerifyModel => "check the model with `nearsort models verify`",
        Remedy::UseCpu => "check that the driver is installed and the device visible, or use device=\"cpu\"",
        Remedy::RebuildOrUseCpu { feature } => {
            return format!("this wheel has no {feature} support; use device=\"cpu\"");
        }
        Remedy::RerankWithIt => "use it in a Reranker, or give an embedding model, such as all-MiniLM-L6-v2",
        Remedy::RerankByMaxSim => {
            "use it in a Reranker, which scores by MaxSim, or give an embedding model, such as all-MiniLM-L6-v2"
        }
        other => return as_arguments(&other.to_string()),
    };
    said.to_owned()
}

const REBUILD: &str = "build the index again with replace=True, or restore the file from a copy";

/// Replaces the names of options in a library message by arguments.
pub fn as_arguments(message: &str) -> String {
    let windows =
        message.replace("`long_text=truncate`", "`window=False`").replace("`long_text=window`", "`window=True`");
    let caches = windows.replace("`cache=`", "`embedding_cache=`");
    with_names(&caches, |option| (option == "long_text").then(|| format!("`{}=`", argument(option))))
}

/// Returns the package's argument for a library option.
fn argument(option: &str) -> &str {
    match option {
        "long_text" => "window",
        "cache" => "embedding_cache",
        other => other,
    }
}

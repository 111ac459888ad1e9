//! The outcome of a verb.

use std::io;
use std::path::PathBuf;

use clap::CommandFactory;
use nearsort::JobError;
use nearsort::answer::STDOUT;
use nearsort::error::{Difference, Remedy, with_names};

use crate::args::Cli;

/// The outcome of a verb that does not fail.
pub enum Outcome {
    Done,
    /// The work was done, but no result passed the threshold.
    Nothing,
}

impl Outcome {
    /// Returns the outcome of work with this number of results.
    pub fn of(results: usize) -> Self {
        if results == 0 { Self::Nothing } else { Self::Done }
    }
}

/// The failure of a verb.
pub enum Failure {
    /// A message for stderr.
    Error(String),
    /// The reader of our output has closed it.
    BrokenPipe,
    /// The command line is incomplete; the help was printed.
    Usage,
}

impl Failure {
    /// Makes the failure of an operation on a file: "cannot {action} {path}: ...", with advice for
    /// a full disk.
    pub fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| nearsort::Error::Io { action, path, source }.into()
    }
}

pub type Run = Result<Outcome, Failure>;

impl From<nearsort::Error> for Failure {
    fn from(error: nearsort::Error) -> Self {
        match &error {
            nearsort::Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::Error(in_our_words(&error)),
        }
    }
}

impl From<nearsort_report::ReportError> for Failure {
    fn from(error: nearsort_report::ReportError) -> Self {
        Failure::Error(error.to_string())
    }
}

/// Advice for a model whose scores are not numbers.
pub const CHECK_MODEL: &str = "check the model's weights with `nearsort models verify`";

/// Returns a library error as a message with the command's flags and verbs.
pub fn in_our_words(error: &nearsort::Error) -> String {
    match error {
        nearsort::Error::At { .. } => format!("{error}; {CHECK_MODEL}"),
        nearsort::Error::MissingTexts { message } => format!(
            "{message}; check that the files belong together and which field is the id (--id-field), or leave them out with --skip-bad-rows"
        ),
        nearsort::Error::Job(error) => of_a_job(error),
        nearsort::Error::Advised { source, remedy } => format!("{}; {}", in_our_words(source), remedied(remedy)),
        nearsort::Error::Corrupted { path, expected, found, hint } => {
            format!("{} is corrupted: expected {expected}, found {found}; {}", path.display(), remedied(hint))
        }
        nearsort::Error::InvalidOption { option, why } => format!("{} {}", flag(option), as_flags(why)),
        error => as_flags(&error.to_string()),
    }
}

/// Returns a remedy in the command's words.
fn remedied(remedy: &Remedy) -> String {
    let said = match remedy {
        Remedy::AddToIndex => {
            "add their texts to the index (nearsort index add), or leave them out with --skip-bad-rows"
        }
        Remedy::LeaveListsOut => "leave such lists out with --skip-bad-rows",
        Remedy::BuildIndex => "make one with `nearsort index build CORPUS --output DIR`",
        Remedy::AddToOrReplaceIndex => "add to it (nearsort index add), or replace it with --replace",
        Remedy::RebuildIndex => REBUILD,
        Remedy::VerifyIndex => {
            return format!("see what else is damaged with `nearsort index verify`, then {REBUILD}");
        }
        Remedy::ClearCache => "remove it with `nearsort cache clear`, or leave --cache out",
        Remedy::VerifyModel => "check the model with `nearsort models verify`",
        Remedy::UseCpu => "check that the driver is installed and the device visible, or use `--device cpu`",
        Remedy::RebuildOrUseCpu { feature } => {
            return format!("rebuild with `--features {feature}`, or use `--device cpu`");
        }
        Remedy::RerankWithIt => {
            "use it with `nearsort rerank --model`, or give an embedding model, such as all-MiniLM-L6-v2"
        }
        Remedy::RerankByMaxSim => {
            "use it with `nearsort rerank --model` (scoring maxsim), or give an embedding model, such as all-MiniLM-L6-v2"
        }
        other => return as_flags(&other.to_string()),
    };
    said.to_owned()
}

const REBUILD: &str = "build the index again (nearsort index build --replace), or restore the file from a copy";

/// Replaces the names of options in a library message by flags.
pub fn as_flags(message: &str) -> String {
    with_names(message, |option| is_option(option).then(|| flag(option)))
}

fn flag(option: &str) -> String {
    format!("--{}", long_name(option))
}

/// Returns the command's name of a library option.
fn long_name(option: &str) -> String {
    match option {
        "long_text" => "long".to_owned(),
        other => other.replace('_', "-"),
    }
}

/// Returns true if a library option is an option of a verb.
fn is_option(option: &str) -> bool {
    let long = long_name(option);
    let has = |verb: &clap::Command| verb.get_arguments().any(|arg| arg.get_long() == Some(&long));
    Cli::command().get_subcommands().any(|verb| has(verb) || verb.get_subcommands().any(has))
}

fn of_a_job(error: &JobError) -> String {
    match error {
        JobError::Busy { output } => {
            format!("another process writes {}; wait for it, or give another --output", output.display())
        }
        JobError::Foreign { folder, why } => format!(
            "{} is needed for the job, but it is not nearsort's: {why}; nothing in it was changed; move it away, or give another --output",
            folder.display()
        ),
        JobError::NoManifest { file, why } => {
            format!("{}: not the manifest of a job: {why}; {GO_ON}", file.display())
        }
        JobError::Differs { folder, difference } => {
            format!("{} holds an unfinished job, but {}; {GO_ON}", folder.display(), differs(difference))
        }
        JobError::NotOneJob { one, other, difference } => {
            format!("{} and {} belong to different jobs: {}", one.display(), other.display(), differs(difference))
        }
        JobError::CannotGoOn { why } => format!("cannot resume the job: {why}; begin anew with --restart"),
        JobError::NotResumable => {
            "only a job with --output, and without an input from standard input, can be resumed".into()
        }
        error => error.to_string(),
    }
}

fn differs(difference: &Difference) -> String {
    match difference {
        Difference::Option { name, was, is } => format!("--{name} was {was} and is {is} now"),
        other => other.to_string(),
    }
}

const GO_ON: &str = "rerun with the same inputs and options to resume it, or begin anew with --restart";

impl From<nearsort::service::ServiceError> for Failure {
    fn from(error: nearsort::service::ServiceError) -> Self {
        Failure::Error(as_flags(&error.to_string()))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::BrokenPipe,
            _ => Failure::io("write", STDOUT)(error),
        }
    }
}

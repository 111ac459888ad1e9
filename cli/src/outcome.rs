//! What a verb comes to.

use std::io;
use std::path::PathBuf;

use nearsort::JobError;
use nearsort::answer::STDOUT;
use nearsort::error::Difference;

/// What a verb comes to when it does not fail.
pub enum Outcome {
    Done,
    /// The work was done and nothing passed the threshold.
    Nothing,
}

/// What a verb fails with.
pub enum Failure {
    /// Said on stderr.
    Error(String),
    /// Whoever read our output has gone.
    BrokenPipe,
    /// Not a whole command line; the help was printed.
    Usage,
}

impl Failure {
    /// What the system says of a file: "cannot {action} {path}: ...", and what to do about a full disk.
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

/// What to do about a model whose scores are not numbers.
pub const CHECK_MODEL: &str = "`nearsort models verify` says whether the model's weights are sound";

/// The library names options; whoever sits at a terminal types flags and verbs.
fn in_our_words(error: &nearsort::Error) -> String {
    match error {
        nearsort::Error::At { .. } => format!("{error}; {CHECK_MODEL}"),
        nearsort::Error::MissingTexts { message } => format!(
            "{message}; check that the files belong together and which field is the id (--id-field), or leave them out with --skip-bad-rows"
        ),
        nearsort::Error::NoFirstStage { query } => format!(
            "--blend needs the first stage's scores, and no candidate of the query '{query}' has a field 'score'; name the field with --score-field"
        ),
        nearsort::Error::Job(error) => of_a_job(error),
        error => error.to_string(),
    }
}

fn of_a_job(error: &JobError) -> String {
    match error {
        JobError::Busy { output } => {
            format!("another process is at work on {}; wait for it, or give another --output", output.display())
        }
        JobError::Foreign { folder, why } => format!(
            "{} is needed for the job, but it is not nearsort's: {why}; nothing in it was changed; move it away, or give another --output",
            folder.display()
        ),
        JobError::NoManifest { file, why } => {
            format!("{}: not the manifest of a job: {why}; {GO_ON}", file.display())
        }
        JobError::Differs { folder, difference } => {
            format!("{} holds an unfinished job, but {}; {GO_ON}", folder.display(), as_flags(difference))
        }
        JobError::NotOneJob { one, other, difference } => {
            format!("{} and {} are not of one job: {}", one.display(), other.display(), as_flags(difference))
        }
        JobError::CannotGoOn { why } => format!("cannot go on with the job: {why}; begin anew with --restart"),
        JobError::NotResumable => {
            "only a job with --output, and without an input from standard input, can be resumed".into()
        }
        error => error.to_string(),
    }
}

fn as_flags(difference: &Difference) -> String {
    match difference {
        Difference::Option { name, was, is } => format!("--{name} was {was} and is {is} now"),
        other => other.to_string(),
    }
}

const GO_ON: &str = "give everything as it was to go on with it, or --restart to begin anew";

impl From<nearsort::service::ServiceError> for Failure {
    fn from(error: nearsort::service::ServiceError) -> Self {
        Failure::Error(error.to_string())
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

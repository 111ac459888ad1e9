//! State of the process, for any verb: verbosity, cost of services so far, and the file of bad
//! rows.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use nearsort::io::{BadRows, ReadOptions, Rejects};
use nearsort::service::Meter;

use crate::args::{BadRowsArg, ReadingArgs, Talk};
use crate::hints::say;
use crate::interrupt::remove_on_interrupt;
use crate::outcome::as_flags;
use crate::targets::check_target;
use crate::{Failure, Run};

/// Created once by [`run`](crate::run), and lent to the verbs.
pub struct Session {
    pub talk: Talk,
    /// The command line of this call.
    pub command_line: String,
    /// Created when the first service is used.
    meter: Arc<OnceLock<Arc<Meter>>>,
    /// The file of `--bad-rows report`, while a verb works.
    rejects: OnceLock<Arc<Rejects>>,
}

impl Session {
    pub fn new(talk: Talk, command_line: String) -> Self {
        Self { talk, command_line, meter: Arc::default(), rejects: OnceLock::new() }
    }

    /// Returns a function that creates the meter of all services of the process on its first call.
    /// `budget` is in dollars.
    pub fn lazy_meter(&self, budget: Option<f64>) -> impl Fn() -> Arc<Meter> + Send + Sync + 'static {
        let meter = Arc::clone(&self.meter);
        move || Arc::clone(meter.get_or_init(|| Arc::new(Meter::new(budget))))
    }

    /// Returns the meter, if a service was used.
    pub fn used_meter(&self) -> Option<&Meter> {
        self.meter.get().map(AsRef::as_ref)
    }

    /// Returns the reading options.
    pub fn reading(&self, args: &ReadingArgs) -> ReadOptions {
        ReadOptions {
            format: args.input_format,
            text_field: args.text_field.clone(),
            id_field: args.id_field.clone(),
            title_field: args.title_field.clone(),
            score_field: args.score_field.clone(),
            delimiter: args.table.delimiter,
            // Callers set these when they need scores, or print other fields.
            needs_score: false,
            extra: false,
            bad_rows: match self.rejects.get() {
                Some(rejects) => BadRows::Report(Arc::clone(rejects)),
                None if args.leaves_out() => BadRows::Skip,
                None => BadRows::Fail,
            },
            ..ReadOptions::default()
        }
    }

    /// Runs `work` with the file of bad rows open, if there is one. Moves it into its place even if
    /// the work fails. `output` is the destination of the results.
    pub fn with_rejects(
        &self,
        args: &ReadingArgs,
        output: Option<&Path>,
        inputs: &[Option<&PathBuf>],
        work: impl FnOnce() -> Run,
    ) -> Run {
        let Some(path) = rejects_path(args, output)? else { return work() };
        check_target(&path, inputs)?;
        if output.is_some_and(|output| output == path) {
            return Err(Failure::Error(
                "--rejects and --output name the same file; give one of them another name".into(),
            ));
        }
        let rejects = Arc::new(Rejects::create(&path)?.words(as_flags));
        if let Some(unfinished) = rejects.temporary_path() {
            remove_on_interrupt(&unfinished);
        }
        let rejects = self.rejects.get_or_init(|| rejects);
        let ran = work();
        let finished = rejects.finish();
        if rejects.count() > 0 && finished.is_ok() && self.talk > Talk::Quiet {
            let (count, rows) = (rejects.count(), if rejects.count() == 1 { "row is" } else { "rows are" });
            say(format_args!("{count} unusable {rows} in {}", path.display()));
        }
        let ran = ran?;
        finished?;
        Ok(ran)
    }
}

/// Returns the name of the file of bad rows, if one is requested.
fn rejects_path(args: &ReadingArgs, output: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    match (args.bad_rows, &args.rejects) {
        (Some(BadRowsArg::Report), Some(path)) => Ok(Some(path.clone())),
        (Some(BadRowsArg::Report), None) => Ok(Some(match output {
            Some(output) => {
                let mut name = output.as_os_str().to_owned();
                name.push(".rejects.jsonl");
                name.into()
            }
            None => "rejects.jsonl".into(),
        })),
        (_, Some(_)) => Err(Failure::Error("--rejects is for --bad-rows report".into())),
        (_, None) => Ok(None),
    }
}

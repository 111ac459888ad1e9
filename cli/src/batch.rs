//! `nearsort rerank` over many lists, and `nearsort merge`: the library's jobs with the command's
//! progress and messages.

use std::cell::RefCell;
use std::path::PathBuf;

use nearsort::job::{Job, JobInput, JobOptions, merge as merge_shards};
use nearsort::{JobError, Reranker};

use crate::args::{JobArgs, MergeArgs, Talk};
use crate::hints::{Warning, warn};
use crate::interrupt::remove_on_interrupt;
use crate::notices::Speaker;
use crate::progress::{Counter, Summary};
use crate::ranker::Ranker;
use crate::reading::warn_of_totals;
use crate::service::DryRun;
use crate::{Failure, Outcome, Run, judge, model, output};

pub fn run(options: JobOptions, args: &JobArgs, ranker: &Ranker<'_>) -> Run {
    if args.resume && (options.output.is_none() || reads_stdin(&options.input)) {
        return Err(nearsort::Error::from(JobError::NotResumable).into());
    }
    let talk = ranker.session.talk;
    let counter = Counter::of_batch(talk, args.progress);
    let stdout = match options.output {
        Some(_) => None,
        None => Some(output::stdout(options.format, options.shape)?),
    };
    let job = Job::open(options, &counter)?;
    let reranker = ranker.load()?;
    let call = counter.call();
    let ran = match stdout {
        Some(stdout) => job.run_into(stdout, &reranker, &counter, &call),
        None => job.run(&reranker, &counter, &call),
    };
    if ran.is_ok() {
        counter.finish();
    }
    let report = ran?;
    warn_of_totals(talk, &report.totals, report.totals.candidates, reranker.score_kind());
    let (number, example) = (report.totals.repeated, report.totals.repeated_example.clone().unwrap_or_default());
    warn(talk, &Warning::Repeated { number, example });
    judge::summarize(ranker.args, ranker.model, &call.usage(), talk);
    counter.summarize(&Summary {
        queries: report.totals.lists,
        pairs: report.totals.candidates,
        documents: report.totals.documents,
        tokens: report.totals.tokens,
        cache_hits: call.usage().cached,
    });
    if report.totals.lists == 0 {
        warn(talk, &Warning::NoCandidates { file: report.input });
    }
    Ok(Outcome::of(report.totals.results))
}

/// Counts the texts that a job would send to a service.
pub fn count(options: JobOptions, dry: &mut DryRun, talk: Talk) -> Result<(), Failure> {
    let dry = RefCell::new(dry);
    let job = Job::open(read_only(options), &Speaker(talk))?;
    let queries = |queries: &[&str]| dry.borrow_mut().queries(queries.iter().copied());
    Ok(job.read(queries, |rows| dry.borrow_mut().documents(rows))?)
}

/// Scores a job by a reranker that only counts its requests.
pub fn rehearse(options: JobOptions, reranker: &Reranker, talk: Talk) -> Result<(), Failure> {
    Ok(Job::open(read_only(options), &Speaker(talk))?.rehearse(reranker)?)
}

pub fn merge(args: &MergeArgs) -> Run {
    let inputs: Vec<Option<&PathBuf>> = args.shards.iter().map(Some).collect();
    model::check_target(&args.output, &inputs)?;
    merge_shards(&args.shards, &args.output, remove_on_interrupt)?;
    Ok(Outcome::Done)
}

fn reads_stdin(input: &JobInput) -> bool {
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    match input {
        JobInput::Run { queries, run, corpus } => is_stdin(queries) || is_stdin(run) || corpus.iter().any(is_stdin),
        JobInput::Lists(lists) => is_stdin(lists),
    }
}

/// Returns the options of a job that writes nothing.
fn read_only(mut options: JobOptions) -> JobOptions {
    (options.output, options.restart) = (None, false);
    options
}

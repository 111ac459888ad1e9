//! `nearsort rerank` over many lists, and `nearsort merge`: the library's jobs with the command's arguments, progress and words.

use std::path::{Path, PathBuf};

use nearsort::job::{Cleanup, Job, JobInput, JobOptions, Notice, Observer, Totals, merge as merge_shards};
use nearsort::{JobError, Reranker, ScoreKind};

use crate::args::{MergeArgs, RerankArgs, Talk};
use crate::hints::{Warning, say, unscored_example, warn, warn_of_skipped};
use crate::interrupt::{on_interrupt, remove_on_interrupt};
use crate::progress::{Counter, Summary};
use crate::reading::warn_of_readings;
use crate::service::DryRun;
use crate::{Failure, Outcome, Run, judge, model, output, ranker};

pub fn run(args: &RerankArgs, talk: Talk, counter: &Counter) -> Run {
    if args.resume && (args.output.is_none() || reads_stdin(args)) {
        return Err(nearsort::Error::from(JobError::NotResumable).into());
    }
    let watch = Watch { counter, talk };
    let job = Job::open(options(args)?, &watch)?;
    let reranker = ranker::load(args, talk)?;
    let call = counter.call();
    let ran = job.run(&reranker, &watch, &call);
    if ran.is_ok() {
        counter.finish();
    }
    let report = ran?;
    warn_of(&report.totals, talk, reranker.score_kind());
    judge::summarize(args, &call.usage(), talk);
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
    Ok(if report.totals.results == 0 { Outcome::Nothing } else { Outcome::Done })
}

/// Counts what a job would send to a service.
pub fn count(args: &RerankArgs, dry: &mut DryRun, talk: Talk) -> Result<(), Failure> {
    let dry = std::cell::RefCell::new(dry);
    let job = Job::open(read_only(args)?, &Speaker(talk))?;
    let queries = |queries: &[&str]| dry.borrow_mut().queries(queries.iter().copied());
    Ok(job.read(queries, |rows| dry.borrow_mut().documents(rows))?)
}

/// Scores a job by a reranker that only counts what it is asked.
pub fn rehearse(args: &RerankArgs, reranker: &Reranker, talk: Talk) -> Result<(), Failure> {
    Ok(Job::open(read_only(args)?, &Speaker(talk))?.rehearse(reranker)?)
}

pub fn merge(args: &MergeArgs) -> Run {
    let inputs: Vec<Option<&PathBuf>> = args.shards.iter().map(Some).collect();
    model::check_target(&args.output, &inputs)?;
    merge_shards(&args.shards, &args.output, remove_on_interrupt)?;
    Ok(Outcome::Done)
}

fn reads_stdin(args: &RerankArgs) -> bool {
    let inputs = [&args.query_file, &args.run, &args.candidates].into_iter().flatten().chain(&args.corpus);
    inputs.into_iter().any(|path| path.as_os_str() == "-")
}

/// A job that leaves nothing behind.
fn read_only(args: &RerankArgs) -> Result<JobOptions, Failure> {
    let mut options = options(args)?;
    (options.output, options.restart) = (None, false);
    Ok(options)
}

fn options(args: &RerankArgs) -> Result<JobOptions, Failure> {
    let input = match (&args.candidates, &args.query_file, &args.run) {
        (Some(lists), ..) => JobInput::Lists(lists.clone()),
        (None, Some(queries), Some(run)) => {
            JobInput::Run { queries: queries.clone(), run: run.clone(), corpus: args.corpus.clone() }
        }
        _ => return Err(Failure::Error("give --queries, --corpus and --run, or --candidates".into())),
    };
    let mut options = JobOptions::new(input);
    options.reading = model::reading_for(args)?;
    options.output.clone_from(&args.output);
    options.format = output::format(args)?;
    options.shape = output::shape(args);
    options.table = Some(output::table);
    options.depth = args.depth;
    options.top_k = args.top_k;
    options.min_score = args.min_score;
    options.ignore_identical_ids = args.ignore_identical_ids;
    options.explain = args.explain;
    options.needs_first_stage = args.scoring.blend.is_some();
    options.restart = args.restart;
    options.shard = args.shard;
    Ok(options)
}

/// Says what a job tells.
struct Speaker(Talk);

impl Observer for Speaker {
    fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Skipped { rows, file, reasons } => warn_of_skipped(self.0, *rows, file, reasons),
            Notice::LeftOut { message } => warn(self.0, &Warning::LeftOut { message: (*message).to_owned() }),
            Notice::Resumed { lists, of } if self.0 > Talk::Quiet => {
                let of = of.map_or(String::new(), |lists| format!(" of {lists}"));
                say(format_args!("going on with an interrupted job: {lists}{of} queries are answered"));
            }
            _ => {}
        }
    }

    fn writing(&self, unfinished: &Path) {
        remove_on_interrupt(unfinished);
    }

    fn working_in(&self, cleanup: Cleanup) {
        on_interrupt(move || {
            if let Some(folder) = cleanup.leave() {
                let folder = folder.display();
                say(format_args!("interrupted; the job lies in {folder}, the same command goes on with it"));
            }
        });
    }
}

/// Shows how far a job is, and says what it tells.
struct Watch<'a> {
    counter: &'a Counter,
    talk: Talk,
}

impl Observer for Watch<'_> {
    fn expect(&self, texts: usize, last: bool) {
        self.counter.expect(texts, last);
    }

    fn expect_lists(&self, lists: Option<usize>) {
        self.counter.expect_lists(lists);
    }

    fn skip(&self, texts: usize) {
        self.counter.skip(texts);
    }

    fn encoded(&self, tokens: u64, cache_hits: u64) {
        self.counter.add_tokens(tokens);
        self.counter.set_cache_hits(cache_hits);
    }

    fn answered(&self, lists: usize) {
        self.counter.done_lists(lists);
    }

    fn notice(&self, notice: &Notice<'_>) {
        Speaker(self.talk).notice(notice);
    }

    fn writing(&self, unfinished: &Path) {
        Speaker(self.talk).writing(unfinished);
    }

    fn working_in(&self, cleanup: Cleanup) {
        Speaker(self.talk).working_in(cleanup);
    }
}

fn warn_of(totals: &Totals, talk: Talk, kind: ScoreKind) {
    let Totals { candidates, truncated, no_first_stage, unscored, max_tokens, .. } = *totals;
    warn_of_readings(talk, &totals.readings, max_tokens, kind);
    warn(talk, &Warning::Truncated { truncated, candidates, max_tokens });
    warn(talk, &Warning::Empty { number: totals.empty, ids: totals.empty_ids.clone() });
    warn(talk, &Warning::NoFirstStage { unscored: no_first_stage, candidates });
    let example = totals.unscored_example.as_ref().map(|(id, reason)| unscored_example(id, reason));
    warn(talk, &Warning::Unscored { unscored, candidates, example: example.unwrap_or_default() });
    output::warn_of_repeated(talk, totals.repeated, totals.repeated_example.as_deref());
}

//! `nearsort rerank`: reads candidates, writes the best ones first.

use std::path::PathBuf;
use std::time::Instant;

use nearsort::answer::Format;
use nearsort::io::{Query, ReadOptions, Rows};
use nearsort::job::{FirstStageUse, JobInput, JobOptions, RankedRows, RowsOptions, rank_rows};
use nearsort::service::ServiceKind;
use nearsort::{ModelRun, Reranker};
use nearsort_report::answer_table;

use crate::args::{BlendMethod, RerankArgs, Talk};
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::output::{Target, warn_of_repeated};
use crate::progress::Counter;
use crate::ranker::{Ranker, queries};
use crate::reading::warn_of_totals;
use crate::service::DryRun;
use crate::session::Session;
use crate::{Failure, Outcome, Run, batch, judge, model, profile, rehearsal, rerank_index, service};

pub fn run(args: &RerankArgs, session: &Session) -> Run {
    if args.ranker.judge.print_prompt {
        return judge::print_prompt(&args.ranker.judge);
    }
    let args = &profile::applied(args)?;
    model::blend(&args.ranker.scoring)?;
    let target = Target::of_rerank(&args.source, args.output.as_deref(), &args.shown)?;
    check(args)?;
    judge::check(&args.ranker, &args.model, args.source.index.is_some())?;
    session.with_rejects(&args.reading, args.output.as_deref(), &args.source.inputs(), || {
        Rerank { args, target, session }.run()
    })
}

/// The arguments of the verb, and the destination of its answers.
struct Rerank<'a> {
    args: &'a RerankArgs,
    target: Target,
    session: &'a Session,
}

impl Rerank<'_> {
    fn run(&self) -> Run {
        let RerankArgs { source, model, shown, ranker: args, .. } = self.args;
        let ranker = Ranker { args, model, session: self.session };
        let is_asked = ranker.asks(ServiceKind::Judge) || ranker.asks(ServiceKind::Rerank);
        if model.service.dry_run && (is_asked || !args.stages.is_empty()) {
            return rehearsal::rehearse(&ranker, |by| self.rehearse(by));
        }
        if let Some(dry) = DryRun::of(model)? {
            return self.count(dry);
        }
        if let Some(index) = &source.index {
            return rerank_index::run(index, source, &self.reading(false), (&ranker, shown), &self.target);
        }
        if source.has_lists() {
            return batch::run(self.job()?, &self.args.job, &ranker);
        }
        self.rank_list(&ranker)
    }

    /// Returns the reading options. JSON answers also have the other fields of the input.
    fn reading(&self, extra: bool) -> ReadOptions {
        let extra = extra && matches!(self.target.format, Format::Json | Format::Jsonl);
        ReadOptions { extra, ..self.session.reading(&self.args.reading) }
    }

    fn queries(&self) -> Result<Vec<Query>, Failure> {
        let RerankArgs { source, reading, .. } = self.args;
        let file = source.query_file.as_deref();
        queries(source.query.as_deref(), file, reading.table.delimiter, self.target.format)
    }

    fn rows(&self, extra: bool) -> Result<Rows, Failure> {
        model::open_rows(std::slice::from_ref(&self.args.source.input), &self.reading(extra), self.session.talk)
    }

    /// Scores by a reranker that only counts its requests.
    fn rehearse(&self, reranker: &Reranker) -> Result<(), Failure> {
        match self.args.source.has_lists() {
            true => batch::rehearse(self.job()?, reranker, self.session.talk),
            false => rehearsal::score_rows(reranker, &self.queries()?, &mut self.rows(false)?),
        }
    }

    /// Counts what would be sent: queries, and the candidates unless an index has their vectors.
    fn count(&self, mut dry: DryRun) -> Run {
        let source = &self.args.source;
        if source.index.is_none() && source.has_lists() {
            batch::count(self.job()?, &mut dry, self.session.talk)?;
            return dry.print();
        }
        dry.queries(self.queries()?.iter().map(|query| query.text.as_str()));
        if source.index.is_none() {
            dry.rows(&mut self.rows(false)?)?;
        }
        dry.print()
    }

    /// Ranks one list, for one query or for several.
    fn rank_list(&self, ranker: &Ranker<'_>) -> Run {
        let counter = Counter::new(self.session.talk);
        let queries = self.queries()?;
        let mut rows = self.rows(true)?;
        let started = Instant::now();
        let reranker = ranker.load()?;
        let loaded = started.elapsed();
        let call = counter.call();
        let ranked = rank_rows(&mut rows, &reranker, &queries, &self.rows_options(), &counter, &call);
        counter.finish();
        let ranked = ranked?;
        let model = reranker.model_run();
        self.warn(&ranked, &rows, &reranker);
        let used = call.usage();
        judge::summarize(ranker.args, ranker.model, &used, self.session.talk);
        if self.session.talk == Talk::Verbose {
            let ModelRun { name, device, engine, precision, isa, .. } = &model;
            let (candidates, tokens) = (ranked.totals().documents, ranked.totals().tokens);
            let (loaded, all) = (loaded.as_secs_f64(), started.elapsed().as_secs_f64());
            say(format_args!(
                "{candidates} candidates, {tokens} tokens; model {name} on {device} ({engine}, {precision}, {isa}) loaded in {loaded:.3} s, everything in {all:.3} s"
            ));
        }
        let asked = judge::add_usage(ranker.args, ranker.model, &used, service::usage(self.session, &used));
        let answers = ranked.answers(&model, asked.as_ref());
        let mut out = self.target.open()?;
        answers.iter().try_for_each(|answer| out.write(answer))?;
        out.finish()?;
        warn_of_repeated(self.session.talk, self.target.format, &answers);
        Ok(Outcome::of(ranked.totals().results))
    }

    fn warn(&self, ranked: &RankedRows<'_>, rows: &Rows, reranker: &Reranker) {
        let talk = self.session.talk;
        warn_of_totals(talk, ranked.totals(), ranked.totals().documents, reranker.score_kind());
        warn_of_skipped(talk, rows.skipped(), rows.name(), rows.skip_reasons());
        if ranked.totals().documents == 0 {
            warn(talk, &Warning::NoCandidates { file: rows.name().to_owned() });
        }
    }

    fn rows_options(&self) -> RowsOptions {
        let RerankArgs { source, shown, ranker, .. } = self.args;
        RowsOptions {
            top_k: shown.top_k,
            min_score: shown.min_score,
            ignore_identical_ids: source.ignore_identical_ids,
            explain: ranker.explain,
            first_stage: match (&source.query, ranker.scoring.blend) {
                (None, _) => FirstStageUse::Ignored,
                (Some(_), None) => FirstStageUse::Taken,
                (Some(_), Some(_)) => FirstStageUse::Needed,
            },
            format: Some(self.target.format),
        }
    }

    /// Returns the options of a job over many lists.
    fn job(&self) -> Result<JobOptions, Failure> {
        let RerankArgs { source, shown, ranker, job, .. } = self.args;
        let input = match (&source.candidates, &source.query_file, &source.run) {
            (Some(lists), ..) => JobInput::Lists(lists.clone()),
            (None, Some(queries), Some(run)) => {
                JobInput::Run { queries: queries.clone(), run: run.clone(), corpus: source.corpus.clone() }
            }
            _ => return Err(Failure::Error("give --queries, --corpus and --run, or --candidates".into())),
        };
        let mut options = JobOptions::new(input);
        options.reading = self.reading(true);
        options.output.clone_from(&self.target.path);
        options.format = self.target.format;
        options.shape = self.target.shape;
        options.table = Some(answer_table);
        options.depth = source.depth;
        options.top_k = shown.top_k;
        options.min_score = shown.min_score;
        options.ignore_identical_ids = source.ignore_identical_ids;
        options.explain = ranker.explain;
        options.needs_first_stage = ranker.scoring.blend.is_some();
        options.restart = job.restart;
        options.shard = job.shard;
        Ok(options)
    }
}

/// Checks the arguments before a model is loaded.
fn check(args: &RerankArgs) -> Result<(), Failure> {
    let RerankArgs { source, job, shown, ranker, output, .. } = args;
    let wrong = |message: &str| Err(Failure::Error(message.into()));
    if let Some(path) = output {
        model::check_target(path, &source.inputs())?;
    }
    if shown.top_k == Some(0) {
        return wrong("--top-k must be at least 1");
    }
    if source.depth == Some(0) {
        return wrong("--depth must be at least 1");
    }
    if shown.min_score.is_some_and(f32::is_nan) {
        return wrong("--min-score is not a number; scores of embedding models lie in -1..1, probabilities in 0..1");
    }
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    let files = [&source.query_file, &source.run].into_iter().flatten();
    let rows = (!source.has_lists()).then_some(&source.input);
    let from_stdin = files.chain(rows).filter(|path| is_stdin(path)).count();
    if from_stdin + usize::from(source.corpus.iter().any(is_stdin)) > 1 {
        return wrong("only one input can come from standard input; give a FILE for the others");
    }
    if !source.has_lists() && (job.resume || job.restart || job.shard.is_some()) {
        return wrong("--resume, --restart and --shard are for jobs with --run or --candidates");
    }
    if job.shard.is_some() && output.is_none() {
        return wrong("--shard needs --output: `nearsort merge` joins the shards' files");
    }
    if job.shard.is_some() && source.candidates.as_ref().is_some_and(is_stdin) {
        return wrong("--shard reads its input twice, which standard input cannot be; give a file");
    }
    let blends = ranker.scoring.blend.is_some_and(|method| method != BlendMethod::None);
    if source.query_file.is_some() && source.run.is_none() && blends {
        return wrong(
            "a candidate's first-stage score belongs to one query, and a file of queries has many; give the lists with --run or --candidates",
        );
    }
    Ok(())
}

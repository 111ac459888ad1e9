//! `nearsort rerank` over many lists, each with its own query: a run with its corpus, or a file of lists.
//!
//! Lists are scored block by block ([`block`]), documents of a block slice by slice, each encoded once. With `--output` every slice is kept
//! in a journal ([`job`]), so that a job that was killed goes on where it was; scores do not depend on how often that happens, nor on
//! what is scored together, so the output is the same. Memory: the queries, a block's pairs and token vectors of its queries, a slice's texts.

mod block;
mod folder;
mod job;
mod manifest;
pub mod merge;
mod plan;
mod shard;
mod source;
mod totals;

use std::fs;
use std::path::{Path, PathBuf};

use nearsort::answer::{Answer, AnswerWriter, Format, ModelRun, Ranked, Shape, WorkDone, check_trec_id};
use nearsort::io::{CandidateRow, WholeFile};
use nearsort::scorer::list::order;
use nearsort::scorer::{ListOptions, OrderedList};
use nearsort::{Blend, Reranker};

use crate::args::{RerankArgs, Talk};
use crate::hints::{Warning, say, warn};
use crate::interrupt::on_interrupt;
use crate::output;
use crate::progress::{Counter, Summary};
use crate::service::DryRun;
use crate::{Failure, Outcome, Run, judge, rerank};
use block::{List, ListScores, Scoring};
use folder::JobFolder;
use job::Job;
use manifest::Manifest;
pub use plan::missing_message;
use shard::ShardNote;
use source::Source;
use totals::Totals;

/// Documents that a dry run reads at a time.
const COUNTED_AT_ONCE: usize = 1024;

pub fn run(args: &RerankArgs, talk: Talk, counter: &Counter) -> Run {
    let folder = Folder::open(args)?;
    let mut source = Source::open(args, folder.path(), talk)?;
    let reranker = rerank::load(args, talk, counter)?;
    let mut batch = Batch::begin(args, talk, counter, folder, &source, &reranker)?;
    batch.score_all(&mut source)?;
    counter.finish();
    let totals = batch.finish()?;
    totals.warn(talk, reranker.score_kind());
    source.warn_of_skipped(talk);
    judge::summarize(&reranker, talk);
    counter.summarize(&Summary {
        queries: totals.lists,
        pairs: totals.candidates,
        documents: totals.documents,
        tokens: totals.tokens,
        cache_hits: reranker.cache_counts().map_or(0, |counts| counts.hits),
    });
    if totals.lists == 0 {
        warn(talk, &Warning::NoCandidates { file: source.name().to_owned() });
    }
    Ok(if totals.results == 0 { Outcome::Nothing } else { Outcome::Done })
}

/// Counts what a job would send to a service.
pub fn count(args: &RerankArgs, dry: &mut DryRun, talk: Talk) -> Result<(), Failure> {
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| Failure::Error(format!("cannot create a temporary folder: {error}")))?;
    let mut source = Source::open(args, folder.path(), talk)?;
    while let Some(block) = source.next_block()? {
        dry.queries(block.lists.iter().map(|list| list.query.text.as_str()));
        for start in (0..block.documents.len()).step_by(COUNTED_AT_ONCE) {
            let end = block.documents.len().min(start + COUNTED_AT_ONCE);
            let rows = (start..end).map(|at| Ok(block.documents.row(at)?.into_owned()));
            dry.documents(&rows.collect::<Result<Vec<_>, Failure>>()?);
        }
    }
    Ok(())
}

/// Scores a job by a reranker that only counts what it is asked.
pub fn rehearse(args: &RerankArgs, reranker: &Reranker, talk: Talk) -> Result<(), Failure> {
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| Failure::Error(format!("cannot create a temporary folder: {error}")))?;
    let mut source = Source::open(args, folder.path(), talk)?;
    while let Some(block) = source.next_block()? {
        let mut scoring = Scoring::new(block, reranker.needs_whole_lists());
        while let Some(slice) = scoring.next_slice(reranker)? {
            scoring.push(slice)?;
        }
    }
    Ok(())
}

/// Where the job keeps what it needs on disk.
enum Folder {
    Job(JobFolder),
    /// Nothing can go on: the output is not a file, or an input can be read only once.
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn open(args: &RerankArgs) -> Result<Self, Failure> {
        let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
        let inputs = [&args.query_file, &args.run, &args.candidates].into_iter().flatten().chain(&args.corpus);
        let reads_stdin = inputs.into_iter().any(is_stdin);
        match &args.output {
            Some(output) if !reads_stdin => {
                WholeFile::check_target(output)?;
                Ok(Self::Job(JobFolder::open(output, args.restart)?))
            }
            _ if args.resume || args.restart => Err(Failure::Error(
                "only a job with --output, and without an input from standard input, can be resumed".into(),
            )),
            _ => {
                let folder = tempfile::tempdir();
                let folder =
                    folder.map_err(|error| Failure::Error(format!("cannot create a temporary folder: {error}")))?;
                let path = folder.path().to_owned();
                // Nothing can be done about a folder that cannot be removed while leaving.
                on_interrupt(move || drop(fs::remove_dir_all(path)));
                Ok(Self::Temporary(folder))
            }
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Job(folder) => folder.path(),
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// Whether the answers are a run in TREC's format, whose ids have no white space.
fn is_trec(args: &RerankArgs) -> Result<bool, Failure> {
    Ok(output::format(args)? == Format::Trec)
}

/// Says that ids of a list do not fit into a TREC run, before minutes are spent on scoring them.
fn check_ids(list: &CandidateRow, file: &str) -> Result<(), Failure> {
    rerank::check_query_id(&list.query, file)?;
    Ok(list.candidates.iter().try_for_each(|row| check_trec_id(row, file))?)
}

/// Lists being scored.
struct Batch<'a> {
    args: &'a RerankArgs,
    counter: &'a Counter,
    reranker: &'a Reranker,
    model: ModelRun,
    job: Option<(Job, Manifest)>,
    /// Removed when all is done.
    _temporary: Option<tempfile::TempDir>,
    answers: AnswerWriter,
    totals: Totals,
}

impl<'a> Batch<'a> {
    fn begin(
        args: &'a RerankArgs,
        talk: Talk,
        counter: &'a Counter,
        folder: Folder,
        source: &Source,
        reranker: &'a Reranker,
    ) -> Result<Self, Failure> {
        let (job, temporary) = match folder {
            Folder::Job(folder) => {
                let manifest = Manifest::of(args, source, reranker)?;
                (Some((Job::begin(folder, &manifest, output::format(args)?)?, manifest)), None)
            }
            Folder::Temporary(folder) => (None, Some(folder)),
        };
        let mut totals = Totals::default();
        let answers = match &job {
            Some((job, _)) => {
                totals = job.progress().totals.clone();
                if job.is_resumed() && talk > Talk::Quiet {
                    let done = totals.lists;
                    let of = source.num_lists().map_or(String::new(), |lists| format!(" of {lists}"));
                    say(format_args!("going on with an interrupted job: {done}{of} queries are answered"));
                }
                let shape = Shape { with_query: true, ..output::shape(args) };
                let format = output::format(args)?;
                output::draws_tables(AnswerWriter::resume(job.answers()?, job.output(), format, shape, totals.lists))
            }
            None => output::open_for(args)?,
        };
        totals.max_tokens = reranker.model().map_or(0, |model| model.max_tokens);
        let model = reranker.model_run();
        Ok(Self { args, counter, reranker, model, job, _temporary: temporary, answers, totals })
    }

    fn score_all(&mut self, source: &mut Source) -> Result<(), Failure> {
        self.counter.expect_lists(source.num_lists());
        let done = self.job.as_ref().map_or(0, |(job, _)| job.progress().blocks);
        if self.reranker.blend() != Blend::None {
            source.need_scores();
        }
        for _ in 0..done {
            source.next_block()?;
        }
        if let Source::Run(plan) = source {
            self.counter.expect(plan.count_documents()?, true);
        }
        while let Some(block) = source.next_block()? {
            if matches!(source, Source::Lists(_)) {
                self.counter.expect(block.documents.len(), false);
            }
            self.score_block(Scoring::new(block, self.reranker.needs_whole_lists()))?;
        }
        Ok(())
    }

    fn score_block(&mut self, mut scoring: Scoring) -> Result<(), Failure> {
        if let Some((job, _)) = &mut self.job {
            job.take_slices().into_iter().try_for_each(|slice| scoring.push(slice))?;
            self.counter.skip(scoring.num_done());
        }
        while let Some(slice) = scoring.next_slice(self.reranker)? {
            if let Some((job, _)) = &mut self.job {
                job.keep(&slice)?;
            }
            self.counter.add_tokens(slice.tokens);
            self.counter.set_cache_hits(self.reranker.cache_counts().map_or(0, |counts| counts.hits));
            scoring.push(slice)?;
        }
        self.totals.documents += scoring.block.documents.len();
        self.totals.tokens += scoring.num_tokens();
        for (list, scores) in scoring.block.lists.iter().zip(scoring.scores()) {
            self.write(&scoring, list, &scores)?;
        }
        if let Some((job, _)) = &mut self.job {
            job.advance(self.answers.sync()?, &self.totals)?;
        }
        self.counter.done_lists(scoring.block.lists.len());
        Ok(())
    }

    fn write(&mut self, scoring: &Scoring, list: &List, scores: &ListScores) -> Result<(), Failure> {
        let documents = &scoring.block.documents;
        self.check_first_stage(list)?;
        let options = ListOptions::new(self.reranker.blend()).top_k(self.args.top_k).min_score(self.args.min_score);
        let OrderedList { hits, is_blended } = match order(&scores.pairs, &list.first_stage, &options) {
            Err(nearsort::Error::NotANumber { index }) => {
                let row = documents.row(list.documents[index])?;
                let error = nearsort::Error::NotANumber { index };
                return Err(Failure::Error(format!(
                    "{error}: query '{}', id '{}', line {}; {}",
                    list.query.id,
                    row.id,
                    row.line,
                    rerank::CHECK_MODEL
                )));
            }
            ordered => ordered?,
        };
        let rows = hits.iter().map(|hit| documents.row(list.documents[hit.index])).collect::<Result<Vec<_>, _>>()?;
        let ranked = hits.into_iter().zip(&rows).map(|(hit, row)| Ranked {
            hit,
            id: row.id.as_str().into(),
            row: Some(row),
            pair: scores.pairs[hit.index].clone(),
            first_stage: list.first_stage[hit.index],
            explanation: None,
        });
        let mut results: Vec<Ranked<'_>> = ranked.collect();
        rerank::explain_results(&mut results, &list.query, self.reranker, self.args)?;
        for (pair, &document) in scores.pairs.iter().zip(&list.documents).filter(|(pair, _)| !pair.is_scored()) {
            self.totals.note_left_out(pair, || Ok(documents.row(document)?.id.clone()))?;
        }
        self.totals.add_list(list, scores, results.len(), is_blended);
        let work = WorkDone {
            tokens: scores.document_tokens + u64::from(scores.reading.tokens),
            truncated: scores.pairs.iter().filter(|pair| pair.truncated).count(),
            service: None,
        };
        let answer = Answer {
            query: &list.query,
            model: &self.model,
            index: None,
            blend: is_blended.then(|| self.reranker.blend()),
            reading: scores.reading,
            work: Some(work),
            results,
        };
        if is_trec(self.args)? {
            self.totals.note_repeated(&answer);
        }
        Ok(self.answers.write(&answer)?)
    }

    /// Whoever asks for a blend means it to be made.
    fn check_first_stage(&self, list: &List) -> Result<(), Failure> {
        let is_asked = self.args.scoring.blend.is_some() && self.reranker.blend() != Blend::None;
        if is_asked && !list.documents.is_empty() && list.first_stage.iter().all(Option::is_none) {
            return Err(Failure::Error(format!(
                "--blend needs the first stage's scores, and no candidate of the query '{}' has a field 'score'; name the field with --score-field",
                list.query.id
            )));
        }
        Ok(())
    }

    /// Ends the output; a file appears under its name.
    fn finish(mut self) -> Result<Totals, Failure> {
        let Some((mut job, manifest)) = self.job else {
            self.answers.finish()?;
            return Ok(self.totals);
        };
        if !job.progress().is_finished {
            self.answers.end()?;
            job.finish(self.answers.sync()?)?;
        }
        let format = output::format(self.args)?;
        job.publish(!self.args.no_text)?;
        if let Some(shard) = self.args.shard {
            ShardNote::write(job.output(), shard, format, manifest)?;
        }
        job.end();
        Ok(self.totals)
    }
}

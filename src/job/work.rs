//! The scoring and answering of lists.

use super::block::{BlockScoring, JobList, ListScores, max_pairs};
use super::checkpoint::Checkpoint;
use super::manifest::JobManifest;
use super::observer::{Notice, Observer};
use super::options::JobOptions;
use super::shard_note::ShardNote;
use super::source::JobSource;
use super::totals::Totals;
use super::workplace::Workplace;
use crate::answer::{AnswerWriter, Format, ModelRun, Ranked, RankedQuery, WorkDone};
use crate::blend::Blend;
use crate::call::Call;
use crate::io::Row;
use crate::reranker::Reranker;
use crate::scorer::{OrderedList, Scored, list};
use crate::{Error, Result};

pub(super) struct JobWork<'a> {
    options: &'a JobOptions,
    observer: &'a dyn Observer,
    call: &'a Call<'a>,
    reranker: &'a Reranker,
    model: ModelRun,
    kept: Option<(Checkpoint, JobManifest)>,
    /// The temporary folder, removed at the end.
    _temporary: Option<tempfile::TempDir>,
    answers: AnswerWriter,
    totals: Totals,
}

impl<'a> JobWork<'a> {
    pub fn begin(
        options: &'a JobOptions,
        (observer, call): (&'a dyn Observer, &'a Call<'a>),
        workplace: Workplace,
        source: &JobSource,
        reranker: &'a Reranker,
        out: impl FnOnce(&JobOptions) -> Result<AnswerWriter>,
    ) -> Result<Self> {
        let (kept, temporary) = match workplace {
            Workplace::Job(folder) => {
                let manifest = JobManifest::of(options, source, reranker)?;
                (Some((Checkpoint::begin(folder, &manifest, options.format)?, manifest)), None)
            }
            Workplace::Temporary(folder) => (None, Some(folder)),
        };
        let mut totals = Totals::default();
        let answers = match &kept {
            Some((kept, _)) => {
                totals = kept.progress().totals.clone();
                if kept.is_resumed() {
                    observer.notice(&Notice::Resumed { lists: totals.lists, of: source.num_lists() });
                }
                AnswerWriter::resume(kept.answers()?, kept.output(), options.format, options.shape, totals.lists)
            }
            None => out(options)?,
        };
        let answers = match options.table {
            Some(table) => answers.table(table),
            None => answers,
        };
        totals.max_tokens = reranker.model().map_or(0, |model| model.max_tokens);
        let model = reranker.model_run();
        Ok(Self { options, observer, call, reranker, model, kept, _temporary: temporary, answers, totals })
    }

    pub fn score_all(&mut self, source: &mut JobSource) -> Result<()> {
        self.observer.expect_lists(source.num_lists());
        let done = self.kept.as_ref().map_or(0, |(kept, _)| kept.progress().blocks);
        if self.reranker.blend() != Blend::None {
            source.need_scores();
        }
        source.bound_pairs(max_pairs(self.reranker.vector_dim()));
        for _ in 0..done {
            source.next_block()?;
        }
        if let JobSource::Run(plan) = source {
            self.observer.expect(plan.count_documents()?, true);
        }
        while let Some(block) = source.next_block()? {
            self.call.check()?;
            if matches!(source, JobSource::Lists(_)) {
                self.observer.expect(block.documents.len(), false);
            }
            self.score_block(BlockScoring::new(block, self.reranker))?;
        }
        Ok(())
    }

    fn score_block(&mut self, mut scoring: BlockScoring) -> Result<()> {
        if let Some((kept, _)) = &mut self.kept {
            kept.take_slices().into_iter().try_for_each(|slice| scoring.push(slice))?;
            self.observer.skip(scoring.num_done());
        }
        while let Some(slice) = scoring.next_slice(self.reranker, self.call)? {
            if let Some((kept, _)) = &mut self.kept {
                kept.keep(&slice)?;
            }
            self.observer.encoded(slice.tokens, self.call.usage().cached);
            scoring.push(slice)?;
        }
        self.totals.documents += scoring.block.documents.len();
        self.totals.tokens += scoring.num_tokens();
        for (list, scores) in scoring.block.lists.iter().zip(scoring.scores()) {
            self.write(&scoring, list, &scores)?;
        }
        if let Some((kept, _)) = &mut self.kept {
            kept.advance(self.answers.sync()?, &self.totals)?;
        }
        self.observer.answered(scoring.block.lists.len());
        Ok(())
    }

    fn write(&mut self, scoring: &BlockScoring, list: &JobList, scores: &ListScores) -> Result<()> {
        let documents = &scoring.block.documents;
        let OrderedList { hits, is_blended, feedback } = self.order(list, scores).map_err(|error| match error {
            Error::NotANumber { index } => match documents.row(list.documents[index]) {
                Ok(row) => at_pair(Error::NotANumber { index }, list, &row),
                Err(error) => error,
            },
            error => error,
        })?;
        let rows = hits.iter().map(|hit| documents.row(list.documents[hit.index])).collect::<Result<Vec<_>>>()?;
        let ranked = hits.into_iter().zip(&rows).map(|(hit, row)| Ranked {
            hit,
            id: row.id.as_str().into(),
            row: Some(row),
            pair: Scored { vector: None, ..scores.pairs[hit.index].clone() },
            first_stage: list.first_stage[hit.index],
            explanation: None,
        });
        let mut results: Vec<Ranked<'_>> = ranked.collect();
        if self.options.explain {
            for ranked in &mut results {
                self.call.check()?;
                ranked.explanation = self.reranker.explain(&list.query.text, &ranked.passage())?;
            }
        }
        for (pair, &document) in scores.pairs.iter().zip(&list.documents).filter(|(pair, _)| !pair.is_scored()) {
            self.totals.note_left_out(pair, || Ok(documents.row(document)?.id.clone()))?;
        }
        self.totals.add_list(list, scores, results.len(), is_blended);
        let work = WorkDone {
            tokens: scores.document_tokens + u64::from(scores.reading.tokens),
            truncated: scores.pairs.iter().filter(|pair| pair.truncated).count(),
            service: None,
        };
        let answer = RankedQuery {
            query: &list.query,
            model: &self.model,
            index: None,
            blend: is_blended.then(|| self.reranker.blend()),
            feedback,
            reading: scores.reading,
            work: Some(work),
            results,
        };
        if self.options.format == Format::Trec {
            self.totals.note_repeated(&answer);
        }
        self.answers.write(&answer)
    }

    fn order(&self, list: &JobList, scores: &ListScores) -> Result<OrderedList> {
        let blend = self.reranker.blend();
        let is_asked = self.options.needs_first_stage && blend != Blend::None;
        if is_asked && !list.documents.is_empty() && list.first_stage.iter().all(Option::is_none) {
            return Err(Error::NoFirstStage { query: list.query.id.clone() });
        }
        let options = self.reranker.list_options().top_k(self.options.top_k).min_score(self.options.min_score);
        list::order(&scores.pairs, &list.first_stage, &options)
    }

    /// Ends the output. A file then appears under its name.
    pub fn finish(mut self) -> Result<Totals> {
        let Some((mut kept, manifest)) = self.kept else {
            self.answers.finish()?;
            return Ok(self.totals);
        };
        if !kept.progress().is_finished {
            self.answers.end()?;
            kept.finish(self.answers.sync()?)?;
        }
        kept.publish(self.options.shape.with_text)?;
        if let Some(shard) = self.options.shard {
            ShardNote::write(kept.output(), shard, self.options.format, manifest)?;
        }
        kept.end();
        Ok(self.totals)
    }
}

fn at_pair(error: Error, list: &JobList, row: &Row) -> Error {
    Error::at(error, format!("query '{}', id '{}', line {}", list.query.id, row.id, row.line))
}

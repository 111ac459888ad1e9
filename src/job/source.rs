//! The source of blocks: a run with its queries and its corpus, or a file of lists.

use std::path::Path;

use super::block::{Block, Documents, JobList, MAX_LISTS, SLICE_DOCUMENTS};
use super::observer::{Notice, Observer};
use super::options::{JobInput, JobOptions};
use super::plan::JobPlan;
use crate::Result;
use crate::answer::{Format, check_trec_id, check_trec_query};
use crate::io::{BadRows, CHUNK_BYTES, CandidateRow, CandidateRows, InputFormat, ReadOptions, Row, Rows};

pub enum JobSource {
    Run(Box<JobPlan>),
    Lists(Box<Lists>),
}

impl JobSource {
    /// Reads enough of the inputs to check them. `folder`: for temporary files.
    pub fn open(options: &JobOptions, folder: &Path, observer: &dyn Observer) -> Result<Self> {
        match &options.input {
            JobInput::Lists(lists) => Ok(Self::Lists(Box::new(Lists::open(lists, options)?))),
            JobInput::Run { queries, run, corpus } => {
                Ok(Self::Run(Box::new(JobPlan::make((queries, run, corpus), options, folder, observer)?)))
            }
        }
    }

    /// Returns the next block; `None` at the end.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        match self {
            Self::Run(plan) => plan.next_block(),
            Self::Lists(lists) => lists.next_block(),
        }
    }

    /// From now on first-stage scores are used: in a file of lists, a candidate whose score is not
    /// a number is bad.
    pub fn need_scores(&mut self) {
        if let Self::Lists(lists) = self {
            lists.need_scores();
        }
    }

    /// From now on a block has at most `max_pairs` pairs, unless one list has more. Blocks of a
    /// file of lists are always smaller.
    pub fn bound_pairs(&mut self, max_pairs: usize) {
        if let Self::Run(plan) = self {
            plan.bound_pairs(max_pairs);
        }
    }

    /// Returns the number of all lists, if known.
    pub fn num_lists(&self) -> Option<usize> {
        match self {
            Self::Run(plan) => Some(plan.num_lists()),
            Self::Lists(lists) => lists.expected.map(|expected| expected as usize),
        }
    }

    /// Reports the skipped rows of a file of lists. For a run, the plan has already reported them.
    pub fn tell_skipped(&self, observer: &dyn Observer) {
        if let Self::Lists(lists) = self {
            let rows = &lists.rows;
            observer.notice(&Notice::Skipped { rows: rows.skipped(), file: rows.name(), reasons: rows.skip_reasons() });
        }
    }

    /// Returns the name of the input to show when there is nothing to rank.
    pub fn name(&self) -> &str {
        match self {
            Self::Run(plan) => plan.name(),
            Self::Lists(lists) => lists.rows.name(),
        }
    }
}

/// A file of lists, read as they are scored.
pub struct Lists {
    rows: CandidateRows,
    depth: Option<usize>,
    check_ids: bool,
    ignore_identical_ids: bool,
    /// The number of lists that are still to come; `None`: all of the file.
    left: Option<u64>,
    expected: Option<u64>,
    /// Lists that were read before the model was loaded, when it was unknown whether scores are
    /// needed.
    first: Vec<CandidateRow>,
    needs_scores: bool,
}

impl Lists {
    fn open(path: &Path, options: &JobOptions) -> Result<Self> {
        let range = match &options.shard {
            Some(shard) => Some(shard.range(count_lists(path, options.leaves_out())?)),
            None => None,
        };
        let mut lists = Self {
            rows: CandidateRows::open(path, &options.reading)?,
            depth: options.depth,
            check_ids: options.format == Format::Trec,
            ignore_identical_ids: options.ignore_identical_ids,
            left: range.as_ref().map(|range| range.end - range.start),
            expected: range.as_ref().map(|range| range.end - range.start),
            first: Vec::new(),
            needs_scores: false,
        };
        if options.depth.is_some() {
            lists.need_scores();
        }
        for _ in 0..range.map_or(0, |range| range.start) {
            lists.rows.next().transpose()?;
        }
        // A broken file must be reported before a model is loaded.
        lists.first = lists.read_lists()?;
        Ok(lists)
    }

    /// From now on a candidate whose score is not a number is bad.
    fn need_scores(&mut self) {
        self.needs_scores = true;
        self.rows.need_scores();
    }

    fn next_block(&mut self) -> Result<Option<Block>> {
        let lists = match std::mem::take(&mut self.first) {
            first if first.is_empty() => self.read_lists()?,
            first if self.needs_scores => {
                first.into_iter().map(|list| self.rows.check_scores(list)).collect::<Result<Vec<_>>>()?
            }
            first => first,
        };
        Ok((!lists.is_empty()).then(|| self.block_of(lists)))
    }

    /// Reads lists until they have as many candidates as the largest slice, or too many bytes; none
    /// at the end.
    fn read_lists(&mut self) -> Result<Vec<CandidateRow>> {
        let (mut lists, mut documents, mut bytes) = (Vec::new(), 0, 0);
        while lists.len() < MAX_LISTS
            && documents < *SLICE_DOCUMENTS.end()
            && bytes < CHUNK_BYTES
            && self.left != Some(0)
        {
            let Some(mut row) = self.rows.next().transpose()? else { break };
            self.left = self.left.map(|left| left - 1);
            if self.check_ids {
                check_ids(&row, self.rows.name())?;
            }
            row.candidates.retain(|candidate| !self.ignore_identical_ids || candidate.id != row.query.id);
            documents += row.candidates.len().min(self.depth.unwrap_or(usize::MAX));
            bytes += row.candidates.iter().map(Row::num_bytes).sum::<usize>();
            lists.push(row);
        }
        Ok(lists)
    }

    fn block_of(&self, rows: Vec<CandidateRow>) -> Block {
        let (mut lists, mut documents) = (Vec::new(), Vec::new());
        for row in rows {
            let candidates = in_first_stage_order(row.candidates, self.depth);
            lists.push(JobList {
                query: row.query,
                documents: (documents.len()..).take(candidates.len()).collect(),
                first_stage: candidates.iter().map(|candidate| candidate.first_stage_score).collect(),
            });
            documents.extend(candidates);
        }
        Block { lists, documents: Documents::Rows(documents) }
    }
}

/// Refuses ids of a list that a TREC run does not allow, before minutes are spent on scoring them.
fn check_ids(list: &CandidateRow, file: &str) -> Result<()> {
    check_trec_query(&list.query, file)?;
    list.candidates.iter().try_for_each(|row| check_trec_id(row, file))
}

/// Sorts candidates by the first stage if all have scores (stable), and cuts them to `depth`.
fn in_first_stage_order(mut candidates: Vec<Row>, depth: Option<usize>) -> Vec<Row> {
    if candidates.iter().all(|candidate| candidate.first_stage_score.is_some()) {
        let score = |candidate: &Row| candidate.first_stage_score.unwrap_or(f64::NEG_INFINITY);
        candidates.sort_by(|a, b| score(b).total_cmp(&score(a)));
    }
    candidates.truncate(depth.unwrap_or(usize::MAX));
    candidates
}

/// Counts the lines that are not blank, including bad lists.
fn count_lists(path: &Path, leaves_out: bool) -> Result<u64> {
    let bad_rows = if leaves_out { BadRows::Skip } else { BadRows::Fail };
    let lines = Rows::open(path, &ReadOptions { format: Some(InputFormat::Text), bad_rows, ..ReadOptions::default() })?;
    let mut count = 0;
    for line in lines {
        count += u64::from(!line?.text.trim().is_empty());
    }
    Ok(count)
}

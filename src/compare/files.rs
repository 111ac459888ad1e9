//! Runs, grades and judgements in files.

use std::collections::HashSet;
use std::path::PathBuf;

use super::judgements::Judgements;
use super::runs::read_run;
use crate::Result;
use crate::eval::draw;
use crate::io::{Qrels, Run};

/// The files of a comparison, in any format that [`RunFile`](crate::io::RunFile) reads. Models are
/// not part of it.
#[derive(Debug, Clone, Default)]
pub struct CompareFiles {
    /// The first stage's run, which models rerank and grades order.
    pub first_stage: Option<PathBuf>,
    /// Existing runs.
    pub runs: Vec<PathBuf>,
    /// Grades of the first stage's candidates, as qrels.
    pub grades: Vec<PathBuf>,
    /// Judgements by people, as qrels.
    pub qrels: Option<PathBuf>,
    /// Judgements by a model, used in place of `qrels`.
    pub judge_as_qrels: Option<PathBuf>,
    /// Leaves out documents whose id is the id of their query, as BEIR does for ArguAna and Quora.
    pub ignore_identical_ids: bool,
}

/// The content of [`CompareFiles`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Collection {
    /// The first stage's run, which models rerank and grades order.
    pub first_stage: Option<Run>,
    /// Existing runs.
    pub runs: Vec<Run>,
    /// Grades of the first stage's candidates.
    pub grades: Vec<Qrels>,
    /// The judgements that quality is measured by.
    pub judgements: Option<Judgements>,
    /// Notes on queries that were left out.
    pub notes: Vec<String>,
}

impl CompareFiles {
    /// Reads all files into memory.
    ///
    /// # Errors
    /// Those of [`RunFile`](crate::io::RunFile) and [`Qrels::read`];
    /// [`Error::BadInput`](crate::Error::BadInput) for a run without results.
    pub fn read(&self) -> Result<Collection> {
        let run = |path: &PathBuf| read_run(path, self.ignore_identical_ids);
        Ok(Collection {
            first_stage: self.first_stage.as_ref().map(run).transpose()?,
            runs: self.runs.iter().map(run).collect::<Result<_>>()?,
            grades: self.grades.iter().map(Qrels::read).collect::<Result<_>>()?,
            judgements: match (&self.qrels, &self.judge_as_qrels) {
                (Some(path), _) => Some(Judgements::read(path)?),
                (_, Some(path)) => Some(Judgements::read_model(path)?),
                _ => None,
            },
            notes: Vec::new(),
        })
    }
}

impl Collection {
    /// Keeps `number` of the first system's queries, and drops the others. If some of them are
    /// judged, only judged ones are drawn. The draw depends on the ids and the seed.
    ///
    /// # Errors
    /// None for a collection that [`CompareFiles::read`] returned.
    pub fn sample(&mut self, number: usize, seed: u64) -> Result<()> {
        let first = self.first_stage.as_ref().or(self.runs.first());
        let ids: Vec<String> = first.into_iter().flat_map(Run::query_ids).map(str::to_owned).collect();
        let is_judged = |id: &String| self.judgements.as_ref().is_some_and(|judged| judged.qrels.grades(id).is_some());
        let any_judged = ids.iter().any(is_judged);
        let pool: Vec<usize> = (0..ids.len()).filter(|&at| !any_judged || is_judged(&ids[at])).collect();
        let drawn = draw(&pool, number, seed, |at| &ids[at]);
        if drawn.len() == ids.len() {
            return Ok(());
        }
        self.notes.push(format!("a sample of {} of {} queries, drawn with seed {seed}", drawn.len(), ids.len()));
        let kept: HashSet<&str> = drawn.iter().map(|&at| ids[at].as_str()).collect();
        self.first_stage.iter_mut().chain(&mut self.runs).for_each(|run| *run = only(run, &kept));
        if let Some(judged) = &mut self.judgements {
            let all = judged.qrels.iter().filter(|(query, _)| kept.contains(query));
            let all = all.flat_map(|(query, grades)| grades.iter().map(move |(id, grade)| (query, id, grade)));
            judged.qrels = Qrels::from_judgements(all)?;
        }
        Ok(())
    }
}

/// Returns the results of the queries in `kept`.
fn only(run: &Run, kept: &HashSet<&str>) -> Run {
    let mut some = Run::default();
    for (query, documents) in run.iter().filter(|(query, _)| kept.contains(query)) {
        documents.iter().for_each(|document| some.push(query, document.id, document.score));
    }
    some
}

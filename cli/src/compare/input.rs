//! What is read: runs, grades, judgements, and texts by id.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use nearsort::io::{Corpus, Qrels, Query, Row, Run, RunFile, expand_paths, read_delimited_queries};
use tempfile::TempDir;

use crate::args::{CompareArgs, ReadingArgs, Talk};
use crate::hints::warn_of_skipped;
use crate::sample::draw;
use crate::{Failure, model};

/// Everything that was read.
pub struct Input {
    pub first_stage: Option<Run>,
    pub runs: Vec<Run>,
    pub grades: Vec<Qrels>,
    pub judgements: Option<Judgements>,
    /// What was left out.
    pub notes: Vec<String>,
}

/// Judgements, and whose they are.
pub struct Judgements {
    pub qrels: Qrels,
    pub file: String,
    /// A model's in the place of people's.
    pub by_model: bool,
}

impl Judgements {
    /// Whose they are, for every place that shows a number that rests on them.
    pub fn label(&self) -> String {
        match self.by_model {
            true => format!("judged by a model, not by people: {}", self.file),
            false => format!("judged by people: {}", self.file),
        }
    }
}

impl Input {
    pub fn read(args: &CompareArgs) -> Result<Self, Failure> {
        let read_all = |paths: &[PathBuf]| {
            paths.iter().map(|path| read_run(path, args.ignore_identical_ids)).collect::<Result<Vec<_>, _>>()
        };
        let mut input = Self {
            first_stage: args.run.as_deref().map(|path| read_run(path, args.ignore_identical_ids)).transpose()?,
            runs: read_all(&args.runs)?,
            grades: args.grades.iter().map(|path| Ok(Qrels::read(path)?)).collect::<Result<_, Failure>>()?,
            judgements: judgements(args)?,
            notes: Vec::new(),
        };
        if let Some(number) = args.sample {
            input.sample(number as usize, args.seed)?;
        }
        Ok(input)
    }

    /// Some of the first system's queries, judged ones where there are some; whether one is drawn depends on its id and the seed.
    fn sample(&mut self, number: usize, seed: u64) -> Result<(), Failure> {
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

/// The results of some queries.
fn only(run: &Run, kept: &HashSet<&str>) -> Run {
    let mut some = Run::default();
    for (query, documents) in run.iter().filter(|(query, _)| kept.contains(query)) {
        documents.iter().for_each(|document| some.push(query, document.id, document.score));
    }
    some
}

/// A run, checked line by line.
fn read_run(path: &Path, ignore_identical_ids: bool) -> Result<Run, Failure> {
    let mut run = Run::default();
    RunFile::open(path)?.ignore_identical_ids(ignore_identical_ids).for_each_query(|results| {
        results.documents().iter().for_each(|document| run.push(results.query_id(), document.id, document.score));
        Ok(())
    })?;
    match run.num_queries() {
        0 => Err(Failure::Error(format!("{}: the run is empty", path.display()))),
        _ => Ok(run),
    }
}

fn judgements(args: &CompareArgs) -> Result<Option<Judgements>, Failure> {
    let (path, by_model) = match (&args.qrels, &args.judge_as_qrels) {
        (Some(path), _) => (path, false),
        (_, Some(path)) => (path, true),
        _ => return Ok(None),
    };
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    let is_run =
        by_model && extension.is_some_and(|e| ["trec", "run", "jsonl", "ndjson"].iter().any(|name| e == *name));
    let qrels = if is_run { grades_of_run(path)? } else { Qrels::read(path)? };
    Ok(Some(Judgements { qrels, file: path.display().to_string(), by_model }))
}

/// The scores of a judge's run as grades.
fn grades_of_run(path: &Path) -> Result<Qrels, Failure> {
    let run = read_run(path, false)?;
    let all: Vec<(&str, _)> =
        run.iter().flat_map(|(query, documents)| documents.into_iter().map(move |found| (query, found))).collect();
    let is_grade = |score: f64| score.fract() == 0.0 && score.abs() <= f64::from(i32::MAX);
    if let Some((query, found)) = all.iter().find(|(_, found)| !is_grade(found.score)) {
        return Err(Failure::Error(format!(
            "{}: the score {} of '{}' for the query '{query}' is no grade: --judge-as-qrels needs whole numbers, such as a judge's 0 to 10",
            path.display(),
            found.score,
            found.id
        )));
    }
    Ok(Qrels::from_judgements(all.iter().map(|(query, found)| (*query, found.id, found.score as i32)))?)
}

/// Queries and documents by id, where the files are given.
pub struct Texts {
    queries: HashMap<String, Query>,
    corpus: Option<(Corpus, TempDir)>,
}

impl Texts {
    pub fn open(args: &CompareArgs, reading: &ReadingArgs, talk: Talk) -> Result<Self, Failure> {
        let queries = args
            .queries
            .as_ref()
            .map(|path| read_delimited_queries(path, reading.table.delimiter))
            .transpose()?
            .unwrap_or_default();
        let queries = queries.into_iter().map(|query| (query.id.clone(), query)).collect();
        if args.corpus.is_empty() {
            return Ok(Self { queries, corpus: None });
        }
        let folder = tempfile::tempdir();
        let folder = folder.map_err(|error| Failure::Error(format!("cannot create a temporary folder: {error}")))?;
        let corpus = Corpus::open(&expand_paths(&args.corpus)?, &model::reading(reading), folder.path())?;
        warn_of_skipped(talk, corpus.skipped(), corpus.name(), corpus.skip_reasons());
        Ok(Self { queries, corpus: Some((corpus, folder)) })
    }

    pub fn query(&self, id: &str) -> Option<&Query> {
        self.queries.get(id)
    }

    /// The row of this id; `None` where there is none, or no corpus.
    pub fn document(&self, id: &str) -> Result<Option<Row>, Failure> {
        let Some((corpus, _)) = &self.corpus else { return Ok(None) };
        Ok(corpus.find(id)?.map(|(_, row)| row))
    }

    pub fn corpus_name(&self) -> &str {
        self.corpus.as_ref().map_or("", |(corpus, _)| corpus.name())
    }
}

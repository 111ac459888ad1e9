//! Reads the material. Files that do not fit together give a note; if nothing is left, it is an
//! error.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::material::{AskedQuery, Found, Material, Passage};
use crate::eval::draw;
use crate::io::{Corpus, Qrels, Query, ReadOptions, Run, RunFile, expand_paths, read_delimited_queries};
use crate::job::{Notice, Observer, missing_message};
use crate::{Error, Result};

/// The files of a diagnosis, and the options for reading them.
#[derive(Debug, Clone, Default)]
pub struct DiagnoseFiles {
    /// A file of queries.
    pub queries: PathBuf,
    /// The first stage's run, in any format that [`RunFile`] reads.
    pub run: PathBuf,
    /// Files of documents, or patterns such as `parts/*.parquet`.
    pub corpus: Vec<PathBuf>,
    /// Judgements.
    pub qrels: Option<PathBuf>,
    /// The options for reading texts.
    pub reading: ReadOptions,
    /// Leaves out documents whose id is the id of their query, as BEIR does for ArguAna and Quora.
    pub ignore_identical_ids: bool,
    /// Number of queries to draw, judged ones if there are some; `None`: all.
    pub sample: Option<usize>,
    /// The seed of the draw.
    pub seed: u64,
}

/// A document of the run: id, score, rank.
type RunCandidate<'a> = (&'a str, f64, u64);

/// A query with its documents in the run.
type Candidates<'a> = (Query, Vec<RunCandidate<'a>>);

impl DiagnoseFiles {
    /// Reads the run, and its queries and documents, into memory.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a run without results; [`Error::MissingTexts`] if none of its
    /// queries or none of its documents exists; errors of reading the files.
    pub fn read(&self, observer: &dyn Observer) -> Result<Material> {
        self.read_with(self.qrels.as_ref().map(Qrels::read).transpose()?, observer)
    }

    /// As [`DiagnoseFiles::read`], with judgements that were read already, in place of the file's.
    ///
    /// # Errors
    /// As [`DiagnoseFiles::read`].
    pub fn read_with(&self, qrels: Option<Qrels>, observer: &dyn Observer) -> Result<Material> {
        let file = RunFile::open(&self.run)?;
        // This pass finds errors of the run, such as repeated documents.
        file.map_queries(|_| ())?;
        let run = file.read_ranked()?;
        let mut notes = Vec::new();
        let all = self.candidates(&run, file.states_ranks(), &mut notes)?;
        if all.is_empty() {
            return Err(Error::BadInput { file: self.run.display().to_string(), message: "the run is empty".into() });
        }
        let number = all.len();
        let some = self.sampled(all, qrels.as_ref());
        let is_sample = some.len() < number;
        if is_sample {
            notes.push(format!(
                "a sample of {} of the run's {number} queries, drawn with seed {}",
                some.len(),
                self.seed
            ));
        }
        let wanted: HashSet<&str> =
            some.iter().flat_map(|(_, candidates)| candidates).map(|(document, ..)| *document).collect();
        let documents = self.read_documents(&wanted, observer)?;
        let queries = self.find(some, &documents, &mut notes)?;
        Ok(Material { queries, documents, qrels, is_sample, notes })
    }

    /// Returns the wanted documents of the corpus, in the corpus's order.
    fn read_documents(&self, wanted: &HashSet<&str>, observer: &dyn Observer) -> Result<Vec<Passage>> {
        let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let corpus = Corpus::open(&expand_paths(&self.corpus)?, &self.reading, folder.path())?;
        let (rows, file, reasons) = (corpus.skipped(), corpus.name(), corpus.skip_reasons());
        observer.notice(&Notice::Skipped { rows, file, reasons });
        let mut positions = Vec::with_capacity(wanted.len());
        for id in wanted {
            positions.extend(corpus.position(id)?);
        }
        positions.sort_unstable();
        let passage = |position| {
            let row = corpus.row(position)?;
            Ok(Passage { text: row.passage().into_owned(), id: row.id })
        };
        positions.into_iter().map(passage).collect()
    }

    /// Returns the queries with their documents in the run, in the run's order. Documents without a
    /// stated rank come in the order of their scores.
    fn candidates<'a>(&self, run: &'a Run, states_ranks: bool, notes: &mut Vec<String>) -> Result<Vec<Candidates<'a>>> {
        let queries = read_delimited_queries(&self.queries, self.reading.delimiter)?;
        let by_id: HashMap<String, Query> = queries.into_iter().map(|query| (query.id.clone(), query)).collect();
        let mut missing: HashSet<&str> = HashSet::new();
        let mut all: Vec<Candidates<'a>> = Vec::new();
        for (id, documents) in run.iter() {
            let ranked = documents.iter().zip(run.ranks(id).unwrap_or_default());
            let mut candidates: Vec<RunCandidate<'a>> =
                ranked.map(|(found, &rank)| (found.id, found.score, rank)).collect();
            candidates.retain(|(document, ..)| !self.ignore_identical_ids || *document != id);
            if !states_ranks {
                candidates.sort_by_key(|&(.., rank)| rank);
            }
            match by_id.get(id) {
                _ if candidates.is_empty() => {}
                Some(query) => all.push((query.clone(), candidates)),
                None => drop(missing.insert(id)),
            }
        }
        self.note_missing(&missing, all.is_empty(), ["query", "queries"], notes)?;
        Ok(all)
    }

    /// Draws some of the queries, judged ones if there are some, in the run's order. The draw
    /// depends on the ids and the seed.
    fn sampled<'a>(&self, all: Vec<Candidates<'a>>, qrels: Option<&Qrels>) -> Vec<Candidates<'a>> {
        let Some(number) = self.sample else { return all };
        let is_judged = |(query, _): &Candidates<'_>| qrels.is_some_and(|qrels| qrels.grades(&query.id).is_some());
        let any_judged = all.iter().any(is_judged);
        let pool: Vec<usize> = (0..all.len()).filter(|&at| !any_judged || is_judged(&all[at])).collect();
        let drawn: HashSet<usize> = draw(&pool, number, self.seed, |at| &all[at].0.id).into_iter().collect();
        all.into_iter().enumerate().filter(|(at, _)| drawn.contains(at)).map(|(_, query)| query).collect()
    }

    /// Replaces ids by positions. Candidates without a document are left out.
    fn find(
        &self,
        groups: Vec<Candidates<'_>>,
        documents: &[Passage],
        notes: &mut Vec<String>,
    ) -> Result<Vec<AskedQuery>> {
        let place: HashMap<&str, usize> = documents.iter().enumerate().map(|(at, row)| (row.id.as_str(), at)).collect();
        let mut missing: HashSet<&str> = HashSet::new();
        let mut queries = Vec::with_capacity(groups.len());
        for (Query { id, text, .. }, listed) in groups {
            let mut candidates = Vec::with_capacity(listed.len());
            for (document, score, rank) in listed {
                match place.get(document) {
                    Some(&document) => candidates.push(Found { document, score, rank: Some(rank) }),
                    None => drop(missing.insert(document)),
                }
            }
            queries.push(AskedQuery { id, text, candidates });
        }
        self.note_missing(&missing, documents.is_empty(), ["document", "documents"], notes)?;
        Ok(queries)
    }

    /// Notes the missing ids of the run. It is an error if nothing is left.
    fn note_missing(
        &self,
        ids: &HashSet<&str>,
        nothing_left: bool,
        noun: [&str; 2],
        notes: &mut Vec<String>,
    ) -> Result<()> {
        let Some(example) = ids.iter().min() else { return Ok(()) };
        let corpus: Vec<String> = self.corpus.iter().map(|file| file.display().to_string()).collect();
        let file = if noun[0] == "query" { self.queries.display().to_string() } else { corpus.join(", ") };
        let message = missing_message(&self.run, ids.len(), noun, &file, example);
        if nothing_left {
            return Err(Error::MissingTexts { message });
        }
        notes.push(format!("{message}; left out"));
        Ok(())
    }
}

//! A run joined with its queries and its corpus: lists of row numbers on disk, read again block by
//! block.
//!
//! Memory holds the queries and 16 bytes for each list; the rest is in the job's folder.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{Block, Documents, JobList, MAX_LISTS, MAX_PAIRS};
use super::observer::{Notice, Observer};
use super::options::JobOptions;
use crate::answer::{Format, check_trec_ids};
use crate::io::{Corpus, Query, QueryResults, RunFile, expand_paths, read_delimited_queries};
use crate::{Error, Result};

pub struct JobPlan {
    queries: Vec<Query>,
    corpus: Arc<Corpus>,
    name: String,
    lists: BufReader<File>,
    /// The byte offset in `lists` and the number of documents of each list.
    extents: Vec<(u64, u32)>,
    /// The lists that have not been returned yet.
    ahead: Range<usize>,
    num_lists: usize,
    /// Maximum number of pairs of a block.
    max_pairs: usize,
}

impl JobPlan {
    /// Reads a run and the inputs that it refers to. A query or document that is missing is an
    /// error, unless bad rows are skipped.
    pub fn make(
        (queries, run, corpus): (&Path, &Path, &[PathBuf]),
        options: &JobOptions,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let all_queries = read_delimited_queries(queries, options.reading.delimiter)?;
        let run_file = RunFile::open(run)?.ignore_identical_ids(options.ignore_identical_ids);
        let corpus = Corpus::open(&expand_paths(corpus)?, &options.reading, folder)?;
        observer.notice(&Notice::Skipped {
            rows: corpus.skipped(),
            file: corpus.name(),
            reasons: corpus.skip_reasons(),
        });
        let mut spool = Spool::create(folder, &all_queries, &corpus, options)?;
        let mut failure = None;
        run_file.for_each_query(|results| {
            if failure.is_none() {
                failure = spool.push(results).err();
            }
            Ok(())
        })?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let Spool { missing, any_line, extents, lists, .. } = spool;
        if !any_line {
            let (file, message) = (run.display().to_string(), "the run is empty".to_owned());
            return Err(Error::BadInput { file, message });
        }
        missing.judge([queries, run], corpus.name(), options, observer)?;
        let lists = lists.into_inner().map_err(|error| in_folder(folder)(error.into_error()))?;
        let range = options.shard.map(|shard| shard.range(extents.len() as u64));
        let ahead = range.map_or(0..extents.len(), |range| range.start as usize..range.end as usize);
        Ok(Self {
            num_lists: ahead.len(),
            queries: all_queries,
            corpus: Arc::new(corpus),
            name: run.display().to_string(),
            lists: BufReader::new(lists),
            extents,
            ahead,
            max_pairs: MAX_PAIRS,
        })
    }

    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// From now on a block has at most `max_pairs` pairs, unless one list has more.
    pub fn bound_pairs(&mut self, max_pairs: usize) {
        self.max_pairs = max_pairs;
    }

    /// Returns the number of lists of the shard.
    pub fn num_lists(&self) -> usize {
        self.num_lists
    }

    /// Returns the number of documents to encode, each counted once for every block that it is in.
    pub fn count_documents(&mut self) -> Result<usize> {
        let ahead = self.ahead.clone();
        let mut documents = 0;
        while let Some(block) = self.next_block()? {
            documents += block.documents.len();
        }
        self.ahead = ahead;
        Ok(documents)
    }

    /// Returns the next block of lists; `None` at the end.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        let mut pairs = 0;
        let mut fits = |&(_, count): &(u64, u32)| {
            pairs += count as usize;
            pairs <= self.max_pairs
        };
        let ahead = &self.extents[self.ahead.clone()];
        let count = ahead.iter().take(MAX_LISTS).take_while(|extent| fits(extent)).count();
        let count = count.max(1).min(ahead.len());
        let block = self.ahead.start..self.ahead.start + count;
        self.ahead.start = block.end;
        if block.is_empty() {
            return Ok(None);
        }
        let stored = self.read(block)?;
        let mut positions: Vec<u64> = stored.iter().flat_map(|list| list.documents.iter().map(|pair| pair.0)).collect();
        positions.sort_unstable();
        positions.dedup();
        // `positions` was collected from the lists, so it has every document.
        let place = |position: u64| positions.partition_point(|&other| other < position);
        let lists = stored.iter().map(|list| JobList {
            query: self.queries[list.query as usize].clone(),
            documents: list.documents.iter().map(|&(position, _)| place(position)).collect(),
            first_stage: list.documents.iter().map(|&(_, score)| Some(score)).collect(),
        });
        let lists = lists.collect();
        Ok(Some(Block { lists, documents: Documents::Corpus(Arc::clone(&self.corpus), positions) }))
    }

    fn read(&mut self, lists: Range<usize>) -> Result<Vec<StoredList>> {
        let read = |reader: &mut BufReader<File>, extents: &[(u64, u32)]| {
            reader.seek(SeekFrom::Start(extents[0].0))?;
            extents.iter().map(|&(_, count)| StoredList::read(reader, count)).collect::<std::io::Result<Vec<_>>>()
        };
        read(&mut self.lists, &self.extents[lists]).map_err(Error::io("read again the lists of", &self.name))
    }
}

/// A list on disk: the query's position, then the documents' positions in the corpus with their
/// scores, best first.
struct StoredList {
    query: u32,
    documents: Vec<(u64, f64)>,
}

impl StoredList {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.query.to_le_bytes())?;
        for (position, score) in &self.documents {
            out.write_all(&position.to_le_bytes())?;
            out.write_all(&score.to_le_bytes())?;
        }
        Ok(())
    }

    fn read(from: &mut impl Read, count: u32) -> std::io::Result<Self> {
        let (mut query, mut number) = ([0; 4], [0; 8]);
        from.read_exact(&mut query)?;
        let mut documents = Vec::with_capacity(count as usize);
        for _ in 0..count {
            from.read_exact(&mut number)?;
            let position = u64::from_le_bytes(number);
            from.read_exact(&mut number)?;
            documents.push((position, f64::from_le_bytes(number)));
        }
        Ok(Self { query: u32::from_le_bytes(query), documents })
    }

    fn num_bytes(&self) -> u64 {
        4 + 16 * self.documents.len() as u64
    }
}

/// Writer of lists to the disk.
struct Spool<'a> {
    positions: HashMap<&'a str, u32>,
    corpus: &'a Corpus,
    folder: &'a Path,
    lists: BufWriter<File>,
    extents: Vec<(u64, u32)>,
    num_bytes: u64,
    missing: Missing,
    any_line: bool,
    depth: usize,
    check_ids: bool,
}

impl<'a> Spool<'a> {
    fn create(folder: &'a Path, queries: &'a [Query], corpus: &'a Corpus, options: &JobOptions) -> Result<Self> {
        // The file has no name: every run makes it anew.
        let file = tempfile::tempfile_in(folder);
        Ok(Self {
            positions: (0..).zip(queries).map(|(at, query)| (query.id.as_str(), at)).collect(),
            corpus,
            folder,
            lists: BufWriter::new(file.map_err(in_folder(folder))?),
            extents: Vec::new(),
            num_bytes: 0,
            missing: Missing::default(),
            any_line: false,
            depth: options.depth.unwrap_or(usize::MAX),
            check_ids: options.format == Format::Trec,
        })
    }

    fn push(&mut self, results: &QueryResults<'_>) -> Result<()> {
        self.any_line = true;
        let Some(&query) = self.positions.get(results.query_id()) else {
            self.missing.queries.note(results.query_id());
            return Ok(());
        };
        let mut documents = Vec::with_capacity(results.documents().len());
        for document in results.documents() {
            if self.check_ids {
                check_trec_ids(results.query_id(), document.id)?;
            }
            match self.corpus.position(document.id)? {
                Some(position) => documents.push((position, document.score)),
                None => self.missing.documents.note(document.id),
            }
        }
        documents.sort_by(|a, b| b.1.total_cmp(&a.1));
        documents.truncate(self.depth);
        let list = StoredList { query, documents };
        list.write(&mut self.lists).map_err(in_folder(self.folder))?;
        self.extents.push((self.num_bytes, list.documents.len() as u32));
        self.num_bytes += list.num_bytes();
        Ok(())
    }
}

fn in_folder(folder: &Path) -> impl FnOnce(std::io::Error) -> Error {
    Error::io("write to", folder)
}

/// Queries and documents that a run names but its inputs lack.
#[derive(Default)]
struct Missing {
    queries: MissingIds,
    documents: MissingIds,
}

/// The distinct ids, counted by their hashes, and the first in alphabetical order as an example.
#[derive(Default)]
struct MissingIds {
    hashes: HashSet<u64>,
    hasher: RandomState,
    example: Option<String>,
}

impl MissingIds {
    fn note(&mut self, id: &str) {
        self.hashes.insert(self.hasher.hash_one(id));
        if self.example.as_deref().is_none_or(|example| id < example) {
            self.example = Some(id.to_owned());
        }
    }
}

impl Missing {
    fn judge(
        &self,
        [queries, run]: [&Path; 2],
        corpus: &str,
        options: &JobOptions,
        observer: &dyn Observer,
    ) -> Result<()> {
        let queries = queries.display().to_string();
        for (ids, [one, many], file) in [
            (&self.queries, ["query", "queries"], queries.as_str()),
            (&self.documents, ["document", "documents"], corpus),
        ] {
            let Some(example) = &ids.example else { continue };
            let message = missing_message(run, ids.hashes.len(), [one, many], file, example);
            if !options.leaves_out() {
                return Err(Error::MissingTexts { message });
            }
            observer.notice(&Notice::LeftOut { message: &message });
        }
        Ok(())
    }
}

/// Returns the message that a run names ids that a file does not have.
pub fn missing_message(run: &Path, count: usize, [one, many]: [&str; 2], file: &str, example: &str) -> String {
    let noun = if count == 1 { one } else { many };
    format!("{}: the run names {count} {noun} that {file} does not have, such as '{example}'", run.display())
}

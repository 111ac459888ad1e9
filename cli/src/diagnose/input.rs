//! What is read: queries, a run, the documents that it names, judgements. What does not fit together is noted; nothing to look at is an error.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use nearsort::io::{
    Corpus, Qrels, Query, QueryResults, Row, RunFile, RunFormat, RunLine, expand_paths, read_delimited_queries,
    read_run,
};

use crate::args::{DiagnoseArgs, Talk};
use crate::hints::warn_of_skipped;
use crate::sample::draw;
use crate::{Failure, model};
use nearsort::job::missing_message;

/// Everything that was read.
pub struct Input {
    pub queries: Vec<Asked>,
    pub documents: Vec<Row>,
    pub qrels: Option<Qrels>,
    /// Whether the queries are fewer than the run's.
    pub is_sample: bool,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// A query with its candidates, in the order of the run's file.
pub struct Asked {
    pub query: Query,
    pub candidates: Vec<Found>,
}

/// A line of the run.
pub struct Found {
    /// Position in [`Input::documents`].
    pub document: usize,
    pub score: f64,
    pub rank: u64,
}

/// The lines of a query.
type Lines<'a> = (Query, Vec<&'a RunLine>);

pub fn read(args: &DiagnoseArgs, talk: Talk) -> Result<Input, Failure> {
    let qrels = args.qrels.as_ref().map(Qrels::read).transpose()?;
    let lines = read_lines(args)?;
    if lines.is_empty() {
        return Err(Failure::Error(format!("{}: the run is empty", args.run.display())));
    }
    let mut notes = Vec::new();
    let all = group(args, &lines, &mut notes)?;
    let number = all.len();
    let some = sample(all, args, qrels.as_ref());
    let is_sample = some.len() < number;
    if is_sample {
        notes.push(format!("a sample of {} of the run's {number} queries, drawn with seed {}", some.len(), args.seed));
    }
    let wanted: HashSet<&str> =
        some.iter().flat_map(|(_, lines)| lines).map(|line| line.document_id.as_str()).collect();
    let documents = read_documents(args, &wanted, talk)?;
    let queries = find(args, some, &documents, &mut notes)?;
    Ok(Input { queries, documents, qrels, is_sample, notes })
}

/// The run's lines. Only TREC's format states ranks; elsewhere they follow from the scores. What can be read only once is TREC's.
fn read_lines(args: &DiagnoseArgs) -> Result<Vec<RunLine>, Failure> {
    let mut lines = Vec::new();
    if args.run.metadata().is_ok_and(|found| !found.is_file()) || args.run.as_os_str() == "-" {
        lines = read_run(&args.run)?;
    } else {
        let run = RunFile::open(&args.run)?;
        let states_ranks = run.format() == RunFormat::Trec;
        // Also for TREC's: what is wrong with a run is found here.
        run.for_each_query(|results| {
            if !states_ranks {
                lines.extend(ranked(results));
            }
            Ok(())
        })?;
        if states_ranks {
            lines = read_run(&args.run)?;
        }
    }
    lines.retain(|line| !args.ignore_identical_ids || *line.query_id != *line.document_id);
    Ok(lines)
}

/// The lines of a query, with ranks by their scores.
fn ranked(results: &QueryResults<'_>) -> Vec<RunLine> {
    let mut documents = results.documents().to_vec();
    documents.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (query_id, tag) = (Arc::from(results.query_id()), Arc::from("run"));
    let line = |(rank, document): (u64, &nearsort::io::ScoredDocument<'_>)| RunLine {
        query_id: Arc::clone(&query_id),
        document_id: document.id.to_owned(),
        rank,
        score: document.score,
        tag: Arc::clone(&tag),
    };
    (1..).zip(&documents).map(line).collect()
}

/// The rows of the corpus that are wanted, in the corpus's order.
fn read_documents(args: &DiagnoseArgs, wanted: &HashSet<&str>, talk: Talk) -> Result<Vec<Row>, Failure> {
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| Failure::Error(format!("cannot create a temporary folder: {error}")))?;
    let corpus = Corpus::open(&expand_paths(&args.corpus)?, &model::reading(&args.reading), folder.path())?;
    warn_of_skipped(talk, corpus.skipped(), corpus.name(), corpus.skip_reasons());
    let mut positions = Vec::with_capacity(wanted.len());
    for id in wanted {
        positions.extend(corpus.position(id)?);
    }
    positions.sort_unstable();
    positions.into_iter().map(|position| Ok(corpus.row(position)?)).collect()
}

/// The run's lines by query, in the run's order.
fn group<'a>(args: &DiagnoseArgs, lines: &'a [RunLine], notes: &mut Vec<String>) -> Result<Vec<Lines<'a>>, Failure> {
    let by_id: HashMap<String, Query> = read_delimited_queries(&args.queries, args.reading.table.delimiter)?
        .into_iter()
        .map(|query| (query.id.clone(), query))
        .collect();
    let mut missing: HashSet<&str> = HashSet::new();
    let mut groups: Vec<Lines<'a>> = Vec::new();
    let mut group_of: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let Some(query) = by_id.get(&*line.query_id) else {
            missing.insert(&line.query_id);
            continue;
        };
        let at = *group_of.entry(&line.query_id).or_insert_with(|| {
            groups.push((query.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(line);
    }
    note_missing(&missing, groups.is_empty(), ["query", "queries"], args, notes)?;
    Ok(groups)
}

/// Positions for ids; candidates without a document are left out.
fn find(
    args: &DiagnoseArgs,
    groups: Vec<Lines<'_>>,
    documents: &[Row],
    notes: &mut Vec<String>,
) -> Result<Vec<Asked>, Failure> {
    let place: HashMap<&str, usize> = documents.iter().enumerate().map(|(at, row)| (row.id.as_str(), at)).collect();
    let mut missing: HashSet<&str> = HashSet::new();
    let mut queries = Vec::with_capacity(groups.len());
    for (query, lines) in groups {
        let mut candidates = Vec::with_capacity(lines.len());
        for line in lines {
            match place.get(line.document_id.as_str()) {
                Some(&document) => candidates.push(Found { document, score: line.score, rank: line.rank }),
                None => drop(missing.insert(&line.document_id)),
            }
        }
        queries.push(Asked { query, candidates });
    }
    note_missing(&missing, documents.is_empty(), ["document", "documents"], args, notes)?;
    Ok(queries)
}

/// What the run names and nobody has is a note, unless nothing is left.
fn note_missing(
    ids: &HashSet<&str>,
    nothing_left: bool,
    [one, many]: [&str; 2],
    args: &DiagnoseArgs,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let Some(example) = ids.iter().min() else { return Ok(()) };
    let corpus: Vec<String> = args.corpus.iter().map(|file| file.display().to_string()).collect();
    let file = if one == "query" { args.queries.display().to_string() } else { corpus.join(", ") };
    let message = missing_message(&args.run, ids.len(), [one, many], &file, example);
    if nothing_left {
        let hint = "check that the files belong together and which field is the id (--id-field)";
        return Err(Failure::Error(format!("{message}; {hint}")));
    }
    notes.push(format!("{message}; left out"));
    Ok(())
}

/// Some of the queries, judged ones where there are some, in the run's order. Whether a query is drawn depends on its id and the seed.
fn sample<'a>(all: Vec<Lines<'a>>, args: &DiagnoseArgs, qrels: Option<&Qrels>) -> Vec<Lines<'a>> {
    let Some(number) = args.sample.map(|number| number as usize) else { return all };
    let is_judged = |(query, _): &Lines<'_>| qrels.is_some_and(|qrels| qrels.grades(&query.id).is_some());
    let any_judged = all.iter().any(is_judged);
    let pool: Vec<usize> = (0..all.len()).filter(|&at| !any_judged || is_judged(&all[at])).collect();
    let drawn: HashSet<usize> = draw(&pool, number, args.seed, |at| &all[at].0.id).into_iter().collect();
    all.into_iter().enumerate().filter(|(at, _)| drawn.contains(at)).map(|(_, lines)| lines).collect()
}

//! What is read: queries, a run, the documents that it names, judgements. What does not fit together is noted; nothing to look at is an error.

use std::collections::{HashMap, HashSet};

use nearsort::io::{Corpus, Qrels, Query, Row, RunLine, expand_paths, read_queries, read_run};

use crate::args::{DiagnoseArgs, Talk};
use crate::batch::missing_message;
use crate::hints::warn_of_skipped;
use crate::{Failure, model};

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
    let lines = read_run(&args.run)?;
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
    let by_id: HashMap<String, Query> =
        read_queries(&args.queries)?.into_iter().map(|query| (query.id.clone(), query)).collect();
    let mut missing: HashSet<&str> = HashSet::new();
    let mut groups: Vec<Lines<'a>> = Vec::new();
    let mut group_of: HashMap<&str, usize> = HashMap::new();
    for line in lines {
        let Some(query) = by_id.get(&line.query_id) else {
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

/// At most `number` members of `pool`, as good as at random, ascending.
pub fn draw<'a>(pool: &[usize], number: usize, seed: u64, id: impl Fn(usize) -> &'a str) -> Vec<usize> {
    let mut order = pool.to_vec();
    order.sort_by_cached_key(|&at| (mixed(seed, id(at)), at));
    order.truncate(number);
    order.sort_unstable();
    order
}

/// FNV-1a of the id, then the finaliser of SplitMix64: near ids and near seeds come far apart.
fn mixed(seed: u64, id: &str) -> u64 {
    let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut state = id.as_bytes().iter().chain(&seed.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, hash);
    for multiplier in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        state = (state ^ (state >> 30)).wrapping_mul(multiplier);
    }
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_the_seed_and_takes_every_member_alike() {
        let ids: Vec<String> = (0..1000).map(|id| id.to_string()).collect();
        let pool: Vec<usize> = (0..1000).collect();
        let drawn = |seed| draw(&pool, 100, seed, |at| &ids[at]);
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
        assert!(drawn(1).is_sorted() && drawn(1).len() == 100);
        let mut times = [0_usize; 10];
        (0..50).flat_map(drawn).for_each(|at| times[at / 100] += 1);
        assert!(times.iter().all(|times| (400..600).contains(times)), "{times:?}");
        assert_eq!(draw(&pool[..3], 9, 1, |at| &ids[at]), [0, 1, 2]);
    }
}

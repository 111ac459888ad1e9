//! `nearsort rerank` over many lists, each with its own query: a run with its corpus, or a file of lists.
//!
//! Answers are written as lists are done. Memory: the texts of the documents that the run names, or of some thousand candidates of a file of
//! lists, and the vectors of the queries at work.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use nearsort::io::{CandidateRow, CandidateRows, Query, Row, Rows, read_queries, read_run};
use nearsort::{Blend, CandidateList, Hit, Reranker, ranking};

use crate::args::{OutputFormat, ReadingArgs, RerankArgs, Talk};
use crate::hints::{Warning, warn};
use crate::output::{self, Answer, Answers, ModelLine, Ranked};
use crate::progress::Counter;
use crate::{Failure, Outcome, Run, model, rerank};

/// Queries scored together. A document that several of them share is encoded once; their token vectors are in memory, some 50 KB each.
const QUERIES_AT_ONCE: usize = 1024;
/// Candidates of a file of lists that are scored together, unless one list has more.
const CANDIDATES_AT_ONCE: usize = 4096;

/// A query and its candidates among documents that lists share.
pub struct List {
    pub query: Query,
    /// Positions of documents, the first stage's best first.
    pub documents: Vec<usize>,
    /// One per document.
    pub first_stage: Vec<Option<f64>>,
}

impl List {
    /// Sorted by the first stage where it has scores, equal ones in their order, and cut.
    fn in_first_stage_order(mut self, depth: Option<usize>) -> Self {
        let mut order: Vec<usize> = (0..self.documents.len()).collect();
        if self.first_stage.iter().all(Option::is_some) {
            let score = |at: usize| self.first_stage[at].unwrap_or(f64::NEG_INFINITY);
            order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        }
        order.truncate(depth.unwrap_or(usize::MAX));
        self.documents = order.iter().map(|&at| self.documents[at]).collect();
        self.first_stage = order.iter().map(|&at| self.first_stage[at]).collect();
        self
    }
}

/// Lists, and the documents that they name.
pub struct Lists {
    pub lists: Vec<List>,
    pub documents: Vec<Row>,
}

pub fn run(args: &RerankArgs, talk: Talk, counter: &Counter) -> Run {
    let mut out = Writing { answers: None, totals: Totals::default() };
    match (&args.candidates, &args.query_file, &args.corpus, &args.run) {
        (Some(candidates), ..) => {
            let mut rows = CandidateRows::open(candidates, &model::reading(&args.reading))?.peekable();
            // A broken file should say so before a model is loaded.
            if let Some(Err(_)) = rows.peek()
                && let Some(Err(error)) = rows.next()
            {
                return Err(error.into());
            }
            let file = candidates.display().to_string();
            let reranker = rerank::load(args, talk, counter)?;
            loop {
                let lists = next_lists(&mut rows, args.depth)?;
                if lists.lists.is_empty() {
                    break;
                }
                out.score(&lists, &reranker, args, counter, &file, rows.peek().is_none())?;
            }
        }
        (None, Some(queries), Some(corpus), Some(first)) => {
            let mut lists = read_lists(queries, corpus, first, &args.reading, talk)?;
            lists.lists = lists.lists.into_iter().map(|list| list.in_first_stage_order(args.depth)).collect();
            let reranker = rerank::load(args, talk, counter)?;
            out.score(&lists, &reranker, args, counter, &corpus.display().to_string(), true)?;
        }
        _ => return Err(Failure::Error("give --queries, --corpus and --run, or --candidates".into())),
    }
    counter.finish();
    out.finish(args, talk)
}

/// The next lists of a file, some thousand candidates together.
fn next_lists(
    rows: &mut impl Iterator<Item = nearsort::Result<CandidateRow>>,
    depth: Option<usize>,
) -> Result<Lists, Failure> {
    let mut lists = Lists { lists: Vec::new(), documents: Vec::new() };
    while lists.documents.len() < CANDIDATES_AT_ONCE && lists.lists.len() < QUERIES_AT_ONCE {
        let Some(row) = rows.next().transpose()? else { break };
        let documents = (lists.documents.len()..).take(row.candidates.len()).collect();
        let first_stage = row.candidates.iter().map(|candidate| candidate.first_stage_score).collect();
        lists.documents.extend(row.candidates);
        lists.lists.push(List { query: row.query, documents, first_stage }.in_first_stage_order(depth));
    }
    Ok(lists)
}

/// Reads a run and what it names. Queries and documents that the run names must be there, unless bad rows are to be left out.
pub fn read_lists(
    queries: &Path,
    corpus: &Path,
    run: &Path,
    reading: &ReadingArgs,
    talk: Talk,
) -> Result<Lists, Failure> {
    let queries_by_id: HashMap<String, Query> =
        read_queries(queries)?.into_iter().map(|query| (query.id.clone(), query)).collect();
    let lines = read_run(run)?;
    if lines.is_empty() {
        return Err(Failure::Error(format!("{}: the run is empty", run.display())));
    }
    let wanted: HashSet<&str> = lines.iter().map(|line| line.document_id.as_str()).collect();
    let documents = read_documents(corpus, reading, &wanted, talk)?;
    let place: HashMap<&str, usize> = documents.iter().enumerate().map(|(at, row)| (row.id.as_str(), at)).collect();
    let mut missing = Missing::default();
    let mut lists: Vec<List> = Vec::new();
    let mut list_of: HashMap<&str, usize> = HashMap::new();
    for line in &lines {
        let Some(query) = queries_by_id.get(&line.query_id) else {
            missing.queries.insert(&line.query_id);
            continue;
        };
        let Some(&document) = place.get(line.document_id.as_str()) else {
            missing.documents.insert(&line.document_id);
            continue;
        };
        let at = *list_of.entry(&line.query_id).or_insert_with(|| {
            lists.push(List { query: query.clone(), documents: Vec::new(), first_stage: Vec::new() });
            lists.len() - 1
        });
        lists[at].documents.push(document);
        lists[at].first_stage.push(Some(line.score));
    }
    missing.judge(queries, corpus, run, reading.skip_bad_rows, talk)?;
    Ok(Lists { lists, documents })
}

/// What a run names and nobody has.
#[derive(Default)]
struct Missing<'a> {
    queries: HashSet<&'a str>,
    documents: HashSet<&'a str>,
}

impl Missing<'_> {
    fn judge(&self, queries: &Path, corpus: &Path, run: &Path, skip: bool, talk: Talk) -> Result<(), Failure> {
        for (ids, what, file) in [(&self.queries, "query", queries), (&self.documents, "document", corpus)] {
            let Some(example) = ids.iter().min() else { continue };
            let (count, plural) = (ids.len(), if what == "query" { "queries" } else { "documents" });
            let message = format!(
                "{}: the run names {count} {} that {} does not have, such as '{example}'",
                run.display(),
                if count == 1 { what } else { plural },
                file.display(),
            );
            if !skip {
                return Err(Failure::Error(format!(
                    "{message}; check that the files belong together and which field is the id (--id-field), or leave them out with --skip-bad-rows"
                )));
            }
            warn(talk, &Warning::LeftOut { message });
        }
        Ok(())
    }
}

/// The rows of the corpus that are wanted, in the corpus's order; an id that comes twice is an error.
pub fn read_documents(
    corpus: &Path,
    reading: &ReadingArgs,
    wanted: &HashSet<&str>,
    talk: Talk,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Rows::open(corpus, &model::reading(reading))?;
    let name = rows.name().to_owned();
    let mut documents = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::with_capacity(wanted.len());
    for row in rows.by_ref() {
        let row = row?;
        if !wanted.contains(row.id.as_str()) {
            continue;
        }
        if let Some(first) = lines.insert(row.id.clone(), row.line) {
            return Err(Failure::Error(format!(
                "{name}:{}: the id '{}' is used already, on line {first}; ids of documents must differ",
                row.line, row.id
            )));
        }
        documents.push(row);
    }
    let reasons = rows.skip_reasons().iter().map(ToString::to_string).collect();
    warn(talk, &Warning::Skipped { rows: rows.skipped(), file: name, reasons });
    Ok(documents)
}

/// The output, opened when there is something to write: a run that fails before leaves nothing.
struct Writing {
    answers: Option<(Answers, usize)>,
    totals: Totals,
}

#[derive(Default)]
struct Totals {
    lists: usize,
    results: usize,
    candidates: usize,
    truncated: usize,
    unscored: usize,
    empty_ids: Vec<String>,
    max_tokens: usize,
}

impl Writing {
    fn score(
        &mut self,
        lists: &Lists,
        reranker: &Reranker,
        args: &RerankArgs,
        counter: &Counter,
        file: &str,
        last: bool,
    ) -> Result<(), Failure> {
        if output::format(args)? == OutputFormat::Trec {
            lists.lists.iter().try_for_each(|list| rerank::check_query_id(&list.query, file))?;
            lists.documents.iter().try_for_each(|row| output::check_trec_id(row, file))?;
        }
        if self.answers.is_none() {
            self.answers = Some((Answers::open(args)?, 0));
        }
        let texts: Vec<_> = lists.documents.iter().map(Row::passage).collect();
        let model = ModelLine::of(reranker);
        self.totals.max_tokens = reranker.encoder().map_or(0, |encoder| encoder.contract().max_tokens);
        counter.expect(lists.lists.len(), false);
        counter.expect(lists.documents.len() * lists.lists.len().div_ceil(QUERIES_AT_ONCE), last);
        for some in lists.lists.chunks(QUERIES_AT_ONCE) {
            let asked: Vec<CandidateList<'_>> = some
                .iter()
                .map(|list| CandidateList { query: &list.query.text, candidates: &list.documents })
                .collect();
            let scored = reranker.score_lists(&asked, &texts)?;
            for (list, scored) in some.iter().zip(&scored) {
                self.write(list, scored, &lists.documents, &model, reranker, args)?;
            }
        }
        Ok(())
    }

    fn write(
        &mut self,
        list: &List,
        scored: &nearsort::ScoredCandidates,
        documents: &[Row],
        model: &ModelLine,
        reranker: &Reranker,
        args: &RerankArgs,
    ) -> Result<(), Failure> {
        let first_stage = first_stage_scores(list, reranker, args)?;
        let scores = match &first_stage {
            Some(first_stage) => reranker.mix(&scored.scores, &scored.empty, first_stage)?,
            None => scored.scores.clone(),
        };
        let hits = ranking::top_k(&scores, args.top_k.unwrap_or(usize::MAX)).map_err(|error| match error {
            nearsort::Error::NotANumber { index } => {
                let (query, row) = (&list.query.id, &documents[list.documents[index]]);
                Failure::Error(format!("{error}: query '{query}', id '{}', line {}", row.id, row.line))
            }
            other => other.into(),
        })?;
        let ranked = |hit: Hit| Ranked {
            row: &documents[list.documents[hit.index]],
            facts: rerank::facts(scored, hit.index),
            first_stage: list.first_stage[hit.index],
            explanation: None,
            hit,
        };
        let mut results: Vec<Ranked<'_>> = hits.into_iter().map(ranked).collect();
        rerank::finish_results(&mut results, &list.query, reranker, args)?;
        let truncated = scored.truncated.iter().filter(|&&cut| cut).count();
        let tokens = scored.document_tokens + u64::from(scored.query_tokens);
        self.totals.count(list, scored, documents, results.len(), truncated, first_stage.is_some());
        let blend = first_stage.map(|_| reranker.blend().to_string());
        let answer = Answer { query: &list.query, model, blend, tokens, truncated, results };
        match &mut self.answers {
            Some((answers, written)) => {
                *written += 1;
                answers.write(&answer)
            }
            None => Ok(()),
        }
    }

    fn finish(self, args: &RerankArgs, talk: Talk) -> Run {
        let (answers, totals) = (self.answers, self.totals);
        let answers = match answers {
            Some((answers, _)) => answers,
            None => Answers::open(args)?,
        };
        answers.finish()?;
        let Totals { candidates, truncated, unscored, max_tokens, .. } = totals;
        warn(talk, &Warning::Truncated { truncated, candidates, max_tokens });
        warn(talk, &Warning::Empty { ids: totals.empty_ids });
        warn(talk, &Warning::NoFirstStage { unscored, candidates });
        if totals.lists == 0 {
            let file =
                args.candidates.as_ref().or(args.run.as_ref()).map_or("-".into(), |path| path.display().to_string());
            warn(talk, &Warning::NoCandidates { file });
        }
        Ok(if totals.results == 0 { Outcome::Nothing } else { Outcome::Done })
    }
}

impl Totals {
    fn count(
        &mut self,
        list: &List,
        scored: &nearsort::ScoredCandidates,
        documents: &[Row],
        results: usize,
        truncated: usize,
        mixed: bool,
    ) {
        self.lists += 1;
        self.results += results;
        self.candidates += list.documents.len();
        self.truncated += truncated;
        if mixed {
            self.unscored += list.first_stage.iter().filter(|score| score.is_none()).count();
        }
        self.empty_ids.extend(scored.empty.iter().map(|&at| documents[list.documents[at]].id.clone()));
    }
}

/// The first stage's scores where they count; a candidate that it does not know counts as its worst.
fn first_stage_scores(list: &List, reranker: &Reranker, args: &RerankArgs) -> Result<Option<Vec<f64>>, Failure> {
    if reranker.blend() == Blend::None {
        return Ok(None);
    }
    let known = || list.first_stage.iter().flatten().copied();
    if known().next().is_none() {
        return match args.scoring.blend {
            Some(_) if !list.documents.is_empty() => Err(Failure::Error(format!(
                "--blend needs the first stage's scores, and no candidate of the query '{}' has a field 'score'; name the field with --score-field",
                list.query.id
            ))),
            _ => Ok(None),
        };
    }
    let worst = known().fold(f64::INFINITY, f64::min);
    Ok(Some(list.first_stage.iter().map(|score| score.unwrap_or(worst)).collect()))
}

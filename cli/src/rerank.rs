//! `nearsort rerank`: candidates in, the best first.
//!
//! Rows are read and scored in chunks. With --top-k only the rows that can still be printed are kept, so that memory
//! depends on N and not on the number of candidates; without it every row is printed, and so every row is kept.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use nearsort::encoder::ProgressFn;
use nearsort::io::{Query, Row, Rows, read_queries};
use nearsort::ranking::TopK;
use nearsort::{Hit, Reranker};

use crate::args::{OutputFormat, RerankArgs, Talk};
use crate::hints::{Warning, say, warn};
use crate::output::{self, Answer, ModelLine, Ranked};
use crate::progress::Counter;
use crate::{Failure, Outcome, Run, model};

/// Rows scored at a time: enough for batches of like length, little enough to keep in memory at any text length.
const CHUNK_ROWS: usize = 4096;

pub fn run(args: &RerankArgs, talk: Talk) -> Run {
    check(args)?;
    let queries = queries(args)?;
    let mut rows = model::open_rows(&args.input, &args.reading, talk)?;
    let counter = Counter::new(talk);
    let ticks = counter.clone();
    let progress: ProgressFn = std::sync::Arc::new(move |texts| ticks.done(texts));
    let started = Instant::now();
    let reranker = model::builder(&args.model, talk, progress)?.build()?;
    let loaded = started.elapsed();
    let collected = Collected::from_rows(&mut rows, &reranker, &queries, args, &counter);
    counter.finish();
    let mut collected = collected?;
    let model = ModelLine::of(&reranker);
    collected.warn(&rows, &reranker, talk);
    if talk == Talk::Verbose {
        say(format_args!(
            "{} candidates, {} tokens; model {} on {} ({}, {}, {}) loaded in {:.3} s, everything in {:.3} s",
            collected.candidates,
            collected.total_tokens,
            model.name,
            model.device,
            model.engine,
            model.precision,
            model.isa,
            loaded.as_secs_f64(),
            started.elapsed().as_secs_f64(),
        ));
    }
    let answers = collected.answers(&queries, &model, args.min_score);
    output::write(&answers, args)?;
    Ok(if answers.iter().all(|answer| answer.results.is_empty()) { Outcome::Nothing } else { Outcome::Done })
}

/// What can be known to be wrong before a model is loaded.
fn check(args: &RerankArgs) -> Result<(), Failure> {
    let wrong = |message: &str| Err(Failure::Error(message.into()));
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    match args {
        RerankArgs { top_k: Some(0), .. } => wrong("--top-k must be at least 1"),
        RerankArgs { min_score: Some(least), .. } if least.is_nan() => {
            wrong("--min-score is not a number; cosine similarities lie in -1..1")
        }
        RerankArgs { query_file: Some(queries), input, .. } if is_stdin(queries) && is_stdin(input) => {
            wrong("queries and candidates cannot both come from standard input; give a FILE for one of them")
        }
        _ => Ok(()),
    }
}

fn queries(args: &RerankArgs) -> Result<Vec<Query>, Failure> {
    match (&args.query, &args.query_file) {
        (Some(text), _) if text.trim().is_empty() => Err(Failure::Error("--query is empty".into())),
        (Some(text), _) => Ok(vec![Query::new("1", text)]),
        (None, Some(path)) => {
            let queries = read_queries(path)?;
            match (queries.is_empty(), queries.iter().find(|query| query.id.contains(char::is_whitespace))) {
                (true, _) => Err(Failure::Error(format!("{}: the file has no queries", path.display()))),
                (_, Some(query)) if args.format == Some(OutputFormat::Trec) => Err(Failure::Error(format!(
                    "{}:{}: the query id '{}' has white space in it, which a TREC run cannot carry",
                    path.display(),
                    query.line,
                    query.id
                ))),
                _ => Ok(queries),
            }
        }
        (None, None) => Err(Failure::Error("give --query TEXT or --query-file FILE".into())),
    }
}

/// A row that may be printed, with what is known of its encoding.
struct Kept {
    row: Row,
    tokens: u32,
    truncated: bool,
}

struct Collected {
    /// Per query, in the queries' order.
    best: Vec<TopK>,
    kept: HashMap<usize, Kept>,
    candidates: usize,
    total_tokens: u64,
    truncated: usize,
    empty_ids: Vec<String>,
}

impl Collected {
    fn from_rows(
        rows: &mut Rows,
        reranker: &Reranker,
        queries: &[Query],
        args: &RerankArgs,
        counter: &Counter,
    ) -> Result<Self, Failure> {
        let top_k = args.top_k.unwrap_or(usize::MAX);
        let mut collected = Self {
            best: queries.iter().map(|_| TopK::new(top_k)).collect(),
            kept: HashMap::new(),
            candidates: 0,
            total_tokens: 0,
            truncated: 0,
            empty_ids: Vec::new(),
        };
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        counter.expect(texts.len(), false);
        loop {
            let chunk = rows.by_ref().take(CHUNK_ROWS).collect::<Result<Vec<Row>, _>>()?;
            if chunk.is_empty() {
                return Ok(collected);
            }
            if args.format == Some(OutputFormat::Trec) {
                chunk.iter().try_for_each(|row| output::check_trec_id(row, rows.name()))?;
            }
            counter.expect(chunk.len(), chunk.len() < CHUNK_ROWS);
            collected.add(chunk, reranker, &texts)?;
            if args.top_k.is_some() {
                collected.forget_losers();
            }
        }
    }

    fn add(&mut self, chunk: Vec<Row>, reranker: &Reranker, queries: &[&str]) -> Result<(), Failure> {
        let first = self.candidates;
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let scored = reranker.score_queries(queries, &passages)?;
        for (best, scored) in self.best.iter_mut().zip(&scored) {
            for (offset, &score) in scored.scores.iter().enumerate() {
                best.push(first + offset, score).map_err(|e| name_candidate(e, &chunk, first))?;
            }
        }
        if first == 0 {
            // Once, not once per chunk.
            self.total_tokens += scored.iter().map(|scored| u64::from(scored.query_tokens)).sum::<u64>();
        }
        // Tokens, truncation and emptiness of a candidate do not depend on the query.
        let Some(any) = scored.first() else { return Ok(()) };
        self.total_tokens += any.document_tokens;
        self.truncated += any.truncated.iter().filter(|&&cut| cut).count();
        self.empty_ids.extend(any.empty.iter().map(|&offset| chunk[offset].id.clone()));
        drop(passages);
        for (offset, row) in chunk.into_iter().enumerate() {
            let kept = Kept { row, tokens: any.tokens[offset], truncated: any.truncated[offset] };
            self.kept.insert(first + offset, kept);
        }
        self.candidates = first + any.scores.len();
        Ok(())
    }

    fn forget_losers(&mut self) {
        let winners: std::collections::HashSet<usize> = self.best.iter().flat_map(TopK::indices).collect();
        self.kept.retain(|index, _| winners.contains(index));
    }

    fn warn(&self, rows: &Rows, reranker: &Reranker, talk: Talk) {
        let max_tokens = reranker.encoder().map_or(0, |encoder| encoder.contract().max_tokens);
        warn(talk, &Warning::Truncated { truncated: self.truncated, candidates: self.candidates, max_tokens });
        warn(talk, &Warning::Empty { ids: self.empty_ids.clone() });
        let reasons = rows.skip_reasons().iter().map(ToString::to_string).collect();
        warn(talk, &Warning::Skipped { rows: rows.skipped(), file: rows.name().to_owned(), reasons });
        if self.candidates == 0 {
            warn(talk, &Warning::NoCandidates { file: rows.name().to_owned() });
        }
    }

    fn answers<'a>(&'a mut self, queries: &'a [Query], model: &ModelLine, min_score: Option<f32>) -> Vec<Answer<'a>> {
        let least = min_score.unwrap_or(f32::NEG_INFINITY);
        let kept = &self.kept;
        let ranked = |hit: Hit| {
            let kept = &kept[&hit.index];
            Ranked { hit, row: &kept.row, tokens: kept.tokens, truncated: kept.truncated }
        };
        let rank = |best: TopK| best.into_hits().into_iter().filter(|hit| hit.score >= least).map(ranked).collect();
        let (tokens, truncated) = (self.total_tokens, self.truncated);
        let answer = |(query, best)| Answer { query, model: model.clone(), tokens, truncated, results: rank(best) };
        queries.iter().zip(std::mem::take(&mut self.best)).map(answer).collect()
    }
}

/// An error of the ranking names a position; the user knows the row.
fn name_candidate(error: nearsort::Error, chunk: &[Row], first: usize) -> Failure {
    match error {
        nearsort::Error::NotANumber { index } => {
            let row = &chunk[index - first];
            Failure::Error(format!("{error}: id '{}', line {}", row.id, row.line))
        }
        other => other.into(),
    }
}

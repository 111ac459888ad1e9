//! `nearsort rerank`: candidates in, the best first.
//!
//! Rows are read and scored in chunks of at most 4,096 rows and some 64 MiB. With --top-k only the rows that can still be printed are kept, so that memory
//! depends on N and not on the number of candidates; without it every row is printed, and so every row is kept. Where a first stage's
//! scores are mixed in, which needs the whole list, 16 bytes per candidate are kept as well. Of a scorer that needs whole lists all rows are one chunk.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Instant;

use nearsort::answer::{Answer, Format, ModelRun, Ranked, Readings, WorkDone, check_trec_id};
use nearsort::io::{Query, Row, Rows};
use nearsort::ranking::{self, TopK};
use nearsort::scorer::list;
use nearsort::service::ServiceKind;
use nearsort::{Blend, Call, Hit, QueryReading, Reranker, Scored, Usage};

use crate::args::{BlendMethod, RerankArgs, Talk};
use crate::hints::{Warning, say, unscored_example, warn, warn_of_skipped};
use crate::outcome::CHECK_MODEL;
use crate::output;
use crate::progress::Counter;
use crate::ranker::{CHUNK_ROWS, load, name_query, queries};
use crate::reading::warn_of_readings;
use crate::service::DryRun;
use crate::{Failure, Outcome, Run, batch, judge, model, profile, rehearsal, rerank_index, service};

/// Ids of candidates without text that are kept: one more than a warning shows.
const KEPT_IDS: usize = 6;

pub fn run(args: &RerankArgs, talk: Talk) -> Run {
    if args.judge.print_prompt {
        return judge::print_prompt(&args.judge);
    }
    let args = &profile::applied(args)?;
    check(args)?;
    judge::check(args)?;
    let named = [&args.query_file, &args.run, &args.candidates].map(Option::as_ref);
    let inputs: Vec<_> = named.into_iter().chain([Some(&args.input)]).chain(args.corpus.iter().map(Some)).collect();
    model::with_rejects(&args.reading, args.output.as_deref(), &inputs, talk, |reading| {
        rank(&RerankArgs { reading, ..args.clone() }, talk)
    })
}

fn rank(args: &RerankArgs, talk: Talk) -> Run {
    let is_asked = args.asks(ServiceKind::Judge) || args.asks(ServiceKind::Rerank);
    if args.model.service.dry_run && (is_asked || !args.stages.is_empty()) {
        return rehearsal::rehearse(args, talk);
    }
    if let Some(dry) = DryRun::of(&args.model)? {
        return dry_run(args, dry, talk);
    }
    if let Some(index) = &args.index {
        return rerank_index::run(args, index, talk, &Counter::new(talk));
    }
    if args.run.is_some() || args.candidates.is_some() {
        return batch::run(args, talk, &Counter::of_batch(talk, args.progress));
    }
    let counter = Counter::new(talk);
    let queries = queries(args)?;
    let extra = model::reading_for(args)?.extra;
    let mut rows = model::open_rows(std::slice::from_ref(&args.input), &args.reading, extra, talk)?;
    let started = Instant::now();
    let reranker = load(args, talk)?;
    let loaded = started.elapsed();
    let call = counter.call();
    let collected = Collected::from_rows(&mut rows, &reranker, &queries, args, (&counter, &call));
    counter.finish();
    let mut collected = collected?;
    collected.used = call.usage();
    let model = reranker.model_run();
    collected.warn(&rows, &queries, &reranker, talk);
    judge::summarize(args, &collected.used, talk);
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
    let answers = collected.answers(&queries, &model, &reranker, args)?;
    let mut out = output::open_for(args)?;
    answers.iter().try_for_each(|answer| out.write(answer))?;
    out.finish()?;
    if output::format(args)? == Format::Trec {
        let repeated: Vec<&str> = answers.iter().flat_map(Answer::repeated).map(|ranked| &*ranked.id).collect();
        output::warn_of_repeated(talk, repeated.len(), repeated.first().copied());
    }
    Ok(if answers.iter().all(|answer| answer.results.is_empty()) { Outcome::Nothing } else { Outcome::Done })
}

/// Counts what would be sent: queries, and the candidates unless an index has their vectors.
fn dry_run(args: &RerankArgs, mut dry: DryRun, talk: Talk) -> Run {
    if args.index.is_none() && (args.run.is_some() || args.candidates.is_some()) {
        batch::count(args, &mut dry, talk)?;
        return dry.print();
    }
    dry.queries(queries(args)?.iter().map(|query| query.text.as_str()));
    if args.index.is_none() {
        dry.rows(&mut model::open_rows(std::slice::from_ref(&args.input), &args.reading, false, talk)?)?;
    }
    dry.print()
}

/// What can be known to be wrong before a model is loaded.
fn check(args: &RerankArgs) -> Result<(), Failure> {
    let wrong = |message: &str| Err(Failure::Error(message.into()));
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    let is_given = |path: &Option<PathBuf>| path.as_ref().is_some_and(is_stdin);
    model::blend(&args.scoring)?;
    output::format(args)?;
    if let Some(path) = &args.output {
        let inputs = [Some(&args.input), args.run.as_ref(), args.candidates.as_ref()];
        let inputs: Vec<_> = inputs.into_iter().chain(args.corpus.iter().map(Some)).collect();
        model::check_target(path, &inputs)?;
    }
    let from_stdin = [is_given(&args.query_file), is_given(&args.run), args.corpus.iter().any(is_stdin)];
    let has_input = args.run.is_none() && args.candidates.is_none() && is_stdin(&args.input);
    match args {
        RerankArgs { top_k: Some(0), .. } => wrong("--top-k must be at least 1"),
        RerankArgs { depth: Some(0), .. } => wrong("--depth must be at least 1"),
        RerankArgs { min_score: Some(least), .. } if least.is_nan() => {
            wrong("--min-score is not a number; scores of embedding models lie in -1..1, probabilities in 0..1")
        }
        _ if from_stdin.iter().filter(|stdin| **stdin).count() + usize::from(has_input) > 1 => {
            wrong("only one input can come from standard input; give a FILE for the others")
        }
        RerankArgs { run: None, candidates: None, resume, restart, shard, .. }
            if *resume || *restart || shard.is_some() =>
        {
            wrong("--resume, --restart and --shard are for jobs with --run or --candidates")
        }
        RerankArgs { shard: Some(_), output: None, .. } => {
            wrong("--shard needs --output: `nearsort merge` joins the shards' files")
        }
        RerankArgs { shard: Some(_), candidates: Some(path), .. } if is_stdin(path) => {
            wrong("--shard reads its input twice, which standard input cannot be; give a file")
        }
        RerankArgs { query_file: Some(_), run: None, scoring, .. }
            if scoring.blend.is_some_and(|b| b != BlendMethod::None) =>
        {
            wrong(
                "a candidate's first-stage score belongs to one query, and a file of queries has many; give the lists with --run or --candidates",
            )
        }
        _ => Ok(()),
    }
}

/// What is kept of one query.
struct PerQuery {
    /// The id that no candidate may have.
    ignored: Option<String>,
    best: TopK,
    reading: QueryReading,
    /// Of the candidates that can still be printed.
    pairs: HashMap<usize, Scored>,
}

impl PerQuery {
    fn new(query: &Query, top_k: usize, args: &RerankArgs) -> Self {
        let ignored = args.ignore_identical_ids.then(|| query.id.clone());
        Self { ignored, best: TopK::new(top_k), reading: QueryReading::default(), pairs: HashMap::new() }
    }
}

/// Both stages' scores of every candidate so far.
#[derive(Default)]
struct Mixing {
    model: Vec<f32>,
    first_stage: Vec<Option<f64>>,
    /// Candidates without text or score, ascending.
    left_out: Vec<usize>,
}

impl Mixing {
    /// The candidates among `kept` that can still be among the best `k`.
    fn winners(&self, kept: impl Iterator<Item = usize>, k: usize) -> HashSet<usize> {
        let scores = |index: usize| match self.left_out.binary_search(&index) {
            Ok(_) => (index, f64::NEG_INFINITY, self.first_stage[index].unwrap_or(f64::NEG_INFINITY)),
            Err(_) => (index, f64::from(self.model[index]), self.first_stage[index].unwrap_or(f64::NEG_INFINITY)),
        };
        let kept: Vec<(usize, f64, f64)> = kept.map(scores).collect();
        ranking::undominated(&kept, k).into_iter().collect()
    }
}

struct Collected {
    /// In the queries' order.
    queries: Vec<PerQuery>,
    rows: HashMap<usize, Row>,
    /// Where the first stage's scores count.
    mixing: Option<Mixing>,
    candidates: usize,
    total_tokens: u64,
    truncated: usize,
    empty: usize,
    /// The first of them: a warning shows no more.
    empty_ids: Vec<String>,
    unscored: usize,
    /// One of them and why.
    unscored_example: Option<String>,
    used: Usage,
}

impl Collected {
    fn from_rows(
        rows: &mut Rows,
        reranker: &Reranker,
        queries: &[Query],
        args: &RerankArgs,
        (counter, call): (&Counter, &Call<'_>),
    ) -> Result<Self, Failure> {
        let top_k = args.top_k.unwrap_or(usize::MAX);
        let mut collected = Self {
            queries: queries.iter().map(|query| PerQuery::new(query, top_k, args)).collect(),
            rows: HashMap::new(),
            mixing: None,
            candidates: 0,
            total_tokens: 0,
            truncated: 0,
            empty: 0,
            empty_ids: Vec::new(),
            unscored: 0,
            unscored_example: None,
            used: Usage::default(),
        };
        let is_trec = output::format(args)? == Format::Trec;
        let chunk_rows = if reranker.needs_whole_lists() { usize::MAX } else { CHUNK_ROWS };
        counter.expect(queries.len(), false);
        if args.query.is_some() && reranker.blend() != Blend::None {
            rows.need_scores();
        }
        loop {
            let chunk = rows.next_chunk(chunk_rows)?;
            if chunk.is_empty() {
                return Ok(collected);
            }
            if is_trec {
                chunk.iter().try_for_each(|row| check_trec_id(row, rows.name()))?;
            }
            if args.query.is_some() && reranker.blend() != Blend::None {
                collected.decide_mixing(&chunk, rows.name(), args)?;
            }
            counter.expect(chunk.len(), chunk.len() < chunk_rows);
            collected.add(chunk, reranker, queries, call)?;
            if let Some(k) = args.top_k {
                collected.forget_losers(k);
            }
        }
    }

    /// The first rows decide whether there is a first stage; later ones must not contradict them.
    fn decide_mixing(&mut self, chunk: &[Row], file: &str, args: &RerankArgs) -> Result<(), Failure> {
        let scored = chunk.iter().find(|row| row.first_stage_score.is_some());
        match (self.candidates, scored) {
            (0, Some(_)) => self.mixing = Some(Mixing::default()),
            (0, None) if args.scoring.blend.is_some() => {
                return Err(Failure::Error(format!(
                    "{file}: --blend needs the first stage's scores, and no candidate has a field 'score'; name the field with --score-field"
                )));
            }
            (1.., Some(row)) if self.mixing.is_none() => {
                return Err(Failure::Error(format!(
                    "{file}:{}: this row has a first-stage score, the first {} have none; give one to all, or say --blend none",
                    row.line, self.candidates
                )));
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, chunk: Vec<Row>, reranker: &Reranker, queries: &[Query], call: &Call<'_>) -> Result<(), Failure> {
        let first = self.candidates;
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        let scored = reranker.score_queries(&texts, &passages, call);
        let scored = scored.map_err(|error| name_query(error, |at| queries.get(at)))?;
        for scored in &scored {
            self.unscored += scored.unscored().count();
            if let (None, Some((at, reason))) = (&self.unscored_example, scored.unscored().next()) {
                self.unscored_example = Some(unscored_example(&chunk[at].id, reason));
            }
        }
        for (query, scored) in self.queries.iter_mut().zip(&scored) {
            query.reading.merge(scored.query);
            for (offset, pair) in scored.pairs.iter().enumerate() {
                if query.ignored.as_ref() == Some(&chunk[offset].id) {
                    continue;
                }
                query.best.push(first + offset, pair.ranked_by).map_err(|e| name_candidate(e, &chunk, first))?;
                query.pairs.insert(first + offset, pair.clone());
            }
        }
        if first == 0 {
            // Once, not once per chunk.
            self.total_tokens += scored.iter().map(|scored| u64::from(scored.query.tokens)).sum::<u64>();
        }
        // Tokens, truncation and emptiness of a candidate do not depend on the query.
        let Some(any) = scored.first() else { return Ok(()) };
        if let Some(mixing) = &mut self.mixing {
            mixing.model.extend(any.pairs.iter().map(|pair| pair.score));
            mixing.first_stage.extend(chunk.iter().map(|row| row.first_stage_score));
            let left_out = (first..).zip(&any.pairs).filter(|(_, pair)| !pair.is_scored());
            mixing.left_out.extend(left_out.map(|(at, _)| at));
        }
        self.total_tokens += any.document_tokens;
        self.truncated += any.num_truncated();
        self.empty += any.empty().count();
        let room = KEPT_IDS - self.empty_ids.len();
        self.empty_ids.extend(any.empty().take(room).map(|offset| chunk[offset].id.clone()));
        drop(passages);
        self.candidates = first + any.pairs.len();
        self.rows.extend((first..).zip(chunk));
        Ok(())
    }

    fn forget_losers(&mut self, k: usize) {
        if let Some(mixing) = &self.mixing {
            let winners = mixing.winners(self.rows.keys().copied(), k);
            self.queries.iter_mut().for_each(|query| query.pairs.retain(|index, _| winners.contains(index)));
        } else {
            for query in &mut self.queries {
                let winners: HashSet<usize> = query.best.indices().collect();
                query.pairs.retain(|index, _| winners.contains(index));
            }
        }
        let needed: HashSet<usize> = self.queries.iter().flat_map(|query| query.pairs.keys().copied()).collect();
        self.rows.retain(|index, _| needed.contains(index));
    }

    fn warn(&self, rows: &Rows, queries: &[Query], reranker: &Reranker, talk: Talk) {
        let max_tokens = reranker.model().map_or(0, |model| model.max_tokens);
        let mut readings = Readings::default();
        queries.iter().zip(&self.queries).for_each(|(query, read)| readings.add(&query.id, read.reading));
        warn_of_readings(talk, &readings, max_tokens, reranker.score_kind());
        warn(talk, &Warning::Truncated { truncated: self.truncated, candidates: self.candidates, max_tokens });
        warn(talk, &Warning::Empty { number: self.empty, ids: self.empty_ids.clone() });
        let candidates = self.candidates * self.queries.len();
        let example = self.unscored_example.clone().unwrap_or_default();
        warn(talk, &Warning::Unscored { unscored: self.unscored, candidates, example });
        if let Some(mixing) = &self.mixing {
            let unscored = mixing.first_stage.iter().filter(|score| score.is_none()).count();
            warn(talk, &Warning::NoFirstStage { unscored, candidates: self.candidates });
        }
        warn_of_skipped(talk, rows.skipped(), rows.name(), rows.skip_reasons());
        if self.candidates == 0 {
            warn(talk, &Warning::NoCandidates { file: rows.name().to_owned() });
        }
    }

    fn answers<'a>(
        &'a mut self,
        queries: &'a [Query],
        model: &'a ModelRun,
        reranker: &Reranker,
        args: &RerankArgs,
    ) -> Result<Vec<Answer<'a>>, Failure> {
        let k = args.top_k.unwrap_or(usize::MAX);
        let mixed = match &self.mixing {
            Some(Mixing { model, left_out, first_stage }) => {
                let mixed = list::mix(reranker.blend(), model, left_out, first_stage)?;
                mixed.map(|mixed| ranking::top_k(&mixed, k)).transpose()?
            }
            None => None,
        };
        let blend = mixed.is_some().then(|| reranker.blend());
        let hits = self.queries.iter_mut().map(|query| {
            let best = std::mem::replace(&mut query.best, TopK::new(0));
            mixed.clone().unwrap_or_else(|| best.into_hits())
        });
        let hits: Vec<Vec<Hit>> = hits.collect();
        let service = judge::add_usage(args, &self.used, service::usage(&args.model, &self.used));
        let mut answers = Vec::with_capacity(queries.len());
        for ((query, per_query), hits) in queries.iter().zip(&self.queries).zip(hits) {
            let ranked = |mut hit: Hit| {
                let (row, pair) = (&self.rows[&hit.index], per_query.pairs[&hit.index].clone());
                if blend.is_none() {
                    // What it is ranked by may be a finer number.
                    hit.score = pair.score;
                }
                let (id, first_stage) = (row.id.as_str().into(), row.first_stage_score);
                Ranked { hit, id, row: Some(row), pair, first_stage, explanation: None }
            };
            let least = args.min_score.unwrap_or(f32::NEG_INFINITY);
            let results = hits.into_iter().map(ranked).filter(|ranked| ranked.pair.score >= least);
            let mut results: Vec<Ranked<'a>> = results.collect();
            explain_results(&mut results, query, reranker, args)?;
            let work = WorkDone { tokens: self.total_tokens, truncated: self.truncated, service: service.clone() };
            let (reading, work) = (per_query.reading, Some(work));
            answers.push(Answer { query, model, index: None, blend, reading, work, results });
        }
        Ok(answers)
    }
}

/// Says why each result has its score, if that was asked.
pub fn explain_results(
    results: &mut [Ranked<'_>],
    query: &Query,
    reranker: &Reranker,
    args: &RerankArgs,
) -> Result<(), Failure> {
    if args.explain {
        for ranked in results {
            ranked.explanation = reranker.explain(&query.text, &ranked.passage())?;
        }
    }
    Ok(())
}

/// An error of the ranking names a position; the user knows the row.
fn name_candidate(error: nearsort::Error, chunk: &[Row], first: usize) -> Failure {
    let row = match &error {
        nearsort::Error::NotANumber { index } => index.checked_sub(first).and_then(|at| chunk.get(at)),
        _ => None,
    };
    match row {
        Some(row) => Failure::Error(format!("{error}: id '{}', line {}; {CHECK_MODEL}", row.id, row.line)),
        None => error.into(),
    }
}

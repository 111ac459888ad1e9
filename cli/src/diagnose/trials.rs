//! Other prompts and other poolings, tried on some judged queries. Loading a model again takes a tenth of a second.

use std::collections::HashMap;

use nearsort::diagnose::{Change, Observations, Trial, TrialList};
use nearsort::{Contract, LocalEncoder, LongText, Overrides, Pooling, Scoring};

use super::families::{Family, known};
use super::scoreroom::{Scoreroom, mode_scores};
use crate::Failure;
use crate::args::ModelArgs;
use crate::sample::draw;
use crate::words::quoted;

/// Queries that are tried, and candidates of each.
pub const QUERIES: usize = 30;
pub const CANDIDATES: usize = 20;

/// What is tried: a name, the change, and the model's options for it.
struct Plan {
    name: String,
    change: Change,
    arguments: String,
    model: ModelArgs,
}

/// Adds trials to what was observed, where there are judgements to measure them by; on how many queries.
pub fn add(
    observations: &mut Observations,
    texts: &[&str],
    encoder: &LocalEncoder,
    room: &Scoreroom<'_>,
) -> Result<usize, Failure> {
    let Some(qrels) = &observations.qrels else { return Ok(0) };
    let is_judged = |&at: &usize| {
        let query = &observations.queries[at];
        !query.candidates.is_empty() && qrels.grades(&query.id).is_some()
    };
    let judged: Vec<usize> = (0..observations.queries.len()).filter(is_judged).collect();
    let tried = draw(&judged, QUERIES, room.args.seed, |at| &observations.queries[at].id);
    if tried.is_empty() {
        return Ok(0);
    }
    let plans = plans(encoder, &room.args.model)?;
    let trials: Result<Vec<Trial>, Failure> =
        plans.into_iter().map(|plan| conduct(plan, observations, &tried, texts, room)).collect();
    observations.trials = trials?;
    Ok(if observations.trials.is_empty() { 0 } else { tried.len() })
}

fn conduct(
    plan: Plan,
    observations: &Observations,
    tried: &[usize],
    texts: &[&str],
    room: &Scoreroom<'_>,
) -> Result<Trial, Failure> {
    let mut place: HashMap<usize, usize> = HashMap::new();
    let mut some: Vec<&str> = Vec::new();
    let mut position = |document: usize| {
        *place.entry(document).or_insert_with(|| {
            some.push(texts[document]);
            some.len() - 1
        })
    };
    let lists: Vec<(&str, Vec<usize>)> = tried
        .iter()
        .map(|&at| {
            let query = &observations.queries[at];
            let first = query.candidates.iter().take(CANDIDATES);
            (query.text.as_str(), first.map(|candidate| position(candidate.document)).collect())
        })
        .collect();
    let reranker = room.reranker(&plan.model, Scoring::Hybrid, LongText::Truncate)?;
    let scored = room.score(&reranker, &lists, &some)?;
    let lists: Result<Vec<TrialList>, Failure> = tried
        .iter()
        .zip(&scored)
        .map(|(&query, scored)| Ok(TrialList { query, scores: mode_scores(scored)? }))
        .collect();
    Ok(Trial { change: plan.change, name: plan.name, arguments: plan.arguments, lists: lists? })
}

fn plans(encoder: &LocalEncoder, model: &ModelArgs) -> Result<Vec<Plan>, Failure> {
    let files = encoder.files();
    let own = Contract::read(files, &Overrides::default())?;
    let contract = encoder.contract();
    let mut names = vec![model.name(), &files.name];
    names.extend(files.entry.iter().flat_map(|entry| [entry.name.as_str(), entry.repo.as_str()]));
    let mut prompts = vec![Prompts::new("the model's own prompts", &own.query_prompt, &own.document_prompt)];
    prompts.extend(known(&names).iter().map(Prompts::of));
    prompts.push(Prompts::new("no prompts", "", ""));
    let mut seen = vec![(contract.query_prompt.clone(), contract.document_prompt.clone())];
    prompts.retain(|prompts| {
        let pair = (prompts.query.clone(), prompts.document.clone());
        let is_new = !seen.contains(&pair);
        seen.push(pair);
        is_new
    });
    let poolings = Pooling::ALL.into_iter().filter(|&pooling| pooling != contract.pooling);
    let with_prompts = prompts.into_iter().map(|prompts| prompts.plan(model));
    Ok(with_prompts.chain(poolings.map(|pooling| pooling_plan(pooling, own.pooling, model))).collect())
}

/// A pair of prompts with a name.
struct Prompts {
    name: String,
    query: String,
    document: String,
}

impl Prompts {
    fn new(name: &str, query: &str, document: &str) -> Self {
        Self { name: name.to_owned(), query: query.to_owned(), document: document.to_owned() }
    }

    fn of(family: &Family) -> Self {
        Self::new(&format!("{} prompts", family.name), family.query, family.document)
    }

    fn plan(self, model: &ModelArgs) -> Plan {
        let Self { name, query, document } = self;
        let arguments = format!("--query-prompt {} --document-prompt {}", quoted(&query), quoted(&document));
        let model =
            ModelArgs { query_prompt: Some(query.clone()), document_prompt: Some(document.clone()), ..model.clone() };
        Plan { name, change: Change::Prompts { query, document }, arguments, model }
    }
}

fn pooling_plan(pooling: Pooling, own: Pooling, model: &ModelArgs) -> Plan {
    let whose = if pooling == own { " (the model's own)" } else { "" };
    Plan {
        name: format!("{pooling} pooling{whose}"),
        change: Change::Pooling(pooling.to_string()),
        arguments: format!("--pooling {pooling}"),
        model: ModelArgs { pooling: Some(pooling), ..model.clone() },
    }
}

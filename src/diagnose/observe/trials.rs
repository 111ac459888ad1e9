//! Tries other prompts and other poolings on some judged queries. They share the weights of the
//! diagnosed model.

use std::collections::HashMap;

use super::families::{PromptFamily, known};
use super::room::{Asked, Room, mode_scores};
use crate::Result;
use crate::diagnose::{Change, Observations, Trial, TrialList};
use crate::encoder::{Contract, LocalEncoder, Overrides, Pooling};
use crate::eval::draw;
use crate::scorer::{LongText, Scoring};

/// Number of queries that other prompts and poolings are tried on.
pub const TRIED_QUERIES: usize = 30;
/// Number of candidates of each of these queries.
pub const TRIED_CANDIDATES: usize = 20;

/// A planned trial.
struct TrialPlan {
    name: String,
    change: Change,
    overrides: Overrides,
}

/// Adds trials to the observations, if there are judgements. Returns the number of queries tried.
pub fn add(
    observations: &mut Observations,
    texts: &[&str],
    encoder: &LocalEncoder,
    room: &Room<'_>,
    seed: u64,
) -> Result<usize> {
    let Some(qrels) = &observations.qrels else { return Ok(0) };
    let is_judged = |&at: &usize| {
        let query = &observations.queries[at];
        !query.candidates.is_empty() && qrels.grades(&query.id).is_some()
    };
    let judged: Vec<usize> = (0..observations.queries.len()).filter(is_judged).collect();
    let tried = draw(&judged, TRIED_QUERIES, seed, |at| &observations.queries[at].id);
    if tried.is_empty() {
        return Ok(0);
    }
    let plans = plans(encoder, &observations.setting.model)?;
    let trials: Result<Vec<Trial>> =
        plans.into_iter().map(|plan| conduct(plan, observations, &tried, texts, room)).collect();
    observations.trials = trials?;
    Ok(if observations.trials.is_empty() { 0 } else { tried.len() })
}

fn conduct(
    plan: TrialPlan,
    observations: &Observations,
    tried: &[usize],
    texts: &[&str],
    room: &Room<'_>,
) -> Result<Trial> {
    let (lists, some) = first_candidates(observations, tried, texts);
    let model = room.model.with_overrides(plan.overrides)?;
    let room = Room { model: &model, ..*room };
    let scored = room.score(&room.reranker(Scoring::Hybrid, LongText::Truncate)?, &lists, &some)?;
    let list = |(&query, scored)| Ok(TrialList { query, scores: mode_scores(scored)? });
    let lists = tried.iter().zip(&scored).map(list).collect::<Result<_>>()?;
    Ok(Trial { arguments: plan.change.arguments(), change: plan.change, name: plan.name, lists })
}

/// Returns the first candidates of the queries, and their texts, each once.
fn first_candidates<'a>(
    observations: &'a Observations,
    tried: &[usize],
    texts: &[&'a str],
) -> (Vec<Asked<'a>>, Vec<&'a str>) {
    let mut place: HashMap<usize, usize> = HashMap::new();
    let mut some: Vec<&str> = Vec::new();
    let mut position = |document: usize| {
        *place.entry(document).or_insert_with(|| {
            some.push(texts[document]);
            some.len() - 1
        })
    };
    let mut asked = |&at: &usize| {
        let query = &observations.queries[at];
        let first = query.candidates.iter().take(TRIED_CANDIDATES);
        (query.text.as_str(), first.map(|candidate| position(candidate.document)).collect())
    };
    (tried.iter().map(&mut asked).collect(), some)
}

/// Returns the planned trials. `name` is a further name of the model.
fn plans(encoder: &LocalEncoder, name: &str) -> Result<Vec<TrialPlan>> {
    let (files, used) = (encoder.files(), encoder.overrides());
    let own = Contract::read(files, &Overrides::default())?;
    let contract = encoder.contract();
    let mut names = vec![name, &files.name];
    names.extend(files.entry.iter().flat_map(|entry| [entry.name.as_str(), entry.repo.as_str()]));
    let mut prompts = vec![NamedPrompts::new("the model's own prompts", &own.query_prompt, &own.document_prompt)];
    prompts.extend(known(&names).iter().map(NamedPrompts::of));
    prompts.push(NamedPrompts::new("no prompts", "", ""));
    let mut seen = vec![(contract.query_prompt.clone(), contract.document_prompt.clone())];
    prompts.retain(|prompts| {
        let pair = (prompts.query.clone(), prompts.document.clone());
        let is_new = !seen.contains(&pair);
        seen.push(pair);
        is_new
    });
    // A static model's vector of a text is a mean, whatever is asked for.
    let poolings = Pooling::ALL.into_iter().filter(|&pooling| !encoder.is_static() && pooling != contract.pooling);
    let with_prompts = prompts.into_iter().map(|prompts| prompts.plan(used));
    Ok(with_prompts.chain(poolings.map(|pooling| pooling_plan(pooling, own.pooling, used))).collect())
}

/// A pair of prompts with a name.
struct NamedPrompts {
    name: String,
    query: String,
    document: String,
}

impl NamedPrompts {
    fn new(name: &str, query: &str, document: &str) -> Self {
        Self { name: name.to_owned(), query: query.to_owned(), document: document.to_owned() }
    }

    fn of(family: &PromptFamily) -> Self {
        Self::new(&format!("{} prompts", family.name), family.query, family.document)
    }

    fn plan(self, used: &Overrides) -> TrialPlan {
        let Self { name, query, document } = self;
        let prompts = (Some(query.clone()), Some(document.clone()));
        let overrides = Overrides { query_prompt: prompts.0, document_prompt: prompts.1, ..used.clone() };
        TrialPlan { name, change: Change::Prompts { query, document }, overrides }
    }
}

fn pooling_plan(pooling: Pooling, own: Pooling, used: &Overrides) -> TrialPlan {
    let whose = if pooling == own { " (the model's own)" } else { "" };
    TrialPlan {
        name: format!("{pooling} pooling{whose}"),
        change: Change::Pooling(pooling.to_string()),
        overrides: Overrides { pooling: Some(pooling), ..used.clone() },
    }
}

//! Estimates the cost of services: a run over services that only count.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nearsort::io::{Query, Rows};
use nearsort::job::CHUNK_ROWS;
use nearsort::remote::judge::Rehearsal;
use nearsort::service::{Service, ServiceKind, TokenCount};
use nearsort::{Call, Connect, Reranker, StageSpec};

use crate::args::ServiceArgs;
use crate::ranker::Ranker;
use crate::{Failure, Outcome, Run, service};

/// Replaces every service by one that counts its requests.
#[derive(Clone, Default)]
struct Rehearsals(Arc<Mutex<Vec<Arc<Rehearsal>>>>);

impl Rehearsals {
    fn connect(&self) -> Connect {
        let all = self.clone();
        Arc::new(move |provider, model| {
            let rehearsal = Arc::new(Rehearsal::new(provider, model));
            all.lock().push(Arc::clone(&rehearsal));
            Ok(rehearsal)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Rehearsal>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the requests of each model and their price.
    fn report(&self, args: &ServiceArgs) -> Result<String, Failure> {
        let mut text = String::new();
        for rehearsal in self.lock().iter() {
            let (provider, model, estimate) = (rehearsal.provider(), rehearsal.model(), rehearsal.estimate());
            let at_most = if rehearsal.is_exact() { "" } else { " at most" };
            let TokenCount { input, output, search_units } = estimate.tokens;
            // A judge answers in tokens, and is asked again if an answer cannot be read.
            let (requests, mut tokens) = match provider.offers(ServiceKind::Judge) {
                false => (estimate.requests.to_string(), format!("{input} sent{at_most}")),
                true => (
                    format!("{}, and one more for each unusable answer", estimate.requests),
                    format!("{input} sent{at_most}, {output} answered at most"),
                ),
            };
            if search_units > 0 {
                tokens += &format!("; {search_units} search units at most");
            }
            for (name, value) in [
                ("model", format!("{provider}:{model}")),
                ("requests", requests),
                ("tokens", tokens),
                ("cost", service::shown_cost(provider, model, args, |price| estimate.dollars(price))?),
            ] {
                text += &format!("{name:9} {value}\n");
            }
        }
        Ok(text)
    }
}

/// Prints the estimated cost of judging or reranking, and sends nothing. Local stages do run,
/// because they choose the candidates that are judged. `score` scores everything by the reranker
/// that it is given.
pub fn rehearse(ranker: &Ranker<'_>, score: impl FnOnce(&Reranker) -> Result<(), Failure>) -> Run {
    let kind_of = |stage: &StageSpec| stage.service().map(|service| ranker.args.judge.kind_of_stage(service));
    let embeds = |stage: &&StageSpec| kind_of(stage) == Some(ServiceKind::Embeddings);
    if let Some(stage) = ranker.args.stages.iter().find(embeds) {
        return Err(Failure::Error(format!(
            "--dry-run cannot compute the stage {stage}, which decides the candidates of the next one; estimate its model alone with --model"
        )));
    }
    let rehearsals = Rehearsals::default();
    score(&ranker.load_with(ranker.options()?.connect(rehearsals.connect()))?)?;
    io::stdout().write_all(rehearsals.report(&ranker.model.service)?.as_bytes())?;
    Ok(Outcome::Done)
}

/// Scores the rows of an input for each query.
pub fn score_rows(reranker: &Reranker, queries: &[Query], rows: &mut Rows) -> Result<(), Failure> {
    let queries: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    let size = if reranker.needs_whole_lists() { usize::MAX } else { CHUNK_ROWS };
    loop {
        let chunk = rows.next_chunk(size)?;
        if chunk.is_empty() {
            return Ok(());
        }
        let passages: Vec<_> = chunk.iter().map(|row| row.passage()).collect();
        reranker.score_queries(&queries, &passages, &Call::new())?;
    }
}

//! What asking services would take: a run over services that only count.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nearsort::remote::judge::Rehearsal;
use nearsort::service::{Service, ServiceKind, TokenCount};
use nearsort::{Call, Connect, Reranker, StageSpec};

use crate::args::{RerankArgs, ServiceArgs, Talk};
use crate::ranker::{CHUNK_ROWS, builder, queries};
use crate::{Failure, Outcome, Run, batch, model, service};

/// In the place of every service: counts what each is asked.
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

    /// What each model would be asked, and for how much.
    fn report(&self, args: &ServiceArgs) -> Result<String, Failure> {
        let mut text = String::new();
        for rehearsal in self.lock().iter() {
            let (provider, model, estimate) = (rehearsal.provider(), rehearsal.model(), rehearsal.estimate());
            let at_most = if rehearsal.is_exact() { "" } else { " at most" };
            let TokenCount { input, output, search_units } = estimate.tokens;
            // A judge answers in tokens, and is asked once more where the answer is of no use.
            let (requests, mut tokens) = match provider.offers(ServiceKind::Judge) {
                false => (estimate.requests.to_string(), format!("{input} sent{at_most}")),
                true => (
                    format!("{}, and one more for each answer of no use", estimate.requests),
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

/// Says what judging or reranking would take, and sends nothing. Stages that run on this machine do run, for they choose what is judged.
pub fn rehearse(args: &RerankArgs, talk: Talk) -> Run {
    let kind_of = |stage: &StageSpec| stage.service().map(|service| args.judge.kind_of_stage(service));
    let embeds = |stage: &&StageSpec| kind_of(stage) == Some(ServiceKind::Embeddings);
    if let Some(stage) = args.stages.iter().find(embeds) {
        return Err(Failure::Error(format!(
            "--dry-run cannot know the vectors of the stage {stage}, and so not which candidates come next; ask about its model alone with --model"
        )));
    }
    let rehearsals = Rehearsals::default();
    let reranker = builder(args, talk)?.connect(rehearsals.connect()).build()?;
    match args.run.is_some() || args.candidates.is_some() {
        true => batch::rehearse(args, &reranker, talk)?,
        false => rehearse_rows(args, &reranker, talk)?,
    }
    io::stdout().write_all(rehearsals.report(&args.model.service)?.as_bytes())?;
    Ok(Outcome::Done)
}

fn rehearse_rows(args: &RerankArgs, reranker: &Reranker, talk: Talk) -> Result<(), Failure> {
    let queries = queries(args)?;
    let queries: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    let mut rows = model::open_rows(std::slice::from_ref(&args.input), &args.reading, false, talk)?;
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

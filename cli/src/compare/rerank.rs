//! The models of a comparison: loads and times them, and reports their cost and warnings.

use nearsort::compare::{Cost, FirstStage, FirstStageOptions, RankedModel, System, Texts};
use nearsort::io::Run;
use nearsort::{Error, Reranker, ScoreKind};

use crate::args::{CompareArgs, ModelArgs, Talk};
use crate::hints::{Warning, warn};
use crate::notices::Speaker;
use crate::outcome::CHECK_MODEL;
use crate::progress::Counter;
use crate::reading::warn_of_readings;
use crate::session::Session;
use crate::{Failure, model};

/// Reranks the first stage's lists by each model, and passes each system to `done`.
pub fn rerank(
    args: &CompareArgs,
    run: &Run,
    texts: &Texts,
    models: &[RankedModel],
    session: &Session,
    mut done: impl FnMut(System) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if models.is_empty() {
        return Ok(());
    }
    let source = args.run.as_ref().map_or(String::new(), |path| path.display().to_string());
    let depth = args.depth.map(|depth| depth as usize);
    let options = FirstStageOptions { source, depth, leaves_out: args.reading.leaves_out() };
    let first_stage = FirstStage::new(run, texts, &options, &Speaker(session.talk)).map_err(of_lists)?;
    models.iter().try_for_each(|model| done(by_model(args, &first_stage, model, session)?))
}

fn by_model(
    args: &CompareArgs,
    first_stage: &FirstStage<'_>,
    asked: &RankedModel,
    session: &Session,
) -> Result<System, Failure> {
    let talk = session.talk;
    let counter = Counter::new(talk);
    let model = ModelArgs { name: Some(asked.model.clone()), ..args.model.clone() };
    let options = model::options(&model, session)?;
    let reranker = Reranker::load(&asked.model, options, asked.options)?;
    let reranked = first_stage.rerank(&asked.text, &asked.text, &reranker, &counter, &counter.call());
    counter.finish();
    let system = reranked.map_err(of_a_query)?;
    system.cost.iter().for_each(|cost| warn_of(cost, reranker.score_kind(), talk));
    Ok(system)
}

fn warn_of(cost: &Cost, kind: ScoreKind, talk: Talk) {
    let &Cost { truncated, candidates, max_tokens, empty, .. } = cost;
    warn(talk, &Warning::Empty { number: empty, ids: cost.empty_ids.clone() });
    warn(talk, &Warning::Truncated { truncated, candidates, max_tokens });
    warn_of_readings(talk, &cost.readings, max_tokens, kind);
}

fn of_lists(error: Error) -> Failure {
    match error {
        Error::MissingTexts { message } => Failure::Error(format!(
            "{message}; give the files that belong together, or leave them out with --bad-rows skip"
        )),
        error => error.into(),
    }
}

/// Puts the query before the error in a message.
fn of_a_query(error: Error) -> Failure {
    let Error::At { source, place } = error else { return error.into() };
    Failure::Error(match *source {
        Error::At { .. } | Error::QueryNotANumber { .. } => format!("{place}: {source}; {CHECK_MODEL}"),
        source => format!("{place}: {source}"),
    })
}

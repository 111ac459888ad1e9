//! Scores of pairs: `/score`, `/similarity`, `/predict`.

use std::sync::Arc;

use nearsort::{CandidateList, Model, Reranker, Role, Usage};

use super::fields::{ReadingFields, renamed};
use crate::app::App;
use crate::context::{Context, unix_time};
use crate::models::Served;
use crate::wire::WireError;
use crate::wire::{
    self, Contract, PredictRequest, PredictText, Prediction, Reply, ScoreAnswer, ScoreMap, ScoreRequest, ScoreSurface,
};
use crate::work::run;

type Read<T> = Result<T, WireError>;

/// Answers `/score` and `/similarity`.
pub(super) async fn score(app: &Arc<App>, request: Read<ScoreRequest>, context: &Context) -> Result<Reply, WireError> {
    let request = request?;
    let served = app.models.served(request.model.as_deref()).await?;
    let model = ReadingFields::from(&request).model(&served, Role::Query)?;
    let pairs = request.pairs().map(|(left, right)| (left.to_owned(), right.to_owned())).collect();
    let names = match request.surface {
        ScoreSurface::Vllm => ("text_1", "text_2"),
        ScoreSurface::Tei => ("inputs.source_sentence", "inputs.sentences"),
    };
    let scored = scores(app, &served, model, pairs, context).await;
    let (scores, usage) = scored.map_err(|error| renamed(error, names.0, names.1))?;
    let answer = ScoreAnswer {
        id: context.id.clone(),
        created: unix_time(),
        model: served.name.clone(),
        native: served.native(),
        scores,
        tokens: usage.tokens,
    };
    request.reply(&answer)
}

/// Answers `/predict` of pairs: the single class of a reranker.
pub(super) async fn predict(
    app: &Arc<App>,
    request: Read<PredictRequest>,
    context: &Context,
) -> Result<Reply, WireError> {
    let request = request?;
    let served = app.models.served(request.model.as_deref()).await?;
    let model = ReadingFields::from(&request).model(&served, Role::Query)?;
    let pairs = request.inputs.iter().enumerate().map(pair).collect::<Result<_, _>>()?;
    let label = served.label();
    let scored = scores(app, &served, model, pairs, context).await;
    let (scores, _) = scored.map_err(|error| renamed(error, "inputs", "inputs"))?;
    let map = ScoreMap::choose(served.native(), if request.raw_scores { Contract::Raw } else { Contract::Unit });
    let prediction = |score: f64| vec![Prediction { label: label.clone(), score: map.apply(score) }];
    let predictions: Vec<Vec<Prediction>> = scores.into_iter().map(prediction).collect();
    wire::predict_reply(&request, &predictions)
}

fn pair((at, input): (usize, &PredictText)) -> Result<(String, String), WireError> {
    match input {
        PredictText::Pair(left, right) => Ok((left.clone(), right.clone())),
        PredictText::Single(_) => Err(WireError::NotSupported {
            key: format!("inputs[{at}]"),
            reason: "a reranker scores pairs: send [query, text]".into(),
        }),
    }
}

/// Returns the model's numbers for pairs, in their order. Each query is read once.
async fn scores(
    app: &Arc<App>,
    served: &Arc<Served>,
    model: Option<Model>,
    pairs: Vec<(String, String)>,
    context: &Context,
) -> Result<(Vec<f64>, Usage), WireError> {
    let tokens = pairs.iter().map(|(left, right)| served.tokens_to_rank(left, std::iter::once(right.as_str()))).sum();
    let (by, count) = (Arc::clone(served), pairs.len());
    let own = model.map(Reranker::new);
    let (scores, usage) = run(app, context, served.demand(tokens), move |job| {
        let call = job.call();
        let texts: Vec<&str> = pairs.iter().map(|(_, right)| right.as_str()).collect();
        let groups = by_query(&pairs);
        let lists: Vec<CandidateList<'_>> =
            groups.iter().map(|(query, candidates)| CandidateList { query, candidates }).collect();
        let scored = own.as_ref().unwrap_or(&by.reranker).score_lists(&lists, &texts, &call)?;
        let mut scores = vec![f64::NAN; pairs.len()];
        for ((_, at), list) in groups.iter().zip(&scored) {
            at.iter().zip(&list.pairs).for_each(|(&at, pair)| scores[at] = f64::from(pair.ranked_by));
        }
        // A pair without text has no score; the reply gives it the lowest.
        Ok((scores, call.usage()))
    })
    .await?;
    app.worked(context, &served.name, count, &usage);
    Ok((scores, usage))
}

/// Groups pairs by query: the distinct queries in the order of their first pair, with the positions
/// of their pairs.
fn by_query(pairs: &[(String, String)]) -> Vec<(&str, Vec<usize>)> {
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for (at, (query, _)) in pairs.iter().enumerate() {
        let group = *known.entry(query.as_str()).or_insert_with(|| {
            groups.push((query, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(at);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_grouped_by_their_query() {
        let pairs: Vec<(String, String)> =
            [("a", "1"), ("b", "2"), ("a", "3")].map(|(l, r)| (l.to_owned(), r.to_owned())).into();
        assert_eq!(by_query(&pairs), [("a", vec![0, 2]), ("b", vec![1])]);
    }
}

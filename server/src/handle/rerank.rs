//! `/rerank` in all dialects.

use std::sync::Arc;

use nearsort::{OnDeadline, RankOptions, Reranker, Role, Scored, WindowScore};

use super::fields::ReadingFields;
use super::reading::Refusal;
use crate::app::App;
use crate::context::{Context, unix_time};
use crate::demand::Demand;
use crate::models::Served;
use crate::wire::{self, Candidate, Dialect, Reply, RerankAnswer, RerankRequest, Route, Span, WireError};
use crate::work::{offload, run};

/// Answers a request by its body.
pub(super) async fn answer(app: &Arc<App>, route: Route, body: Vec<u8>, context: &Context) -> Result<Reply, Refusal> {
    let limits = app.options.limits.request;
    let reading = wire::Reading { dialect: route.dialect, api_version: route.api_version, limits };
    let read = offload(body.len(), move || wire::read_rerank(&body, &reading)).await;
    let request = read.unwrap_or_else(|| Err((WireError::internal(), route.error_dialect())))?;
    let dialect = request.dialect;
    reply(app, request, context).await.map_err(|error| (error, dialect))
}

/// Returns the reply to a parsed request.
pub(super) async fn reply(app: &Arc<App>, request: RerankRequest, context: &Context) -> Result<Reply, WireError> {
    context.record.dialect(request.dialect);
    let request = Arc::new(request);
    let answer = app.rank(&request, context).await?;
    if request.return_documents.is_none() && request.dialect != Dialect::Weaviate {
        return wire::rerank_reply(&request, &answer);
    }
    let bytes = request.documents.iter().map(|document| document.text.len()).sum();
    let written = offload(bytes, move || wire::rerank_reply(&request, &answer)).await;
    written.unwrap_or_else(|| Err(WireError::internal()))
}

impl App {
    /// Ranks the documents of a request. Dropping the future ends the work within a micro-batch.
    ///
    /// # Errors
    /// A model that is unknown or cannot be loaded; a field that the model does not support; no
    /// room; a deadline.
    pub async fn rank(
        self: &Arc<Self>,
        request: &Arc<RerankRequest>,
        context: &Context,
    ) -> Result<RerankAnswer, WireError> {
        let served = self.models.served(request.model.as_deref()).await?;
        rank(self, &served, request, context).await
    }
}

/// Ranks a request's documents by a model.
///
/// # Errors
/// A field that the model does not support; no room; a deadline; errors of the model.
pub(super) async fn rank(
    app: &Arc<App>,
    served: &Arc<Served>,
    request: &Arc<RerankRequest>,
    context: &Context,
) -> Result<RerankAnswer, WireError> {
    let has_spans = request.relevant_spans.is_some();
    let reranker = reranker(served, request)?;
    let texts = request.documents.iter().map(|document| document.text.as_str());
    let tokens = served.tokens_to_rank(&request.query, texts);
    let demand = Demand { time: request.deadline_ms, priority: request.priority, ..served.demand(tokens) };
    let (by, asked) = (Arc::clone(served), Arc::clone(request));
    let answer = run(app, context, demand, move |job| {
        let texts: Vec<&str> = asked.documents.iter().map(|document| document.text.as_str()).collect();
        let reranker = reranker.as_ref().unwrap_or(&by.reranker);
        let ranking = reranker.rank(&asked.query, &texts).cancel(&job.token).progress(job.progress());
        let ranking = ranking.on_deadline(match asked.on_deadline {
            wire::OnDeadline::Error => OnDeadline::Error,
            wire::OnDeadline::Partial => OnDeadline::Partial,
        });
        match job.deadline {
            Some(deadline) => ranking.deadline(deadline).run(),
            None => ranking.run(),
        }
    })
    .await?;
    app.worked(context, &served.name, request.documents.len(), &answer.usage);
    let candidate = |index: usize| {
        let (pair, text) = (&answer.pairs[index], &request.documents[index].text);
        let spans = if has_spans { spans(pair, text, served) } else { Vec::new() };
        Candidate { index, native: f64::from(pair.ranked_by), spans }
    };
    let candidates = answer.hits.iter().map(|hit| candidate(hit.index)).collect();
    let mut ranked = RerankAnswer::new(context.id.clone(), served.name.clone(), served.native(), candidates)?;
    ranked.created = unix_time();
    ranked.scored = answer.is_partial.then_some(answer.scored);
    ranked.usage = wire::Usage { tokens: answer.usage.tokens };
    Ok(ranked)
}

/// Returns a reranker with the request's reading, or one that keeps windows for it; `None` if the
/// model's own serves.
fn reranker(served: &Served, request: &RerankRequest) -> Result<Option<Reranker>, WireError> {
    let model = ReadingFields::from(request).model(served, Role::Query)?;
    let windows = request.relevant_spans.is_some() && served.reads_windows();
    let model = match (model, &served.model) {
        (Some(model), _) => model,
        (None, Some(model)) if windows => model.clone(),
        _ => return Ok(None),
    };
    let built = Reranker::with(&model, RankOptions::default().windows(windows));
    built.map(Some).map_err(|error| WireError::Backend { detail: error.to_string() })
}

/// Returns a document's windows, best first, if the model reads long texts in windows. A window
/// that overlaps a better one is left out.
fn spans(pair: &Scored, text: &str, served: &Served) -> Vec<Span> {
    let map = wire::ScoreMap::choose(served.native(), wire::Contract::Unit);
    let mut windows: Vec<&WindowScore> = pair.windows.iter().filter(|window| !window.window.is_empty()).collect();
    windows.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.window.start.cmp(&b.window.start)));
    let mut kept: Vec<&WindowScore> = Vec::new();
    for window in windows {
        let overlaps =
            |other: &&WindowScore| window.window.start < other.window.end && other.window.start < window.window.end;
        if !kept.iter().any(overlaps) {
            kept.push(window);
        }
    }
    let span = |window: &WindowScore| wire::span(text, window.window.clone(), map.apply(f64::from(window.score)));
    kept.into_iter().filter_map(span).collect()
}

//! `/rerank` in all dialects.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nearsort::Scored;

use super::fields;
use super::reading::Refusal;
use crate::app::App;
use crate::context::Context;
use crate::models::Served;
use crate::wire::{self, Candidate, Dialect, Document, Reply, RerankAnswer, RerankRequest, Route, WireError};
use crate::work::{internal, offload, run};

/// From the body to the reply.
pub(super) async fn answer(
    app: &Arc<App>,
    route: Route,
    body: Vec<u8>,
    context: &Context,
) -> Result<Reply, Refusal> {
    let limits = app.options.limits.request;
    let reading = wire::Reading { dialect: route.dialect, api_version: route.api_version, limits };
    let read = offload(body.len(), move || wire::read_rerank(&body, &reading)).await;
    let request = read.unwrap_or_else(|| Err((internal(), route.error_dialect())))?;
    let dialect = request.dialect;
    reply(app, request, context).await.map_err(|error| (error, dialect))
}

/// The reply to a request that was read.
pub(super) async fn reply(app: &Arc<App>, request: RerankRequest, context: &Context) -> Result<Reply, WireError> {
    context.record.dialect(request.dialect);
    let answer = app.rank(&request, context).await?;
    if request.return_documents.is_none() && request.dialect != Dialect::Weaviate {
        return wire::rerank_reply(&request, &answer);
    }
    let bytes = request.documents.iter().map(|document| document.text.len()).sum();
    let written = offload(bytes, move || wire::rerank_reply(&request, &answer)).await;
    written.unwrap_or_else(|| Err(internal()))
}

impl App {
    /// Ranks the documents of a request. Dropping the future ends the work within a micro-batch.
    ///
    /// # Errors
    /// A model that is not known or cannot be loaded; a field that the model has no use for; no room; a deadline.
    pub async fn rank(
        self: &Arc<Self>,
        request: &RerankRequest,
        context: &Context,
    ) -> Result<RerankAnswer, WireError> {
        let served = self.models.served(request.model.as_deref()).await?;
        rank(self, &served, request, context).await
    }
}

/// Texts that go to a thread of their own.
struct Documents(Vec<Document>);

/// Ranks a request's documents by a model.
///
/// # Errors
/// A field that the model has no use for; no room; a deadline; what the model fails with.
pub(super) async fn rank(
    app: &Arc<App>,
    served: &Arc<Served>,
    request: &RerankRequest,
    context: &Context,
) -> Result<RerankAnswer, WireError> {
    fields::check_rerank(request, served)?;
    let texts = request.documents.iter().map(|document| document.text.as_str());
    let tokens = served.tokens_to_rank(&request.query, texts);
    let deadline = app.deadline(context, request.deadline_ms);
    let (query, documents) = (request.query.clone(), Documents(request.documents.clone()));
    let by = Arc::clone(served);
    let answer = run(app, tokens, deadline, move |job| {
        let texts: Vec<&str> = documents.0.iter().map(|document| document.text.as_str()).collect();
        let ranking = by.reranker.rank(&query, &texts).cancel(&job.token).progress(job.progress());
        match job.deadline {
            Some(deadline) => ranking.deadline(deadline).run(),
            None => ranking.run(),
        }
    })
    .await?;
    app.metrics.worked(&served.name, &answer.usage);
    context.record.worked(&served.name, request.documents.len(), &answer.usage);
    let candidate = |index: usize| candidate(index, &answer.pairs[index], &request.documents[index].text, served);
    let candidates = answer.hits.iter().map(|hit| candidate(hit.index)).collect();
    let mut ranked = RerankAnswer::new(context.id.clone(), served.name.clone(), served.native(), candidates)?;
    ranked.created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    ranked.usage = wire::Usage { tokens: answer.usage.tokens };
    Ok(ranked)
}

/// A document's number, and its best window as a span.
fn candidate(index: usize, pair: &Scored, text: &str, served: &Served) -> Candidate {
    let native = f64::from(pair.ranked_by);
    let unit = wire::ScoreMap::choose(served.native(), wire::Contract::Unit).apply(native);
    let window = pair.window.clone().filter(|window| !window.is_empty());
    let spans = window.and_then(|window| wire::span(text, window, unit)).into_iter().collect();
    Candidate { index, native, spans }
}

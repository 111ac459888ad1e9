//! One file per endpoint: takes a neutral request, returns a reply.

mod embeddings;
mod fields;
mod info;
mod pairs;
mod probes;
mod reading;
mod rerank;
mod search;
mod similarity;
mod tokenize;

use std::sync::Arc;

pub(crate) use probes::prove;
pub(crate) use reading::Refusal;
use reading::read;

use crate::app::App;
use crate::context::Context;
use crate::wire::{self, Endpoint, Reply, Route, WireError};

/// Answers a request.
///
/// # Errors
/// An error of the request or of the server.
pub(crate) async fn answer(app: &Arc<App>, route: Route, body: Vec<u8>, context: &Context) -> Result<Reply, Refusal> {
    let (limits, ids) = (app.options.limits.request, app.options.token_ids);
    let reply = match route.endpoint {
        Endpoint::Rerank => return rerank::answer(app, route, body, context).await,
        Endpoint::Embeddings => {
            embeddings::answer(app, read(body, move |b| wire::read_embeddings(b, ids, &limits)).await, context).await
        }
        Endpoint::Embed => {
            embeddings::answer(app, read(body, move |b| wire::read_embed(b, ids, &limits)).await, context).await
        }
        Endpoint::Score => pairs::score(app, read(body, move |b| wire::read_score(b, &limits)).await, context).await,
        Endpoint::Similarity => {
            similarity::answer(app, read(body, move |b| wire::read_similarity(b, &limits)).await, context).await
        }
        Endpoint::Predict => {
            pairs::predict(app, read(body, move |b| wire::read_predict(b, &limits)).await, context).await
        }
        Endpoint::Tokenize => {
            tokenize::answer(app, read(body, move |b| wire::read_tokenize(b, &limits)).await, context).await
        }
        Endpoint::Search => {
            search::answer(app, read(body, move |b| wire::read_search(b, &limits)).await, context).await
        }
        Endpoint::Root => root(app, body, context).await,
        Endpoint::Info => info::info(app).await,
        Endpoint::Models => Ok(info::models(app)),
        Endpoint::Live => Ok(probes::live(app)),
        Endpoint::Ready => Ok(probes::ready(app)),
    };
    reply.map_err(|error| (error, route.error_dialect()))
}

/// Answers `POST /` by the kind of the model, as TEI does.
async fn root(app: &Arc<App>, body: Vec<u8>, context: &Context) -> Result<Reply, WireError> {
    let (limits, ids) = (app.options.limits.request, app.options.token_ids);
    let served = app.models.served(None).await?;
    // For an embedding model this path returns vectors, whatever /info says, because
    // huggingface_hub posts its inputs here.
    let kind = served.kind(wire::ModelKind::Embedding);
    match read(body, move |b| wire::read_root(b, kind, ids, &limits)).await? {
        wire::RootRequest::Embed(request) => embeddings::answer(app, Ok(request), context).await,
        wire::RootRequest::Similarity(request) => similarity::answer(app, Ok(request), context).await,
        wire::RootRequest::Predict(request) => pairs::predict(app, Ok(request), context).await,
        wire::RootRequest::Rerank(request) => rerank::reply(app, request, context).await,
    }
}

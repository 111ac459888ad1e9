//! `/similarity`: the cosine of a text with others.

use std::sync::Arc;

use nearsort::Role;
use nearsort::similarity::cosine_similarities;

use super::fields::{ReadingFields, renamed};
use super::pairs;
use crate::app::App;
use crate::context::Context;
use crate::wire::{Native, Reply, ScoreAnswer, ScoreRequest, WireError};
use crate::work::run;

/// Compares embeddings, regardless of how the model ranks, because TEI's clients expect cosines. A
/// model without embeddings scores pairs.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Result<ScoreRequest, WireError>,
    context: &Context,
) -> Result<Reply, WireError> {
    let request = request?;
    let served = app.models.served(request.model.as_deref()).await?;
    let Some(encoder) = served.encoder() else { return pairs::score(app, Ok(request), context).await };
    let read = ReadingFields::from(&request).model(&served, Role::Document)?;
    let encoder = read.and_then(|model| model.encoder()).unwrap_or(encoder);
    let texts: Vec<String> = request.left.iter().take(1).chain(&request.right).cloned().collect();
    let tokens = served.tokens_to_embed(texts.iter().map(String::as_str));
    let compared = run(app, context, served.demand(tokens), move |job| {
        let call = job.call();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let vectors = encoder.encode_with(&texts, Role::Document, &call)?.vectors;
        // The first row is the text that the others are compared with.
        let all = cosine_similarities(vectors.row(0), vectors.view())?;
        Ok((all.into_iter().skip(1).map(f64::from).collect(), call.usage()))
    })
    .await;
    let (scores, usage) = compared.map_err(|error| renamed(error, "inputs", "inputs"))?;
    app.worked(context, &served.name, request.right.len() + 1, &usage);
    let (id, model) = (context.id.clone(), served.name.clone());
    request.reply(&ScoreAnswer { id, created: 0, model, native: Native::Cosine, scores, tokens: usage.tokens })
}

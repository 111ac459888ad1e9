//! `/v1/embeddings`, `/embeddings`, `/embed`.

use std::sync::Arc;

use nearsort::Role;

use super::fields::{ReadingFields, renamed, role_named};
use crate::app::App;
use crate::context::Context;
use crate::wire::{EmbedRequest, EmbedSurface, Embeddings, Reply, Usage, WireError};
use crate::work::run;

/// Answers a parsed request.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Result<EmbedRequest, WireError>,
    context: &Context,
) -> Result<Reply, WireError> {
    let request = request?;
    let served = app.models.served(request.model.as_deref()).await?;
    let Some(encoder) = served.encoder() else { return Err(served.refuse("embed")) };
    request.kept_dimensions(&served.name, encoder.dim())?;
    let role = request.prompt_name.as_deref().and_then(role_named).unwrap_or(Role::Document);
    let encoder = match ReadingFields::from(&request).model(&served, role)? {
        Some(model) => model.encoder().unwrap_or(encoder),
        None => encoder,
    };
    let tokens = served.tokens_to_embed(request.inputs.iter().map(String::as_str));
    let (name, count) = (served.name.clone(), request.inputs.len());
    let key = match request.surface {
        EmbedSurface::OpenAi => "input",
        EmbedSurface::Tei => "inputs",
    };
    let embedded = run(app, context, served.demand(tokens), move |job| {
        let call = job.call();
        let texts: Vec<&str> = request.inputs.iter().map(String::as_str).collect();
        let found = encoder.encode_with(&texts, role, &call)?;
        let vectors = found.vectors.rows().into_iter().map(|row| row.to_vec()).collect();
        let usage = call.usage();
        let answer = Embeddings { model: name, vectors, usage: Usage { tokens: usage.tokens } };
        Ok((answer.reply(&request), usage))
    })
    .await;
    let (reply, usage) = embedded.map_err(|error| renamed(error, key, key))?;
    app.worked(context, &served.name, count, &usage);
    reply
}

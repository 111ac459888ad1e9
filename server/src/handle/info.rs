//! `/info` and the list of models.

use std::sync::Arc;

use crate::app::App;
use crate::wire::{self, Info, ModelEntry, Reply, WireError};

/// Answers with the facts about the first model, and loads it.
pub(super) async fn info(app: &Arc<App>) -> Result<Reply, WireError> {
    let entry = app.models.entry(None)?;
    let served = app.models.served(None).await?;
    let info = served.info();
    let limits = app.options.limits;
    let (revision, precision) = match info {
        Some(info) => (info.revision, info.precision),
        None => (None, String::new()),
    };
    let facts = Info {
        model_id: entry.root().unwrap_or(&entry.name).to_owned(),
        model_sha: revision,
        served_model_name: entry.name.clone(),
        model_dtype: dtype(&precision).to_owned(),
        kind: served.kind(app.options.info_kind),
        pooling: None,
        max_input_length: served.max_tokens(),
        max_batch_tokens: usize::try_from(limits.queue_tokens).unwrap_or(usize::MAX),
        max_concurrent_requests: limits.connections,
        max_client_batch_size: limits.request.texts,
        auto_truncate: true,
        tokenization_workers: std::thread::available_parallelism().map_or(1, usize::from),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    Ok(facts.reply())
}

/// Returns TEI's name of a number type.
fn dtype(precision: &str) -> &str {
    match precision {
        "f32" => "float32",
        "f16" => "float16",
        "bf16" => "bfloat16",
        "i8" => "int8",
        other => other,
    }
}

/// Lists all models, loaded or not.
pub(super) fn models(app: &App) -> Reply {
    let entry = |entry: &Arc<crate::models::NamedModel>| ModelEntry {
        id: entry.name.clone(),
        root: entry.root().map(str::to_owned),
        created: entry.created,
    };
    wire::models_reply(&app.models.entries().iter().map(entry).collect::<Vec<_>>())
}

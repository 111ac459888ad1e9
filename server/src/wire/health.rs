//! Bodies of the probes and of the list of models.

use serde_json::{Value, json};

use super::reply::Reply;

/// Writes the reply to a probe: 200, or 503 with the reason.
///
/// Weaviate, Kubernetes and TEI's clients read the status only. `error` and `error_type` are TEI's.
pub fn health_reply(state: Result<(), &str>) -> Reply {
    match state {
        Ok(()) => Reply::json(&json!({ "status": "ok" })),
        Err(reason) => {
            let body = json!({ "status": "unavailable", "error": reason, "error_type": "Unhealthy" });
            Reply { status: 503, ..Reply::json(&body) }
        }
    }
}

/// A model that clients can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    pub id: String,
    /// The name of the model that an alias stands for; None for a name of its own.
    pub root: Option<String>,
    /// Seconds since 1970.
    pub created: u64,
}

/// Writes `GET /v1/models` in OpenAI's form. NVIDIA's clients look their model up there; vLLM says
/// `root` for aliases.
pub fn models_reply(models: &[ModelEntry]) -> Reply {
    let entry = |model: &ModelEntry| {
        let root = model.root.as_ref().unwrap_or(&model.id);
        json!({ "id": model.id, "object": "model", "created": model.created, "owned_by": "nearsort", "root": root })
    };
    Reply::json(&json!({ "object": "list", "data": models.iter().map(entry).collect::<Value>() }))
}

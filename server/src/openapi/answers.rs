//! Bodies of answers and refusals.

use serde_json::{Map, Value, json};

/// Returns the schemas by name.
pub(super) fn schemas() -> Map<String, Value> {
    let all = [
        ("Reranked", reranked()),
        ("RerankedTei", reranked_tei()),
        ("RerankedNim", reranked_nim()),
        ("RerankedWeaviate", reranked_weaviate()),
        ("EmbeddingList", embedding_list()),
        ("Vectors", json!({ "type": "array", "items": vector() })),
        ("ScoreList", score_list()),
        ("Numbers", json!({ "type": "array", "items": { "type": "number" } })),
        ("Predictions", predictions()),
        ("TokenLists", token_lists()),
        ("Info", info()),
        ("Models", models()),
        ("Found", found()),
        ("Health", health()),
        ("Refusal", refusal()),
        ("Anything", json!({ "type": "object" })),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn vector() -> Value {
    list(json!({ "type": "number" }))
}

fn usage() -> Value {
    object(&["prompt_tokens", "total_tokens"], json!({ "prompt_tokens": count(), "total_tokens": count() }))
}

fn result() -> Value {
    let span =
        object(&["start", "end", "score"], json!({ "start": count(), "end": count(), "score": { "type": "number" } }));
    object(
        &["index", "relevance_score"],
        json!({
            "index": { "type": "integer", "minimum": 0, "description": "Position in the request." },
            "relevance_score": { "type": "number" },
            "document": {
                "description": "Present if the request asked for documents.",
                "anyOf": [text(), object(&["text"], json!({ "text": text() }))],
            },
            "relevant_spans": list(span),
        }),
    )
}

/// Returns the schema that the union and the dialects beside it share: `results`, or Voyage's
/// `data`.
fn reranked() -> Value {
    let mut schema = object(
        &[],
        json!({
            "id": text(),
            "object": { "enum": ["rerank", "list"] },
            "created": count(),
            "model": text(),
            "results": list(result()),
            "data": list(result()),
            "usage": usage(),
            "meta": { "type": "object" },
            "score_kind": {
                "description": "The kind of the scores, or the map from the model's scores to [0, 1].",
                "type": "string",
            },
        }),
    );
    schema["description"] = json!("The results, best first; equal scores in the order of the request.");
    schema["anyOf"] = json!([{ "required": ["results"] }, { "required": ["data"] }]);
    schema
}

fn reranked_tei() -> Value {
    list(object(&["index", "score"], json!({ "index": count(), "score": { "type": "number" }, "text": text() })))
}

fn reranked_nim() -> Value {
    let entry = object(&["index", "logit"], json!({ "index": count(), "logit": { "type": "number" } }));
    object(&["rankings"], json!({ "rankings": list(entry), "usage": usage() }))
}

fn reranked_weaviate() -> Value {
    let entry = object(&["document", "score"], json!({ "document": text(), "score": { "type": "number" } }));
    let mut schema = object(&["query", "scores"], json!({ "query": text(), "scores": list(entry) }));
    schema["description"] = json!("The scores in the order of the request; Weaviate sorts.");
    schema
}

fn embedding_list() -> Value {
    let entry = object(
        &["object", "index", "embedding"],
        json!({ "object": { "const": "embedding" }, "index": count(), "embedding": { "anyOf": [vector(), text()] } }),
    );
    object(
        &["object", "data", "model", "usage"],
        json!({ "object": { "const": "list" }, "data": list(entry), "model": text(), "usage": usage() }),
    )
}

fn score_list() -> Value {
    let entry = object(
        &["index", "object", "score"],
        json!({ "index": count(), "object": { "const": "score" }, "score": { "type": "number" } }),
    );
    object(
        &["id", "object", "created", "model", "data", "usage"],
        json!({
            "id": text(), "object": { "const": "list" }, "created": count(), "model": text(), "data": list(entry),
            "usage": usage(),
        }),
    )
}

fn predictions() -> Value {
    let one = list(object(&["score", "label"], json!({ "score": { "type": "number" }, "label": text() })));
    json!({ "anyOf": [one, list(one.clone())] })
}

fn token_lists() -> Value {
    let place = json!({ "type": ["integer", "null"], "minimum": 0 });
    let token = object(
        &["id", "text", "special", "start", "stop"],
        json!({ "id": count(), "text": text(), "special": { "type": "boolean" }, "start": place, "stop": place }),
    );
    list(list(token))
}

fn info() -> Value {
    object(
        &["model_id", "model_type", "max_input_length", "max_client_batch_size", "version"],
        json!({
            "model_id": text(),
            "model_type": { "type": "object", "description": "The first key is `reranker`, `embedding` or `classifier`." },
            "max_input_length": count(),
            "max_client_batch_size": count(),
            "version": text(),
        }),
    )
}

fn models() -> Value {
    let model = object(&["id", "object"], json!({ "id": text(), "object": { "const": "model" } }));
    object(&["object", "data"], json!({ "object": { "const": "list" }, "data": list(model) }))
}

fn found() -> Value {
    let row = object(&["row", "id", "score"], json!({ "row": count(), "id": text(), "score": { "type": "number" } }));
    let properties = json!({
        "id": text(), "index": text(), "model": text(), "score_kind": text(), "results": list(row), "usage": usage(),
    });
    object(&["id", "index", "model", "score_kind", "results", "usage"], properties)
}

fn health() -> Value {
    object(&["status"], json!({ "status": text(), "error": text(), "error_type": text() }))
}

/// Returns the schema of a refusal. SDKs show `message` (Cohere), `detail` (Voyage),
/// `error.message` (OpenAI) or `error` (TEI) as text.
fn refusal() -> Value {
    let openai = object(
        &["message", "type"],
        json!({ "message": text(), "type": text(), "code": { "type": ["string", "null"] }, "param": { "type": ["string", "null"] } }),
    );
    object(
        &["error"],
        json!({
            "message": text(),
            "detail": text(),
            "error": { "anyOf": [text(), openai] },
            "error_type": text(),
            "id": text(),
        }),
    )
}

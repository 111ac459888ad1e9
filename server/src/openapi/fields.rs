//! The schemas of rerank bodies, from the readers' own tables of keys.

use serde_json::{Map, Value, json};

use crate::wire::{self, Dialect, Field};

/// All dialects, starting with that of the shared paths.
pub(super) const DIALECTS: &[Dialect] = &[
    Dialect::Union,
    Dialect::Tei,
    Dialect::Nim,
    Dialect::Weaviate,
    Dialect::Cohere,
    Dialect::Jina,
    Dialect::Voyage,
    Dialect::Infinity,
    Dialect::Vllm,
];

/// The dialects of bodies on a shared path.
pub(super) const SHARED: &[&str] = &["Rerank", "RerankTei", "RerankNim", "RerankWeaviate"];

/// The bodies of a rerank path under a prefix.
pub(super) const FORCED: &[&str] =
    &["RerankCohere", "RerankJina", "RerankVoyage", "RerankTei", "RerankInfinity", "RerankVllm", "RerankNim"];

pub(super) fn schema_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Union => "Rerank",
        Dialect::Cohere => "RerankCohere",
        Dialect::Jina => "RerankJina",
        Dialect::Voyage => "RerankVoyage",
        Dialect::Tei => "RerankTei",
        Dialect::Infinity => "RerankInfinity",
        Dialect::Vllm => "RerankVllm",
        Dialect::Nim => "RerankNim",
        Dialect::Weaviate => "RerankWeaviate",
    }
}

fn about(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Union => "Cohere v1 and v2, Jina, Voyage, vLLM, infinity and Xinference in one.",
        Dialect::Cohere => "Cohere v1 and v2, under `/cohere`.",
        Dialect::Jina => "Jina, under `/jina`.",
        Dialect::Voyage => "Voyage, under `/voyage`.",
        Dialect::Tei => "text-embeddings-inference.",
        Dialect::Infinity => "infinity, under `/infinity`.",
        Dialect::Vllm => "vLLM, under `/vllm`.",
        Dialect::Nim => "NVIDIA NIM.",
        Dialect::Weaviate => "Weaviate's reranker-transformers.",
    }
}

/// Returns the schema of a dialect's body.
pub(super) fn schema(dialect: Dialect) -> Value {
    let keys: Vec<(&str, Field)> = wire::keys(dialect).filter(|(key, _)| !is_of_another(dialect, key)).collect();
    let properties: Map<String, Value> =
        keys.iter().map(|(key, field)| ((*key).to_owned(), property(*field, dialect))).collect();
    let documents = keys.iter().find(|(_, field)| *field == Field::Documents).map_or("documents", |(key, _)| *key);
    let mut required = vec!["query", documents];
    if dialect == Dialect::Weaviate {
        required.push("property"); // What tells the dialect.
    }
    json!({
        "type": "object",
        "description": about(dialect),
        "required": required,
        "properties": properties,
        "examples": [example(dialect, documents)],
    })
}

/// Returns true for keys of other dialects that the union reads only to check that they are null.
fn is_of_another(dialect: Dialect, key: &str) -> bool {
    dialect == Dialect::Union && ["texts", "passages", "property"].contains(&key)
}

fn example(dialect: Dialect, documents: &str) -> Value {
    let mut body = json!({
        "query": "Where does the Eiffel Tower stand?",
        documents: ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."],
    });
    if dialect == Dialect::Weaviate {
        body["property"] = json!("");
    }
    body
}

fn property(field: Field, dialect: Dialect) -> Value {
    match field {
        Field::Model => nullable("string", "A model of `GET /v1/models`. Default: the server's first."),
        Field::Query => json!({
            "description": "The query, not blank.",
            "anyOf": [{ "type": "string", "pattern": "\\S" }, text_object()],
        }),
        Field::Documents => json!({
            "description": "The candidates. Empty texts rank last.",
            "type": "array",
            "minItems": 1,
            "items": { "anyOf": [{ "type": "string" }, text_object()] },
        }),
        Field::TopN => integer(0, "Maximum number of results. 0, null or more than the documents: all."),
        Field::ReturnDocuments => nullable("boolean", "True: results contain their document."),
        Field::RawScores => {
            nullable("boolean", "True: the model's own scores (logits, cosines), not mapped to [0, 1].")
        }
        Field::RankFields => json!({
            "description": "For documents that are objects: the fields whose values make up the text, one per line.",
            "type": ["array", "null"],
            "items": { "type": "string" },
        }),
        Field::MaxTokensPerDoc => integer(0, "Maximum tokens of a document. 0: the model's own limit."),
        Field::MaxTokensPerQuery => integer(0, "Maximum tokens of the query. 0: the model's own limit."),
        Field::TokensPerPair => {
            integer(-1, "Maximum tokens of query and document together. -1 or 0: the model's own limit.")
        }
        Field::Instruction => {
            nullable("string", "The instruction of a reranker that takes one, such as Qwen3-Reranker.")
        }
        Field::PromptName => nullable("string", "The name of one of the model's prompts."),
        Field::Truncation => truncation(),
        Field::TruncationSide => json!({
            "description": "The side of a long text that is cut.",
            "enum": ["left", "right", "Left", "Right", null],
        }),
        Field::RelevantSpans => relevant_spans(),
        Field::Priority => {
            json!({ "description": "Requests with a lower number begin first. Default: 0.", "type": ["integer", "null"], "minimum": 0, "maximum": 999 })
        }
        Field::DeadlineMs => integer(1, "Milliseconds after which the work is cancelled."),
        Field::OnDeadline => json!({
            "description": "The answer at the deadline: an error, or the results scored so far (`partial`).",
            "enum": ["error", "partial", null],
        }),
        Field::NoEffect if dialect == Dialect::Weaviate => {
            json!({ "type": "string", "description": "Marks the dialect; its value has no effect." })
        }
        Field::NoEffect => json!({ "description": "Accepted, without effect." }),
    }
}

fn truncation() -> Value {
    json!({
        "description": "`true`: long texts are cut. `START`, `END`: they are cut at this side. `false`, `NONE`: they are an error.",
        "anyOf": [{ "type": ["boolean", "null"] }, { "enum": ["NONE", "START", "END"] }],
    })
}

fn relevant_spans() -> Value {
    json!({
        "description": "`enabled`: results name the relevant parts of their document, in code points; `end` is exclusive.",
        "type": ["object", "null"],
        "properties": {
            "mode": { "enum": ["enabled", "disabled", null] },
            "threshold": {
                "description": "Spans with a higher score than this are returned. Default: 0.1.",
                "type": ["number", "null"], "minimum": 0, "maximum": 1,
            },
            "max_spans": integer(1, "Maximum number of spans per document. Default: all."),
        },
    })
}

fn text_object() -> Value {
    json!({ "type": "object", "required": ["text"], "properties": { "text": { "type": "string" } } })
}

pub(super) fn nullable(kind: &str, description: &str) -> Value {
    json!({ "description": description, "type": [kind, "null"] })
}

pub(super) fn integer(least: i64, description: &str) -> Value {
    json!({ "description": description, "type": ["integer", "null"], "minimum": least, "maximum": u32::MAX })
}

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
            "description": "What the documents are ranked for. Not blank.",
            "anyOf": [{ "type": "string", "pattern": "\\S" }, text_object()],
        }),
        Field::Documents => json!({
            "description": "The candidates. Empty texts rank last.",
            "type": "array",
            "minItems": 1,
            "items": { "anyOf": [{ "type": "string" }, text_object()] },
        }),
        Field::TopN => integer(0, "Results wanted; 0, null or more than there are documents: all."),
        Field::ReturnDocuments => nullable("boolean", "Whether results carry their document."),
        Field::RawScores => nullable("boolean", "Scores as the model gives them: logits, cosines."),
        Field::RankFields => json!({
            "description": "Fields of documents that are objects: their values, one a line, are the text.",
            "type": ["array", "null"],
            "items": { "type": "string" },
        }),
        Field::MaxTokensPerDoc => integer(0, "Tokens that are read of a document; 0: as many as the model takes."),
        Field::MaxTokensPerQuery => integer(0, "Tokens that are read of the query; 0: as many as the model takes."),
        Field::TokensPerPair => integer(-1, "Tokens of query and document together; -1 or 0: the model's own limit."),
        Field::Instruction => nullable("string", "What a reranker that follows instructions shall look for."),
        Field::PromptName => nullable("string", "A prompt of the model, by name."),
        Field::Truncation => truncation(),
        Field::TruncationSide => json!({
            "description": "The end of a long text that is cut away.",
            "enum": ["left", "right", "Left", "Right", null],
        }),
        Field::RelevantSpans => relevant_spans(),
        Field::Priority => {
            json!({ "description": "Lower is sooner.", "type": ["integer", "null"], "minimum": 0, "maximum": 999 })
        }
        Field::DeadlineMs => integer(1, "Milliseconds after which the work is given up."),
        Field::OnDeadline => json!({
            "description": "At the deadline: an error, or what is scored so far.",
            "enum": ["error", "partial", null],
        }),
        Field::NoEffect if dialect == Dialect::Weaviate => {
            json!({ "type": "string", "description": "Tells the dialect; its value has no effect." })
        }
        Field::NoEffect => json!({ "description": "Accepted, without effect." }),
    }
}

fn truncation() -> Value {
    json!({
        "description": "Whether long texts are cut (`true`, or the end to cut: `START`, `END`), or are an error (`false`, `NONE`).",
        "anyOf": [{ "type": ["boolean", "null"] }, { "enum": ["NONE", "START", "END"] }],
    })
}

fn relevant_spans() -> Value {
    json!({
        "description": "Whether results say which part of a document is relevant. Places are code points, `end` is exclusive.",
        "type": ["object", "null"],
        "properties": {
            "mode": { "enum": ["enabled", "disabled", null] },
            "threshold": {
                "description": "Spans that score more are given. Default: 0.1.",
                "type": ["number", "null"], "minimum": 0, "maximum": 1,
            },
            "max_spans": integer(1, "Spans per document. Default: all."),
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

//! Bodies of the requests that are not rerank requests.

use serde_json::{Map, Value, json};

use super::fields::{integer, nullable};

/// Returns the schemas by name.
pub(super) fn schemas() -> Map<String, Value> {
    let all = [
        ("Embeddings", embeddings()),
        ("EmbedTei", embed()),
        ("Score", score()),
        ("Similarity", similarity()),
        ("Predict", predict()),
        ("Tokenize", tokenize()),
        ("Search", search()),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn model() -> Value {
    nullable("string", "A model of `GET /v1/models`. Default: the server's first.")
}

/// Returns the schema of one text, or of a list of at least one.
fn texts(description: &str) -> Value {
    json!({
        "description": description,
        "anyOf": [{ "type": "string" }, { "type": "array", "minItems": 1, "items": { "type": "string" } }],
    })
}

fn side() -> Value {
    json!({ "description": "The side of a long text that is cut.", "enum": ["left", "right", "Left", "Right", null] })
}

fn embeddings() -> Value {
    json!({
        "type": "object",
        "description": "OpenAI's and Voyage's form. Lists of token ids need a server that was started with `--openai-token-ids`.",
        "required": ["input"],
        "properties": {
            "model": model(),
            "input": texts("The texts."),
            "encoding_format": { "description": "`float`: numbers. `base64`: little-endian 32-bit floats in base64.", "enum": ["float", "base64", null] },
            "dimensions": integer(1, "Number of leading dimensions to keep. Default: all."),
            "output_dimension": integer(1, "Voyage's name for `dimensions`."),
            "output_dtype": { "enum": ["float", null] },
            "input_type": { "description": "Voyage's field, which chooses the prompt.", "enum": ["query", "document", null] },
            "prompt_name": nullable("string", "The name of one of the model's prompts."),
            "truncation": nullable("boolean", "`true`: long texts are cut. `false`: they are an error."),
            "user": { "description": "Accepted, without effect." },
        },
        "examples": [{ "input": ["The Eiffel Tower stands in Paris."] }],
    })
}

fn embed() -> Value {
    json!({
        "type": "object",
        "description": "TEI's form.",
        "required": ["inputs"],
        "properties": {
            "inputs": texts("The texts."),
            "model": model(),
            "truncate": nullable("boolean", "`true`: long texts are cut. `false`: they are an error."),
            "truncation_direction": side(),
            "prompt_name": nullable("string", "The name of one of the model's prompts."),
            "normalize": nullable("boolean", "`true`: vectors get length 1. Default: by the model's files."),
            "encoding_format": { "enum": ["float", null] },
            "dimensions": integer(1, "Number of leading dimensions to keep. Default: all."),
        },
        "examples": [{ "inputs": "The Eiffel Tower stands in Paris." }],
    })
}

fn score() -> Value {
    let sides = [("text_1", "text_2"), ("queries", "documents"), ("queries", "items"), ("data_1", "data_2")];
    let mut properties = Map::new();
    for key in ["text_1", "text_2", "queries", "documents", "items", "data_1", "data_2"] {
        properties.insert(key.to_owned(), texts("One side of the pairs: one text, or as many as the other side has."));
    }
    properties.insert("model".to_owned(), model());
    properties.insert(
        "instruction".to_owned(),
        nullable("string", "The instruction of a reranker that takes one, such as Qwen3-Reranker."),
    );
    properties.insert(
        "truncate_prompt_tokens".to_owned(),
        integer(-1, "Maximum tokens of a pair. -1 or 0: the model's own limit."),
    );
    properties.insert("truncation_side".to_owned(), side());
    properties.insert("user".to_owned(), json!({ "description": "Accepted, without effect." }));
    json!({
        "type": "object",
        "description": "vLLM's form: two sides, under one of these pairs of names.",
        "anyOf": sides.map(|(a, b)| json!({ "required": [a, b] })),
        "properties": properties,
        "examples": [{ "text_1": "Where does the Eiffel Tower stand?", "text_2": ["In Paris.", "It is a museum."] }],
    })
}

fn similarity() -> Value {
    json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {
                "type": "object",
                "required": ["source_sentence", "sentences"],
                "properties": {
                    "source_sentence": { "type": "string" },
                    "sentences": { "type": "array", "minItems": 1, "items": { "type": "string" } },
                },
            },
            "parameters": {
                "type": ["object", "null"],
                "properties": {
                    "truncate": nullable("boolean", "`true`: long texts are cut. `false`: they are an error."),
                    "truncation_direction": side(),
                    "prompt_name": nullable("string", "The name of one of the model's prompts."),
                },
            },
            "model": model(),
        },
        "examples": [{ "inputs": { "source_sentence": "A tower.", "sentences": ["A high building.", "A river."] } }],
    })
}

fn predict() -> Value {
    let pair = json!({ "type": "array", "minItems": 1, "maxItems": 2, "items": { "type": "string" } });
    json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {
                "description": "A text, a pair of texts, or a list of lists of one or two texts.",
                "anyOf": [{ "type": "string" }, pair, { "type": "array", "minItems": 1, "items": pair }],
            },
            "raw_scores": nullable("boolean", "True: the model's logits instead of probabilities."),
            "truncate": nullable("boolean", "`true`: long texts are cut. `false`: they are an error."),
            "model": model(),
        },
        "examples": [{ "inputs": ["Where does the Eiffel Tower stand?", "In Paris."] }],
    })
}

fn tokenize() -> Value {
    json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": texts("The texts."),
            "add_special_tokens": nullable("boolean", "True: special tokens are included. Default: true."),
            "prompt_name": nullable("string", "The name of one of the model's prompts."),
            "model": model(),
        },
        "examples": [{ "inputs": "The Eiffel Tower" }],
    })
}

fn search() -> Value {
    json!({
        "type": "object",
        "required": ["query"],
        "properties": {
            "query": { "description": "The query, not blank.", "type": "string", "pattern": "\\S" },
            "index": nullable("string", "The name of an index of the server. Default: the only one."),
            "model": nullable("string", "Another name of `index`."),
            "top_n": integer(1, "Maximum number of rows. Default: 10."),
            "top_k": integer(1, "Another name of `top_n`."),
            "deadline_ms": integer(1, "Milliseconds after which the work is cancelled."),
        },
        "examples": [{ "query": "Where does the Eiffel Tower stand?", "top_n": 5 }],
    })
}

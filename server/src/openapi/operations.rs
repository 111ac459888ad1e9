//! All paths and methods, with their bodies and answers.

use serde_json::{Map, Value, json};

use super::fields;
use super::references::{any_of, reference};

/// A path and a method.
pub(super) struct Operation {
    /// The method in lower case.
    pub method: &'static str,
    pub path: &'static str,
    tag: &'static str,
    summary: &'static str,
    /// The schemas of the body, any of which it may have; empty for no body.
    body: &'static [&'static str],
    answer: OkContent,
}

/// The content of a 200.
enum OkContent {
    /// JSON of any of these schemas.
    Json(&'static [&'static str]),
    /// Text of this media type.
    Text(&'static str),
}

const RERANKING: &str = "Reranking";
const EMBEDDING: &str = "Embeddings";
const PAIRS: &str = "Pairs and tokens";
const SEARCHING: &str = "Search";
const TOOLS: &str = "Tools of language models";
const SERVER: &str = "The server";

const HEALTH: OkContent = OkContent::Json(&["Health"]);

/// All answers of a rerank path.
const RANKED: OkContent = OkContent::Json(&["Reranked", "RerankedTei", "RerankedNim", "RerankedWeaviate"]);

const fn rerank(path: &'static str, summary: &'static str) -> Operation {
    Operation { method: "post", path, tag: RERANKING, summary, body: fields::SHARED, answer: RANKED }
}

const fn post(
    path: &'static str,
    tag: &'static str,
    summary: &'static str,
    body: &'static [&'static str],
    answer: &'static [&'static str],
) -> Operation {
    Operation { method: "post", path, tag, summary, body, answer: OkContent::Json(answer) }
}

const fn get(path: &'static str, summary: &'static str, answer: OkContent) -> Operation {
    Operation { method: "get", path, tag: SERVER, summary, body: &[], answer }
}

pub(super) const OPERATIONS: &[Operation] = &[
    rerank("/rerank", "Rank documents for a query; the keys of the body set the dialect"),
    rerank("/v1/rerank", "The same; Cohere v1's path"),
    rerank("/v2/rerank", "The same; Cohere v2's path"),
    rerank("/reranking", "The same; llama.cpp's name"),
    rerank("/v1/reranking", "The same; llama.cpp's name"),
    post("/ranking", RERANKING, "Rank passages; always NVIDIA NIM", &["RerankNim"], &["RerankedNim"]),
    post("/v1/ranking", RERANKING, "Rank passages; always NVIDIA NIM", &["RerankNim"], &["RerankedNim"]),
    post(
        "/embeddings",
        EMBEDDING,
        "Vectors of texts, in OpenAI's and Voyage's form",
        &["Embeddings"],
        &["EmbeddingList"],
    ),
    post("/v1/embeddings", EMBEDDING, "The same", &["Embeddings"], &["EmbeddingList"]),
    post("/embed", EMBEDDING, "Vectors of texts, in TEI's form", &["EmbedTei"], &["Vectors"]),
    post("/score", PAIRS, "Scores of pairs, in vLLM's form", &["Score"], &["ScoreList"]),
    post("/v1/score", PAIRS, "The same", &["Score"], &["ScoreList"]),
    post("/similarity", PAIRS, "Similarities of a sentence to others, in TEI's form", &["Similarity"], &["Numbers"]),
    post("/predict", PAIRS, "Predictions of a cross-encoder for pairs, in TEI's form", &["Predict"], &["Predictions"]),
    post("/tokenize", PAIRS, "Tokens of texts, in TEI's form", &["Tokenize"], &["TokenLists"]),
    post(
        "/",
        PAIRS,
        "TEI's root: vectors, similarities, predictions or a ranking, depending on the body and the model",
        &["EmbedTei", "Similarity", "Predict", "RerankTei"],
        &["Vectors", "Numbers", "Predictions", "RerankedTei"],
    ),
    post("/search", SEARCHING, "The best rows of an index", &["Search"], &["Found"]),
    get("/info", "The first model, in TEI's form", OkContent::Json(&["Info"])),
    get("/v1/models", "The models that requests can name", OkContent::Json(&["Models"])),
    get("/models", "The same", OkContent::Json(&["Models"])),
    get("/livez", "Liveness: the workers make progress", HEALTH),
    get("/.well-known/live", "The same; Weaviate's name", HEALTH),
    get("/v1/health/live", "The same; NIM's name", HEALTH),
    get("/readyz", "Readiness: the self-test passed and the server accepts requests", HEALTH),
    get("/.well-known/ready", "The same; Weaviate's name", HEALTH),
    get("/health", "The same; TEI's name", HEALTH),
    get("/healthz", "The same", HEALTH),
    get("/ping", "The same", HEALTH),
    get("/v1/health/ready", "The same; NIM's name", HEALTH),
    get("/metrics", "Counters for Prometheus", OkContent::Text("application/openmetrics-text")),
    post(
        "/mcp",
        TOOLS,
        "The Model Context Protocol: tools `rerank`, `search` and `models`",
        &["Anything"],
        &["Anything"],
    ),
    get("/", "A page to try the server", OkContent::Text("text/html")),
    get("/docs", "This description as a page", OkContent::Text("text/html")),
    get("/openapi.json", "This description", OkContent::Json(&["Anything"])),
];

/// The groups, in the order of the page.
pub(super) fn tags() -> Value {
    [RERANKING, EMBEDDING, PAIRS, SEARCHING, TOOLS, SERVER].iter().map(|name| json!({ "name": name })).collect()
}

const UNAVAILABLE: &str = "The server is starting, stuck or shutting down.";

/// Statuses of refusals, and their causes. TEI's own are 422 and 424.
const REFUSALS: &[(&str, &str)] = &[
    ("400", "The request is wrong. The message names the field, the value found and the value expected."),
    ("401", "The API key is missing or wrong."),
    ("403", "The server has no keys, and the request's host name is not one of its own."),
    ("404", "The server has no such model."),
    ("408", "The body did not arrive in time."),
    ("413", "The body or its texts are too large."),
    ("415", "The body's media type is not JSON."),
    ("422", "The request is wrong (TEI's status)."),
    ("424", "The model failed (TEI's status)."),
    ("429", "The server is overloaded; try again after the seconds in `Retry-After`."),
    ("500", "The model failed."),
    ("501", "The server was started without this feature."),
    ("503", UNAVAILABLE),
    ("504", "The deadline has passed."),
];

impl Operation {
    /// Returns the operation's object in the file. `forced` is true under a prefix that forces the
    /// dialect.
    pub fn describe(&self, forced: bool) -> Value {
        let mut described = json!({
            "operationId": self.id(forced),
            "tags": [self.tag],
            "summary": self.summary,
            "responses": self.responses(forced),
        });
        if !self.body.is_empty() {
            let names = if forced && self.tag == RERANKING { fields::FORCED } else { self.body };
            described["requestBody"] =
                json!({ "required": true, "content": { "application/json": { "schema": any_of(names) } } });
        }
        if forced {
            described["parameters"] = json!([dialect_parameter()]);
        }
        described
    }

    /// Returns the operation's id, such as `post_v1_rerank`.
    fn id(&self, forced: bool) -> String {
        let path = self.path.replace(['/', '.', '-'], "_");
        let path = if path == "_" { "_root" } else { &path };
        format!("{}{}{path}", self.method, if forced { "_dialect" } else { "" })
    }

    fn responses(&self, forced: bool) -> Value {
        let mut responses = Map::new();
        responses.insert("200".to_owned(), self.answer.describe());
        if self.is_probe() {
            let content = json!({ "application/json": { "schema": reference("Health") } });
            responses.insert("503".to_owned(), json!({ "description": UNAVAILABLE, "content": content }));
        }
        if self.tag == TOOLS {
            responses.insert("202".to_owned(), json!({ "description": "A notification was accepted." }));
            responses
                .insert("default".to_owned(), json!({ "description": "A refusal of the protocol or of the server." }));
        }
        let is_refused = |status: &str| match status {
            _ if self.is_open() || self.tag == TOOLS => false,
            "401" | "403" => true,
            "503" => !self.body.is_empty() || self.path == "/info",
            _ => !self.body.is_empty(),
        };
        for (status, text) in REFUSALS.iter().filter(|(status, _)| is_refused(status)) {
            responses.entry(*status).or_insert_with(|| refusal(text));
        }
        if forced {
            responses.entry("404").or_insert_with(|| refusal("The dialect is unknown."));
        }
        Value::Object(responses)
    }

    /// Returns true if the operation needs no key.
    fn is_open(&self) -> bool {
        self.tag == SERVER && !matches!(self.path, "/info" | "/models" | "/v1/models")
    }

    fn is_probe(&self) -> bool {
        matches!(self.answer, OkContent::Json(["Health"]))
    }
}

impl OkContent {
    fn describe(&self) -> Value {
        match self {
            Self::Json(names) => {
                json!({ "description": "The answer.", "content": { "application/json": { "schema": any_of(names) } } })
            }
            Self::Text(kind) => {
                json!({ "description": "The answer.", "content": { *kind: { "schema": { "type": "string" } } } })
            }
        }
    }
}

fn refusal(description: &str) -> Value {
    json!({ "description": description, "content": { "application/json": { "schema": reference("Refusal") } } })
}

fn dialect_parameter() -> Value {
    json!({
        "name": "dialect",
        "in": "path",
        "required": true,
        "description": "The dialect of body and answer, regardless of the body's keys.",
        "schema": { "enum": crate::wire::prefixes().collect::<Vec<_>>() },
    })
}

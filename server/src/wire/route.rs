//! Paths: their endpoints, and the dialects that prefixes force.

use super::dialect::Dialect;
use super::error::WireError;
use super::rerank::ApiVersion;

/// The endpoint of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Rerank,
    /// OpenAI's and Voyage's form.
    Embeddings,
    /// TEI's form.
    Embed,
    Score,
    Similarity,
    Predict,
    Tokenize,
    Info,
    /// `POST /search`: nearsort's own.
    Search,
    /// The list of models.
    Models,
    /// Liveness of the process.
    Live,
    /// Readiness for requests.
    Ready,
    /// `POST /`: by the kind of the model.
    Root,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A path that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub endpoint: Endpoint,
    /// None: the keys of the body decide.
    pub dialect: Option<Dialect>,
    pub api_version: ApiVersion,
}

impl Route {
    /// Returns the dialect of a refusal before the body is read, and of endpoints other than
    /// rerank.
    pub fn error_dialect(&self) -> Dialect {
        let own = match self.endpoint {
            Endpoint::Embed | Endpoint::Similarity | Endpoint::Predict => Dialect::Tei,
            Endpoint::Tokenize | Endpoint::Info | Endpoint::Root => Dialect::Tei,
            _ => Dialect::Union,
        };
        self.dialect.unwrap_or(own)
    }
}

/// Prefixes that force a dialect, for bodies that do not show it: LiteLLM's `infinity/` sends the
/// bytes of its `hosted_vllm/`.
const PREFIXES: &[(&str, Dialect)] = &[
    ("/cohere", Dialect::Cohere),
    ("/jina", Dialect::Jina),
    ("/voyage", Dialect::Voyage),
    ("/tei", Dialect::Tei),
    ("/infinity", Dialect::Infinity),
    ("/vllm", Dialect::Vllm),
    ("/nim", Dialect::Nim),
];

const PATHS: &[(&str, Method, Endpoint)] = &[
    ("/rerank", Method::Post, Endpoint::Rerank),
    ("/v1/rerank", Method::Post, Endpoint::Rerank),
    ("/v2/rerank", Method::Post, Endpoint::Rerank),
    // llama.cpp's other names.
    ("/reranking", Method::Post, Endpoint::Rerank),
    ("/v1/reranking", Method::Post, Endpoint::Rerank),
    ("/ranking", Method::Post, Endpoint::Rerank),
    (RANKING, Method::Post, Endpoint::Rerank),
    ("/embeddings", Method::Post, Endpoint::Embeddings),
    ("/v1/embeddings", Method::Post, Endpoint::Embeddings),
    ("/embed", Method::Post, Endpoint::Embed),
    ("/score", Method::Post, Endpoint::Score),
    ("/v1/score", Method::Post, Endpoint::Score),
    ("/similarity", Method::Post, Endpoint::Similarity),
    ("/predict", Method::Post, Endpoint::Predict),
    ("/tokenize", Method::Post, Endpoint::Tokenize),
    ("/info", Method::Get, Endpoint::Info),
    ("/search", Method::Post, Endpoint::Search),
    ("/models", Method::Get, Endpoint::Models),
    ("/v1/models", Method::Get, Endpoint::Models),
    ("/livez", Method::Get, Endpoint::Live),
    // Weaviate's names.
    ("/.well-known/live", Method::Get, Endpoint::Live),
    ("/.well-known/ready", Method::Get, Endpoint::Ready),
    ("/readyz", Method::Get, Endpoint::Ready),
    // TEI's, infinity's and vLLM's names; NIM's.
    ("/health", Method::Get, Endpoint::Ready),
    ("/healthz", Method::Get, Endpoint::Ready),
    ("/ping", Method::Get, Endpoint::Ready),
    ("/v1/health/live", Method::Get, Endpoint::Live),
    ("/v1/health/ready", Method::Get, Endpoint::Ready),
    ("/", Method::Post, Endpoint::Root),
];

/// NIM's own path: always its dialect.
const RANKING: &str = "/v1/ranking";

/// TEI's endpoints that nearsort does not have: 501.
const NOT_OFFERED: &[(&str, &str)] = &[
    ("/embed_sparse", "nearsort has no sparse models"),
    ("/embed_all", "nearsort gives one vector per text; use /embed"),
    ("/decode", "nearsort does not turn token ids into text"),
];

/// Returns all methods and paths that [`route`] knows, without the prefixes that force a dialect.
pub(crate) fn paths() -> impl Iterator<Item = (&'static str, &'static str)> {
    PATHS.iter().map(|(path, method, _)| (method.name(), *path))
}

/// Returns the prefixes that force a dialect, without their slash.
pub(crate) fn prefixes() -> impl Iterator<Item = &'static str> {
    PREFIXES.iter().map(|(prefix, _)| &prefix[1..])
}

/// Finds the route of a path without its query string. A slash at the end does not matter.
///
/// # Errors
/// An unknown path, another method, or an endpoint of TEI that is not offered.
pub fn route(method: &str, path: &str) -> Result<Route, WireError> {
    let (dialect, rest) = split(path);
    let rest = if rest.len() > 1 { rest.strip_suffix('/').unwrap_or(rest) } else { rest };
    if let Some((_, reason)) = NOT_OFFERED.iter().find(|(known, _)| *known == rest) {
        return Err(WireError::NotOffered { path: rest.to_owned(), reason });
    }
    let known = PATHS.iter().find(|(known, _, _)| *known == rest);
    let (_, wanted, endpoint) = known.ok_or_else(|| WireError::UnknownPath { path: path.to_owned() })?;
    check_method(method, *wanted, path)?;
    let own = matches!(rest, RANKING | "/ranking").then_some(Dialect::Nim);
    let api_version = if rest.starts_with("/v1/") { ApiVersion::V1 } else { ApiVersion::V2 };
    Ok(Route { endpoint: *endpoint, dialect: own.or(dialect), api_version })
}

/// Returns the forced dialect and the path after its prefix.
fn split(path: &str) -> (Option<Dialect>, &str) {
    let behind = |prefix: &str| path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let found = PREFIXES.iter().find_map(|(prefix, dialect)| Some((Some(*dialect), behind(prefix)?)));
    match found {
        Some((dialect, "")) => (dialect, "/"),
        Some(found) => found,
        None => (None, path),
    }
}

fn check_method(method: &str, wanted: Method, path: &str) -> Result<(), WireError> {
    // HEAD is GET without its body, which HTTP leaves out by itself.
    if method == wanted.name() || (method == "HEAD" && wanted == Method::Get) {
        return Ok(());
    }
    let wanted = wanted.name();
    let found = if method.len() <= 16 { method } else { "another method" };
    Err(WireError::WrongMethod { path: path.to_owned(), found: found.to_owned(), wanted })
}

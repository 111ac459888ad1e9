//! The dialects, and their detection by the body.

use serde_json::{Map, Value};

/// The format of request and answer bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Cohere, Jina, Voyage, vLLM and infinity at once: one answer that all their clients read.
    Union,
    Cohere,
    Jina,
    Voyage,
    Tei,
    Infinity,
    Vllm,
    Nim,
    Weaviate,
}

/// A sign of a dialect in a body.
enum Sign {
    /// A key that is there, and not null.
    Key(&'static str),
    /// An object under the first key, and nothing under the second. (Jina's multimodal query is an
    /// object beside `documents`.)
    ObjectWithout(&'static str, &'static str),
}

/// The signs, in the order of their checks. The first one that a body has decides; without any, it
/// is the union.
const SIGNS: &[(Sign, Dialect)] = &[
    (Sign::Key("texts"), Dialect::Tei),
    // Weaviate's Go client always sends it, mostly as "".
    (Sign::Key("property"), Dialect::Weaviate),
    (Sign::Key("passages"), Dialect::Nim),
    (Sign::ObjectWithout("query", "documents"), Dialect::Nim),
];

impl Dialect {
    /// Returns the dialect of a body on a shared path.
    pub fn detect(body: &Map<String, Value>) -> Self {
        let given = |key: &str| body.get(key).filter(|value| !value.is_null());
        let shown = |sign: &Sign| match sign {
            Sign::Key(key) => given(key).is_some(),
            Sign::ObjectWithout(key, other) => given(key).is_some_and(Value::is_object) && given(other).is_none(),
        };
        SIGNS.iter().find(|(sign, _)| shown(sign)).map_or(Self::Union, |(_, dialect)| *dialect)
    }

    /// Returns true if documents are returned by default.
    pub(super) fn returns_documents(self) -> bool {
        // vLLM has no `return_documents`; Jina's default is true by a third party's page (not
        // verified).
        matches!(self, Self::Vllm | Self::Jina | Self::Weaviate)
    }
}

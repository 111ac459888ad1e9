//! The description of the API: OpenAPI 3.1 as a file, and the same as a page.
//!
//! [`description`] is built from the tables that the server itself uses: paths of [`wire::paths`],
//! keys of rerank bodies of [`wire::keys`]. The rest is written in `bodies.rs` and `answers.rs`;
//! tests compare it with the readers. `docs/openapi.json` is the same file, kept up to date by a
//! test.

mod answers;
mod bodies;
mod docs;
mod fields;
mod operations;
mod references;

use serde_json::{Map, Value, json};

use crate::page::Page;
use crate::wire;
use operations::{OPERATIONS, Operation};

/// Returns the description as one page of HTML without scripts.
pub(crate) fn page() -> Page {
    docs::page(&description())
}

/// Returns the description.
pub(crate) fn description() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "nearsort",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Puts the best candidates first, on your own machine.",
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "bearer": [] }, { "x-api-key": [] }, { "api-key": [] }],
        "tags": operations::tags(),
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "x-api-key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                "api-key": { "type": "apiKey", "in": "header", "name": "api-key" },
            },
            "schemas": schemas(),
        },
    })
}

const ABOUT: &str = "Clients of Cohere, Jina, Voyage, vLLM, infinity, text-embeddings-inference (TEI), NVIDIA NIM and Weaviate \
work unchanged. On shared paths the keys of a rerank body set the dialect: `texts` is TEI, `property` is Weaviate, `passages` is \
NIM. All other bodies get one answer that all other clients can read. A prefix such as `/infinity` forces a dialect. Optional fields \
may be null. Booleans may be the strings \"true\" and \"false\". Unknown fields are ignored, and named in `meta.warnings` or in the \
header `x-nearsort-warnings`. Requests need an API key only if the server was started with keys.";

/// Returns all paths: those of the table, and those with a prefix that forces a dialect.
fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        insert(&mut paths, operation.path, operation.method, operation.describe(false));
        if wire::paths().any(|(_, path)| path == operation.path) && operation.is_wire() {
            let path = format!("/{{dialect}}{}", operation.path.trim_end_matches('/'));
            insert(&mut paths, &path, operation.method, operation.describe(true));
        }
    }
    paths
}

fn insert(paths: &mut Map<String, Value>, path: &str, method: &str, described: Value) {
    let item = paths.entry(path).or_insert_with(|| json!({}));
    if let Value::Object(item) = item {
        item.insert(method.to_owned(), described);
    }
}

fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    for dialect in fields::DIALECTS {
        all.insert(fields::schema_name(*dialect).to_owned(), fields::schema(*dialect));
    }
    all.extend(bodies::schemas());
    all.extend(answers::schemas());
    all
}

impl Operation {
    /// Returns true for a path of the wire, which prefixes serve as well.
    fn is_wire(&self) -> bool {
        wire::paths().any(|(method, path)| path == self.path && method.eq_ignore_ascii_case(self.method))
    }
}

#[cfg(test)]
mod tests;

//! Compares the description with the code that it describes.

use std::collections::BTreeSet;
use std::path::Path;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::wire::{Dialect, Reading, RequestLimits, TokenIds, body_keys, read_rerank};

type Keys<'a> = BTreeSet<&'a str>;

fn of_schema<'a>(all: &'a Value, name: &str) -> Keys<'a> {
    all["components"]["schemas"][name]["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// Rewrites an outdated file, so that the change can be reviewed before it is committed.
#[test]
fn the_file_under_docs_is_this_description() {
    let text = serde_json::to_string_pretty(&description()).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::fs::read_to_string(&path).unwrap_or_default() != text {
        std::fs::write(&path, &text).unwrap();
        panic!("{} was out of date and is written anew: look at the change, then commit it", path.display());
    }
}

#[test]
fn every_path_of_the_wire_is_described_and_every_prefix() {
    let all = description();
    for (method, path) in wire::paths() {
        let method = method.to_lowercase();
        assert!(all["paths"][path][&method].is_object(), "{method} {path}");
        let forced = format!("/{{dialect}}{}", path.trim_end_matches('/'));
        let values = &all["paths"][&forced][&method]["parameters"][0]["schema"]["enum"];
        assert_eq!(values.as_array().unwrap().len(), wire::prefixes().count(), "{method} {forced}");
    }
}

#[test]
fn bodies_have_the_keys_that_their_readers_know() {
    let all = description();
    let known = |keys: &'static [&'static str]| keys.iter().copied().collect::<Keys<'_>>();
    let sides = body_keys::SCORE_SIDES.iter().flat_map(|(a, b)| [*a, *b]);
    let score: Keys<'_> = sides.chain(body_keys::SCORE_OTHER.iter().copied()).collect();
    assert_eq!(of_schema(&all, "Score"), score);
    assert_eq!(of_schema(&all, "Embeddings"), known(body_keys::EMBEDDINGS));
    assert_eq!(of_schema(&all, "EmbedTei"), known(body_keys::EMBED));
    assert_eq!(of_schema(&all, "Similarity"), known(body_keys::SIMILARITY));
    assert_eq!(of_schema(&all, "Search"), known(body_keys::SEARCH));
    assert_eq!(of_schema(&all, "Predict"), known(body_keys::PREDICT));
    assert_eq!(of_schema(&all, "Tokenize"), known(body_keys::TOKENIZE));
}

#[test]
fn examples_are_read_without_a_warning() {
    let all = description();
    for dialect in fields::DIALECTS {
        let example = &all["components"]["schemas"][fields::schema_name(*dialect)]["examples"][0];
        let forced = !matches!(dialect, Dialect::Union | Dialect::Tei | Dialect::Nim | Dialect::Weaviate);
        let reading = Reading { dialect: forced.then_some(*dialect), ..Reading::default() };
        let read = read_rerank(example.to_string().as_bytes(), &reading).unwrap();
        assert_eq!((read.dialect, read.warnings), (*dialect, Vec::new()));
    }
    let bytes = |name: &str| all["components"]["schemas"][name]["examples"][0].to_string().into_bytes();
    let limits = RequestLimits::default();
    assert_eq!(wire::read_embeddings(&bytes("Embeddings"), TokenIds::Refuse, &limits).unwrap().warnings.len(), 0);
    assert_eq!(wire::read_embed(&bytes("EmbedTei"), TokenIds::Refuse, &limits).unwrap().warnings.len(), 0);
    assert_eq!(wire::read_score(&bytes("Score"), &limits).unwrap().warnings.len(), 0);
    assert_eq!(wire::read_similarity(&bytes("Similarity"), &limits).unwrap().warnings.len(), 0);
    assert_eq!(wire::read_search(&bytes("Search"), &limits).unwrap().warnings.len(), 0);
    assert_eq!(wire::read_predict(&bytes("Predict"), &limits).unwrap().warnings.len(), 0);
    assert_eq!(wire::read_tokenize(&bytes("Tokenize"), &limits).unwrap().warnings.len(), 0);
}

/// Collects every `$ref` of a value.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|inner| references(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_a_schema_and_every_schema_is_used() {
    let all = description();
    let mut found = Vec::new();
    references(&all, &mut found);
    let named: Keys<'_> = found.iter().map(|path| path.strip_prefix("#/components/schemas/").unwrap()).collect();
    let schemas: Keys<'_> = all["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(named, schemas);
}

#[test]
fn the_page_has_every_path_and_schema_and_escapes_what_it_shows() {
    let all = description();
    let html = page().html;
    for path in all["paths"].as_object().unwrap().keys() {
        assert!(html.contains(&format!(" {path}</code>")), "{path}");
    }
    for name in all["components"]["schemas"].as_object().unwrap().keys() {
        assert!(html.contains(&format!("<h3 id=\"{name}\">")), "{name}");
    }
    let hostile = json!({ "info": { "description": "a <script>alert(1)</script> & `b" } });
    let html = docs::page(&hostile).html;
    assert!(html.contains("a &lt;script&gt;alert(1)&lt;/script&gt; &amp; <code>b</code>"), "{html}");
}

/// Returns true if the server serves a method at a path. An empty body loads no model.
async fn is_served(router: &Router, method: &str, path: &str) -> bool {
    let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
    let body = if method == "GET" { Body::empty() } else { Body::from("{}") };
    let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    !matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_has_every_path_and_method_of_the_file_and_no_other_method_there() {
    let (_serving, phase) = tokio::sync::watch::channel(crate::net::Phase::Serving);
    let settings = crate::Settings { lazy: Some(true), ..crate::Settings::default() };
    let app = crate::App::new(crate::Options::new(settings).unwrap(), phase);
    let router = crate::http::router(&app);
    for (path, item) in description()["paths"].as_object().unwrap() {
        let all = wire::prefixes().map(|prefix| path.replace("{dialect}", prefix)).collect::<BTreeSet<String>>();
        for path in all {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
                let is_described = item[method.to_lowercase()].is_object();
                assert_eq!(is_served(&router, method, &path).await, is_described, "{method} {path}");
            }
        }
    }
}

/// The wire's table is checked above; the server's own paths are in the source of its routers.
#[test]
fn every_path_that_a_router_names_is_in_the_file() {
    let all = description();
    let sources = [include_str!("../http/routes.rs"), include_str!("../http/pages.rs")];
    let quoted = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let paths: BTreeSet<&str> = quoted.filter(|text| text.starts_with('/')).collect();
    assert!(paths.contains("/metrics") && paths.contains("/docs"), "{paths:?}");
    for path in paths {
        assert!(all["paths"][path].is_object(), "{path}");
    }
}

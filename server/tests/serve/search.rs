//! `POST /search` over an index of the library.

use nearsort::index::{BuildOptions, Dtype, IndexModel};
use nearsort::{Call, Encoder, IndexBuilder, LocalEncoder, Model, ModelOptions, Role};
use nearsort_server::Settings;
use serde_json::json;

use crate::support::{EIFFEL, Running};

const IDS: [&str; 3] = ["louvre", "eiffel", "bananas"];

const STATIC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/static-tiny");

/// An index of the example's documents, and its encoder.
fn index(folder: &std::path::Path, model: &str) -> LocalEncoder {
    let encoder = Model::load_local_encoder(model, ModelOptions::default()).unwrap();
    let options = BuildOptions { dtype: Dtype::F32, tokens: false, replace: false, restart: false };
    let mut builder = IndexBuilder::build(folder, &IndexModel::of(&encoder).unwrap(), options).unwrap();
    let rows: Vec<(&str, &str)> = IDS.into_iter().zip(EIFFEL.1).collect();
    builder.push_chunk(&encoder, &rows, &Call::new()).unwrap();
    builder.finish().unwrap();
    encoder
}

#[test]
fn an_index_answers_with_the_ids_and_cosines_of_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let encoder = index(&folder.path().join("landmarks"), "all-MiniLM-L6-v2");
    let server = Running::start(Settings {
        index: Some(vec![folder.path().join("landmarks").display().to_string(), "./no-such-index=other".into()]),
        ..Settings::default()
    });
    let answer = server.post("/search", &json!({ "query": EIFFEL.0, "top_n": 2 })).json();
    let vectors = encoder.encode(&[EIFFEL.0, EIFFEL.1[1]], Role::Query).unwrap().vectors;
    let cosine: f32 = vectors.row(0).dot(&vectors.row(1));
    let results = answer["results"].as_array().unwrap();
    assert_eq!(
        (results.len(), results[0]["id"].clone(), answer["index"].clone()),
        (2, json!("eiffel"), json!("landmarks"))
    );
    assert!((results[0]["score"].as_f64().unwrap() - f64::from(cosine)).abs() < 1e-5, "{answer} {cosine}");
    let named = server.post("/search", &json!({ "query": EIFFEL.0, "index": "landmarks" })).json();
    assert_eq!(named["results"].as_array().unwrap().len(), 3);
    let unknown = server.post("/search", &json!({ "query": "q", "index": "x" }));
    assert!(unknown.status == 400 && unknown.text().contains("landmarks, other"), "{}", unknown.text());
    let broken = server.post("/search", &json!({ "query": "q", "index": "other" }));
    assert!(broken.status == 503 && broken.text().contains("no-such-index"), "{}", broken.text());
}

#[test]
fn a_static_model_embeds_ranks_and_searches_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("landmarks");
    let encoder = index(&path, STATIC);
    let server = Running::start(Settings {
        model: Some(vec![format!("{STATIC}=fast")]),
        index: Some(vec![path.display().to_string()]),
        ..Settings::default()
    });
    let vectors = encoder.encode(&[EIFFEL.0, EIFFEL.1[1]], Role::Query).unwrap().vectors;
    let embedded = server.post("/v1/embeddings", &json!({ "model": "fast", "input": EIFFEL.0 })).json();
    let first = embedded["data"][0]["embedding"][0].as_f64().unwrap();
    assert!((first - f64::from(vectors.row(0)[0])).abs() < 1e-6, "{embedded}");
    let ranked = server.post("/v2/rerank", &json!({ "query": EIFFEL.0, "documents": EIFFEL.1 })).json();
    assert_eq!(ranked["results"].as_array().unwrap().len(), 3);
    let cosine = f64::from(vectors.row(0).dot(&vectors.row(1)));
    let found = server.post("/search", &json!({ "query": EIFFEL.0 })).json();
    let of_tower = found["results"].as_array().unwrap().iter().find(|result| result["id"] == "eiffel").unwrap();
    assert!((of_tower["score"].as_f64().unwrap() - cosine).abs() < 1e-5, "{found} {cosine}");
}

//! The clients' endpoints end to end: what the wire layer reads and writes, with the real model
//! between.

use base64::Engine;
use nearsort::{Model, ModelOptions, RankOptions, Reranker, Scoring};
use nearsort_server::Settings;
use serde_json::{Value, json};

use crate::support::{EIFFEL, Running, eiffel};

fn with(more: Value) -> Value {
    let mut body = eiffel();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// The library's own answer: positions and scores.
fn library() -> Vec<(u64, f64)> {
    let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default()).unwrap();
    let answer = Reranker::new(&model).rank(EIFFEL.0, &EIFFEL.1).run().unwrap();
    answer.hits.iter().map(|hit| (hit.index as u64, f64::from(hit.score))).collect()
}

fn ranked(results: &Value, score: &str) -> Vec<(u64, f64)> {
    let one = |result: &Value| (result["index"].as_u64().unwrap(), result[score].as_f64().unwrap());
    results.as_array().unwrap().iter().map(one).collect()
}

#[test]
fn every_path_and_dialect_gives_the_order_and_the_scores_of_the_library() {
    let server = Running::start(Settings::default());
    let expected: Vec<(u64, f64)> = library().iter().map(|(at, score)| (*at, score.clamp(0.0, 1.0))).collect();
    assert_eq!(expected[0].0, 1);
    let texts = json!({ "query": EIFFEL.0, "texts": EIFFEL.1 });
    for (path, body, results, score) in [
        ("/rerank", &eiffel(), "/results", "relevance_score"),
        ("/rerank", &eiffel(), "/data", "relevance_score"),
        ("/v1/rerank", &eiffel(), "/results", "relevance_score"),
        ("/v2/rerank", &eiffel(), "/results", "relevance_score"),
        ("/cohere/v2/rerank", &eiffel(), "/results", "relevance_score"),
        ("/jina/v1/rerank", &eiffel(), "/results", "relevance_score"),
        ("/voyage/v1/rerank", &eiffel(), "/data", "relevance_score"),
        ("/infinity/rerank", &eiffel(), "/results", "relevance_score"),
        ("/vllm/v1/rerank", &eiffel(), "/results", "relevance_score"),
        ("/rerank", &texts, "", "score"),
        ("/tei/rerank", &texts, "", "score"),
        ("/", &texts, "", "score"),
    ] {
        let answer = server.post(path, body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(ranked(answer.json().pointer(results).unwrap(), score), expected, "{path}");
    }
    let weaviate = server.post("/rerank", &with(json!({ "property": "" }))).json();
    assert_eq!(weaviate["scores"][1]["score"].as_f64(), Some(expected[0].1));
    let passages: Vec<Value> = EIFFEL.1.iter().map(|text| json!({ "text": text })).collect();
    let nim = server.post("/v1/ranking", &json!({ "query": { "text": EIFFEL.0 }, "passages": passages })).json();
    assert_eq!(ranked(&nim["rankings"], "logit"), library(), "raw, as NIM's are");
}

#[test]
fn a_cross_encoder_gives_probabilities_and_logits_of_the_library() {
    let name = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/cross-tiny-bert");
    let server = Running::start(Settings { model: Some(vec![format!("{name}=cross")]), ..Settings::default() });
    let model = Model::load(name, ModelOptions::default()).unwrap();
    let by = |raw| Reranker::with(&model, RankOptions::default().raw_scores(raw)).unwrap();
    for (raw, tolerance) in [(true, 0.0), (false, 1e-6)] {
        let expected = by(raw).score(EIFFEL.0, &EIFFEL.1).unwrap().scores();
        let answer = server.post("/rerank", &with(json!({ "raw_scores": raw }))).json();
        assert_eq!(answer["score_kind"], if raw { "logit" } else { "sigmoid" });
        for (at, score) in ranked(&answer["results"], "relevance_score") {
            assert!((score - f64::from(expected[at as usize])).abs() <= tolerance, "{raw} {at}: {score} {expected:?}");
        }
    }
    let pair = json!({ "inputs": [EIFFEL.0, EIFFEL.1[1]], "raw_scores": true });
    let logit = by(true).score(EIFFEL.0, &EIFFEL.1[1..2]).unwrap().scores()[0];
    assert_eq!(server.post("/predict", &pair).json()[0]["score"].as_f64(), Some(f64::from(logit)));
    assert_eq!(server.post("/embed", &json!({ "inputs": "a" })).status, 422);
    assert!(server.get("/info").json()["model_type"]["reranker"].is_object());
}

#[test]
fn embeddings_are_those_of_the_library_as_floats_and_as_base64() {
    let server = Running::start(Settings::default());
    let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default()).unwrap();
    let expected = model.encoder().unwrap().encode(&EIFFEL.1, nearsort::Role::Document).unwrap();
    let floats = server.post("/v1/embeddings", &json!({ "input": EIFFEL.1, "model": "all-MiniLM-L6-v2" })).json();
    let coded =
        server.post("/embeddings", &json!({ "input": EIFFEL.1, "encoding_format": "base64", "model": null })).json();
    let bare = server.post("/embed", &json!({ "inputs": EIFFEL.1 })).json();
    for (at, row) in expected.vectors.rows().into_iter().enumerate() {
        let numbers = |list: &Value| -> Vec<f32> {
            list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
        };
        let text = coded["data"][at]["embedding"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let decoded: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(numbers(&floats["data"][at]["embedding"]), row.to_vec());
        assert_eq!(numbers(&bare[at]), row.to_vec());
        assert_eq!(decoded, row.to_vec());
    }
    let cut = server.post("/v1/embeddings", &json!({ "input": "a", "dimensions": 8 })).json();
    let cut: Vec<f64> = cut["data"][0]["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect();
    assert!(cut.len() == 8 && (cut.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-5, "{cut:?}");
    let wide = server.post("/v1/embeddings", &json!({ "input": "a", "dimensions": 999 }));
    assert!(wide.status == 400 && wide.text().contains("384"), "{}", wide.text());
}

#[test]
fn token_ids_are_refused_with_the_remedy_or_decoded() {
    let (ids, same) = (json!({ "input": [[15339, 1917]] }), json!({ "input": "hello world" }));
    let server = Running::start(Settings::default());
    let refused = server.post("/v1/embeddings", &ids);
    assert!(refused.status == 400 && refused.text().contains("check_embedding_ctx_length=False"), "{}", refused.text());
    let decoding = Running::start(Settings { openai_token_ids: Some("cl100k_base".into()), ..Settings::default() });
    let data = |body| decoding.post("/v1/embeddings", body).json()["data"].clone();
    assert_eq!(data(&ids), data(&same));
}

#[test]
fn pairs_are_scored_one_to_many_and_many_to_many() {
    let server = Running::start(Settings::default());
    let expected = library();
    let score = |at: usize| expected.iter().find(|(index, _)| *index == at as u64).unwrap().1;
    let many = server.post("/v1/score", &json!({ "text_1": EIFFEL.0, "text_2": EIFFEL.1 })).json();
    let pairs = json!({ "queries": [EIFFEL.1[0], EIFFEL.0], "documents": [EIFFEL.1[0], EIFFEL.1[2]] });
    let pairs = server.post("/score", &pairs).json();
    for at in 0..3 {
        assert_eq!(many["data"][at]["score"].as_f64(), Some(score(at)));
    }
    assert!(pairs["data"][0]["score"].as_f64().unwrap() > 0.99, "a text beside itself: {pairs}");
    assert_eq!(pairs["data"][1]["score"].as_f64(), Some(score(2)));
    let inputs = json!({ "inputs": { "source_sentence": EIFFEL.0, "sentences": EIFFEL.1 } });
    // TEI's clients expect the cosine of two embeddings, not the way in which the model ranks.
    let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default()).unwrap();
    let cosine = Reranker::with(&model, RankOptions::by(Scoring::Cosine)).unwrap();
    let cosines = cosine.score(EIFFEL.0, &EIFFEL.1).unwrap().scores();
    for path in ["/similarity", "/"] {
        let found = server.post(path, &inputs).json();
        for (at, cosine) in cosines.iter().enumerate() {
            let given = found[at].as_f64().unwrap();
            assert!((given - f64::from(*cosine)).abs() < 1e-6, "{path}: {found}, and {cosines:?}");
        }
    }
}

#[test]
fn top_n_nulls_empty_texts_and_documents_follow_the_rules() {
    let server = Running::start(Settings::default());
    let top = server.post("/rerank", &with(json!({ "top_n": 1, "return_documents": "true", "model": null }))).json();
    assert_eq!(top["results"].as_array().unwrap().len(), 1);
    assert_eq!(top["results"][0]["document"]["text"], EIFFEL.1[1]);
    let all = server.post("/rerank", &with(json!({ "top_n": 99, "max_tokens_per_doc": 4096 }))).json();
    assert_eq!(all["results"].as_array().unwrap().len(), 3);
    let empty = server.post("/rerank", &json!({ "query": "q", "documents": ["", "q", " "] })).json();
    assert_eq!(ranked(&empty["results"], "relevance_score").iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 0, 2]);
    assert_eq!(empty["results"][1]["relevance_score"], 0.0);
    let no_query = server.post("/rerank", &json!({ "query": " ", "documents": ["a"] }));
    assert_eq!((no_query.status, no_query.json()["error"]["param"].clone()), (400, json!("query")));
}

#[test]
fn relevant_spans_are_the_best_window_in_code_points() {
    let server = Running::start(Settings::default());
    let filler = "Überall wächst grünes Gras und blühen Blumen. ".repeat(60);
    let text = format!("{filler}The Eiffel Tower stands in Paris. {filler}");
    let body = json!({ "query": EIFFEL.0, "documents": [text, "Bananas are yellow."],
                       "relevant_spans": { "mode": "enabled", "threshold": 0.1 } });
    let answer = server.post("/v2/rerank", &body).json();
    let spans = answer["results"][0]["relevant_spans"].as_array().unwrap();
    assert_eq!((answer["results"][0]["index"].as_u64(), spans.len()), (Some(0), 1), "{answer}");
    let at = |key: &str| spans[0][key].as_u64().unwrap() as usize;
    let window: String = text.chars().skip(at("start")).take(at("end") - at("start")).collect();
    assert!(window.contains("Eiffel Tower") && window.len() < text.len() / 2, "{window}");
    assert!(answer["results"][1]["relevant_spans"].as_array().unwrap().len() <= 1);
    let all =
        json!({ "query": EIFFEL.0, "documents": [format!("{text} {text}")], "relevant_spans": { "threshold": 0.3 } });
    let spans = server.post("/v2/rerank", &all).json()["results"][0]["relevant_spans"].clone();
    let places: Vec<(u64, u64)> = spans
        .as_array()
        .unwrap()
        .iter()
        .map(|span| (span["start"].as_u64().unwrap(), span["end"].as_u64().unwrap()))
        .collect();
    assert!(places.len() >= 2, "both places that answer: {spans}");
    assert!(places.iter().enumerate().all(|(at, a)| places[..at].iter().all(|b| a.1 <= b.0 || b.1 <= a.0)), "{spans}");
}

#[test]
fn info_is_teis_and_search_and_tokenize_say_what_they_need() {
    let server = Running::start(Settings::default());
    let info = server.get("/info").json();
    assert_eq!(info["model_type"].as_object().unwrap().keys().next().unwrap(), "reranker");
    assert!(
        info["max_input_length"].as_u64().unwrap() >= 256 && info["max_client_batch_size"].as_u64().unwrap() > 1000
    );
    let turned = Running::start(Settings { info_kind: Some("embedding".into()), ..Settings::default() });
    assert_eq!(turned.get("/info").json()["model_type"].as_object().unwrap().keys().next().unwrap(), "embedding");
    let search = server.post("/search", &json!({ "query": "q" }));
    assert!(search.status == 501 && search.text().contains("--index"), "{}", search.text());
}

#[test]
fn a_deadline_that_has_passed_is_504_by_field_and_by_header() {
    let server = Running::start(Settings::default());
    let documents: Vec<String> = (0..2000).map(|n| format!("document number {n}")).collect();
    let body = json!({ "query": "q", "documents": documents, "deadline_ms": 1 });
    let late = server.post("/rerank", &body);
    assert_eq!((late.status, late.json()["error"]["code"].clone()), (504, json!("deadline_exceeded")));
    let body = json!({ "query": "q", "documents": documents });
    let late = server.client().post("/rerank", &[("x-request-timeout-ms", "1")], body.to_string().as_bytes());
    assert_eq!(late.status, 504);
}

//! Embeddings, scores of pairs and TEI's other bodies.

use nearsort_server::wire::*;
use serde_json::{Value, json};

fn embeddings(body: Value) -> Result<EmbedRequest, WireError> {
    read_embeddings(body.to_string().as_bytes(), TokenIds::Refuse, &RequestLimits::default())
}

fn json_of(reply: Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

fn vectors() -> Embeddings {
    Embeddings { model: "m".into(), vectors: vec![vec![0.1, -2.0]], usage: Usage { tokens: 3 } }
}

#[test]
fn embeddings_are_floats_or_base64() {
    let floats = embeddings(json!({ "model": "m", "input": "a", "encoding_format": null })).unwrap();
    let reply = vectors().reply(&floats).unwrap();
    assert!(String::from_utf8(reply.body.clone()).unwrap().contains("[0.1,-2.0]"), "the digits of an f32");
    assert_eq!(json_of(reply)["usage"], json!({ "prompt_tokens": 3, "total_tokens": 3 }));
    let base64 = embeddings(json!({ "input": ["a"], "encoding_format": "base64" })).unwrap();
    assert_eq!(json_of(vectors().reply(&base64).unwrap())["data"][0]["embedding"], "zczMPQAAAMA=");
}

#[test]
fn dimensions_are_read_from_openai_voyage_and_tei() {
    for body in [json!({ "input": "a", "dimensions": 8 }), json!({ "input": "a", "output_dimension": 8 })] {
        assert_eq!(embeddings(body).unwrap().dimensions.map(|n| n.get()), Some(8));
    }
    let tei = read_embed(
        br#"{"inputs": ["a"], "dimensions": 8, "normalize": false}"#,
        TokenIds::Refuse,
        &RequestLimits::default(),
    );
    let tei = tei.unwrap();
    assert_eq!((tei.dimensions.map(|n| n.get()), tei.normalize), (Some(8), Some(false)));
    assert_eq!(String::from_utf8(vectors().reply(&tei).unwrap().body).unwrap(), "[[0.1,-2.0]]");
    let error = embeddings(json!({ "input": "a", "dimensions": 0 })).unwrap_err().to_string();
    assert!(error.starts_with("'dimensions' is the number 0; expected: an integer from 1"), "{error}");
}

#[test]
fn token_ids_are_refused_with_the_remedy() {
    for input in [json!([1, 2]), json!([[1, 2], [3]])] {
        let error = embeddings(json!({ "input": input })).unwrap_err();
        assert!(error.to_string().contains("check_embedding_ctx_length=False"), "{error}");
        assert!(error.to_string().contains("--openai-token-ids cl100k_base"), "{error}");
    }
    assert!(matches!(embeddings(json!({ "input": ["a", 1] })), Err(WireError::Wrong { .. })));
    assert!(matches!(embeddings(json!({ "input": [] })), Err(WireError::Empty { .. })));
}

fn decoded(ids: Value) -> Result<EmbedRequest, WireError> {
    let body = json!({ "input": ids }).to_string();
    read_embeddings(body.as_bytes(), TokenIds::Cl100kBase, &RequestLimits::default())
}

/// The ids are those of Python's tiktoken 0.12 for "The Eiffel Tower stands in Paris. 🗼".
#[test]
fn token_ids_are_decoded_by_cl100k_base_on_request() {
    let ids = json!([791, 469, 3168, 301, 22703, 13656, 304, 12366, 13, 11410, 245, 120]);
    let text = "The Eiffel Tower stands in Paris. 🗼";
    assert_eq!(decoded(ids.clone()).unwrap().inputs, [text]);
    assert_eq!(decoded(json!([ids, [9906]])).unwrap().inputs, [text, "Hello"]);
    // A text that was cut within the character, as LangChain cuts after 8191 ids.
    assert_eq!(decoded(json!([12366, 13, 11410])).unwrap().inputs, [" Paris. "]);
    assert_eq!(decoded(json!([245, 120, 9906])).unwrap().inputs, ["Hello"]);
    let error = decoded(json!([9906, 245, 9906])).unwrap_err().to_string();
    assert!(
        error.starts_with("'input' is a list of ids that decode to no text; expected: token ids of cl100k_base"),
        "{error}"
    );
    let error = decoded(json!([[9906], [4_000_000_000_u32]])).unwrap_err();
    assert!(error.to_string().starts_with("'input[1]' is a list with an id that is not a token"), "{error}");
    assert!(matches!(decoded(json!([[]])), Err(WireError::Empty { .. })));
}

#[test]
fn dimensions_are_checked_against_the_models() {
    let kept = |body: Value| embeddings(body).unwrap().kept_dimensions("m", 384);
    assert_eq!(kept(json!({ "input": "a" })), Ok(384));
    assert_eq!(kept(json!({ "input": "a", "dimensions": 128 })), Ok(128));
    assert_eq!(kept(json!({ "input": "a", "dimensions": 384 })), Ok(384));
    let error = kept(json!({ "input": "a", "dimensions": 385 })).unwrap_err();
    assert_eq!(
        error.to_string(),
        "'dimensions' is the number 385; expected: an integer from 1 to 384, the dimensions of m"
    );
}

#[test]
fn warnings_of_embeddings_are_in_a_header() {
    let openai = embeddings(json!({ "input": "a", "dimension": 8 })).unwrap();
    let tei =
        read_embed(br#"{"inputs": "a", "normalise": true}"#, TokenIds::Refuse, &RequestLimits::default()).unwrap();
    let warning = |request: &EmbedRequest| vectors().reply(request).unwrap().headers;
    let expected = |key: &str, near: &str| {
        vec![("x-nearsort-warnings", format!("unknown field '{key}' is ignored; did you mean '{near}'?"))]
    };
    assert_eq!(warning(&openai), expected("dimension", "dimensions"));
    assert_eq!(warning(&tei), expected("normalise", "normalize"));
    assert_eq!(warning(&embeddings(json!({ "input": "a" })).unwrap()), vec![]);
}

#[test]
fn a_vector_that_is_not_finite_is_an_error_not_null() {
    let request = embeddings(json!({ "input": "a" })).unwrap();
    let bad = Embeddings { vectors: vec![vec![f32::NAN]], ..vectors() };
    assert_eq!(bad.reply(&request), Err(WireError::NotFinite { index: 0 }));
    let none = Embeddings { vectors: vec![], ..vectors() };
    assert!(none.reply(&request).is_err());
}

#[test]
fn voyages_embeddings_body_is_understood() {
    let body = json!({ "input": ["a"], "model": "v", "input_type": "query", "truncation": true, "output_dtype": null,
        "output_dimension": null, "encoding_format": "base64" });
    let request = embeddings(body).unwrap();
    assert_eq!((request.prompt_name.as_deref(), request.truncation), (Some("query"), Some(true)));
    assert!(request.warnings.is_empty());
    assert!(embeddings(json!({ "input": "a", "output_dtype": "int8" })).is_err());
}

#[test]
fn score_takes_four_pairs_of_keys_and_answers_in_their_order() {
    for (a, b) in [("text_1", "text_2"), ("queries", "documents"), ("data_1", "data_2"), ("queries", "items")] {
        let body = json!({ "model": "m", a: "q", b: ["x", { "text": "y" }] }).to_string();
        let request = read_score(body.as_bytes(), &RequestLimits::default()).unwrap();
        assert_eq!(request.pairs().collect::<Vec<_>>(), [("q", "x"), ("q", "y")]);
        let answer = ScoreAnswer {
            id: "s".into(),
            created: 1,
            model: "m".into(),
            native: Native::Cosine,
            scores: vec![-0.5, 0.5],
            tokens: 4,
        };
        let reply = json_of(request.reply(&answer).unwrap());
        assert_eq!(reply["data"][0], json!({ "index": 0, "object": "score", "score": -0.5 }));
    }
    let wrong = read_score(br#"{"text_1": ["a", "b"], "text_2": ["c"]}"#, &RequestLimits::default()).unwrap_err();
    assert!(wrong.to_string().contains("1 texts, with 2 in 'text_1'"), "{wrong}");
    let half = read_score(br#"{"queries": "a"}"#, &RequestLimits::default()).unwrap_err();
    assert_eq!(half.key(), Some("documents"));
}

#[test]
fn similarity_is_a_bare_list_in_the_order_of_the_sentences() {
    let body = br#"{"inputs": {"source_sentence": "q", "sentences": ["a", "b"]}, "parameters": {}}"#;
    let root = read_root(body, ModelKind::Embedding, TokenIds::Refuse, &RequestLimits::default()).unwrap();
    let RootRequest::Similarity(request) = root else { panic!("{root:?}") };
    let (id, model) = (String::new(), String::new());
    let answer = ScoreAnswer { id, created: 0, model, native: Native::Cosine, scores: vec![0.25, 0.5], tokens: 0 };
    assert_eq!(json_of(request.reply(&answer).unwrap()), json!([0.25, 0.5]));
}

#[test]
fn a_pair_without_text_has_the_least_score_and_not_a_number_is_an_error() {
    let request = read_score(br#"{"text_1": "a", "text_2": ["b", ""]}"#, &RequestLimits::default()).unwrap();
    let (id, model) = ("1".to_owned(), "m".to_owned());
    let scores = vec![0.5, f64::NEG_INFINITY];
    let answer = ScoreAnswer { id, created: 0, model, native: Native::Cosine, scores, tokens: 0 };
    let body: Value = serde_json::from_slice(&request.reply(&answer).unwrap().body).unwrap();
    assert_eq!(body["data"][1]["score"], json!(f64::from(f32::MIN)));
    let answer = ScoreAnswer { scores: vec![0.5, f64::NAN], ..answer };
    assert_eq!(request.reply(&answer), Err(WireError::NotFinite { index: 1 }));
}

#[test]
fn similarity_takes_teis_parameters_and_score_takes_vllms() {
    let body = json!({ "inputs": { "source_sentence": "q", "sentences": ["a"] },
        "parameters": { "truncate": false, "truncation_direction": "Left", "prompt_name": "query", "colour": 1 } });
    let request = read_similarity(body.to_string().as_bytes(), &RequestLimits::default()).unwrap();
    assert_eq!((request.truncation, request.truncation_side), (Some(false), Some(Side::Left)));
    assert_eq!(request.prompt_name.as_deref(), Some("query"));
    assert_eq!(request.warnings, ["unknown field 'colour' is ignored"]);
    let body = json!({ "text_1": "q", "text_2": "a", "truncate_prompt_tokens": 64, "truncation_side": "left" });
    let request = read_score(body.to_string().as_bytes(), &RequestLimits::default()).unwrap();
    assert_eq!(request.max_tokens_per_pair.map(|n| n.get()), Some(64));
    assert_eq!((request.truncation_side, request.warnings.len()), (Some(Side::Left), 0));
    let wrong = read_similarity(
        br#"{"inputs": {"source_sentence": "q", "sentences": ["a"]}, "parameters": 1}"#,
        &RequestLimits::default(),
    );
    assert!(wrong.is_err());
}

#[test]
fn a_search_names_an_index_and_gets_the_scores_of_the_command() {
    let read = |body: Value| {
        read_search(body.to_string().as_bytes(), &RequestLimits { texts: 50, ..RequestLimits::default() })
    };
    let request = read(json!({ "query": "q", "index": null, "model": "news", "top_k": 3, "colour": 1 })).unwrap();
    assert_eq!((request.index.as_deref(), request.top_n), (Some("news"), 3));
    assert_eq!(read(json!({ "query": "q" })).unwrap().top_n, 10);
    for bad in
        [json!({}), json!({ "query": " " }), json!({ "query": "q", "top_n": 0 }), json!({ "query": "q", "top_n": 51 })]
    {
        assert!(read(bad.clone()).is_err(), "{bad}");
    }
    let hits = vec![SearchHit { row: 7, id: "seven".into(), score: -0.25 }];
    let mut answer = SearchAnswer { id: "r".into(), index: "news".into(), model: "m".into(), hits, tokens: 4 };
    let reply = answer.reply(&request).unwrap();
    assert_eq!(reply.headers, [("x-nearsort-warnings", "unknown field 'colour' is ignored".to_owned())]);
    let body = json_of(reply);
    assert_eq!(body["results"], json!([{ "row": 7, "id": "seven", "score": -0.25 }]));
    assert_eq!((&body["index"], &body["score_kind"]), (&json!("news"), &json!("cosine")));
    answer.hits[0].score = f64::NAN;
    assert_eq!(answer.reply(&request), Err(WireError::NotFinite { index: 0 }));
}

#[test]
fn a_pair_without_text_gets_the_least_score_and_nan_is_an_error() {
    let request = read_score(br#"{"text_1": "q", "text_2": ["a", ""]}"#, &RequestLimits::default()).unwrap();
    let (id, model) = (String::new(), String::new());
    let scores = vec![0.0, f64::NEG_INFINITY];
    let mut answer = ScoreAnswer { id, created: 0, model, native: Native::Logit, scores, tokens: 0 };
    let body = json_of(request.reply(&answer).unwrap());
    assert_eq!((&body["data"][0]["score"], &body["data"][1]["score"]), (&json!(0.5), &json!(0.0)));
    answer.scores[1] = f64::NAN;
    assert_eq!(request.reply(&answer), Err(WireError::NotFinite { index: 1 }));
}

#[test]
fn the_root_goes_by_the_keys_and_then_by_the_kind_of_the_model() {
    let read = |body: &[u8], kind| read_root(body, kind, TokenIds::Refuse, &RequestLimits::default()).unwrap();
    assert!(matches!(read(br#"{"inputs": "a"}"#, ModelKind::Embedding), RootRequest::Embed(_)));
    assert!(matches!(read(br#"{"inputs": "a"}"#, ModelKind::Classifier), RootRequest::Predict(_)));
    let rerank = br#"{"query": "q", "texts": ["a"]}"#;
    assert!(matches!(read(rerank, ModelKind::Reranker), RootRequest::Rerank(_)));
    assert!(matches!(read(rerank, ModelKind::Embedding), RootRequest::Rerank(_)));
    // Of an embedding model that says "reranker" in its info, too.
    assert!(matches!(
        read(br#"{"inputs": "a", "encoding_format": "float"}"#, ModelKind::Reranker),
        RootRequest::Embed(_)
    ));
    let base64 = read_root(
        br#"{"inputs": "a", "encoding_format": "base64"}"#,
        ModelKind::Embedding,
        TokenIds::Refuse,
        &RequestLimits::default(),
    );
    assert_eq!(base64.unwrap_err().key(), Some("encoding_format"));
}

#[test]
fn predict_takes_a_text_a_pair_or_a_batch() {
    let read =
        |inputs: Value| read_predict(json!({ "inputs": inputs }).to_string().as_bytes(), &RequestLimits::default());
    let pair = |a: &str, b: &str| PredictText::Pair(a.into(), b.into());
    assert_eq!(read(json!("a")).unwrap().inputs, [PredictText::Single("a".into())]);
    assert_eq!(read(json!(["a", "b"])).unwrap().inputs, [pair("a", "b")]);
    let batch = read(json!([["a"], ["b", "c"]])).unwrap();
    assert_eq!(batch.inputs, [PredictText::Single("a".into()), pair("b", "c")]);
    let class = |label: &str, score| Prediction { label: label.into(), score };
    let lists = [vec![class("x", 0.1), class("y", 0.9)], vec![class("x", 1.0)]];
    assert_eq!(json_of(predict_reply(&batch, &lists).unwrap())[0][0], json!({ "score": 0.9, "label": "y" }));
    let one = read(json!("a")).unwrap();
    assert_eq!(json_of(predict_reply(&one, &lists[1..]).unwrap()), json!([{ "score": 1.0, "label": "x" }]));
    assert!(read(json!(["a", "b", "c"])).is_err());
}

#[test]
fn tokenize_gives_positions_in_code_points() {
    let request = read_tokenize(br#"{"inputs": "\u00e9x"}"#, &RequestLimits::default()).unwrap();
    assert!(request.add_special_tokens);
    let token = |bytes| Token { id: 1, text: "x".into(), special: false, bytes };
    let reply = json_of(tokenize_reply(&request, &[vec![token(Some(2..3)), token(None)]]));
    assert_eq!((&reply[0][0]["start"], &reply[0][0]["stop"]), (&json!(1), &json!(2)));
    assert_eq!(reply[0][1]["start"], Value::Null);
}

#[test]
fn info_has_the_kind_as_the_first_key_of_model_type() {
    let info = |kind| Info {
        model_id: "m".into(),
        model_sha: None,
        served_model_name: "m".into(),
        model_dtype: "float32".into(),
        kind,
        pooling: Some("mean".into()),
        max_input_length: 512,
        max_batch_tokens: 16384,
        max_concurrent_requests: 512,
        max_client_batch_size: 100_000,
        auto_truncate: true,
        tokenization_workers: 2,
        version: "0".into(),
    };
    let first = |kind| json_of(info(kind).reply())["model_type"].as_object().unwrap().keys().next().cloned();
    assert_eq!(first(ModelKind::Reranker).as_deref(), Some("reranker"));
    assert_eq!(first(ModelKind::Embedding).as_deref(), Some("embedding"));
}

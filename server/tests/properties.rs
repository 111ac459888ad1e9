//! No body makes a reader panic, and what is accepted is read the same again.

use nearsort_server::wire::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const KEYS: [&str; 26] = [
    "query",
    "documents",
    "texts",
    "passages",
    "property",
    "top_n",
    "top_k",
    "model",
    "return_documents",
    "raw_scores",
    "rank_fields",
    "truncate",
    "truncation_side",
    "relevant_spans",
    "priority",
    "deadline_ms",
    "on_deadline",
    "input",
    "inputs",
    "dimensions",
    "encoding_format",
    "text_1",
    "text_2",
    "queries",
    "max_tokens_per_doc",
    "instruction",
];

const DIALECTS: [Option<Dialect>; 9] = [
    None,
    Some(Dialect::Union),
    Some(Dialect::Cohere),
    Some(Dialect::Jina),
    Some(Dialect::Voyage),
    Some(Dialect::Tei),
    Some(Dialect::Infinity),
    Some(Dialect::Vllm),
    Some(Dialect::Nim),
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..5).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop_oneof!["true", "enabled", "left", "END", "partial", "base64"].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key =
            prop_oneof![Just("text".to_owned()), Just("content".to_owned()), Just("mode".to_owned()), "[a-z]{1,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// Bodies that are often accepted: a query, documents, and arbitrary values under known keys.
fn body() -> impl Strategy<Value = Value> {
    let pairs = prop::collection::vec((prop::sample::select(KEYS.to_vec()), value()), 0..4);
    (any::<bool>(), prop::sample::select(vec!["documents", "texts", "passages"]), pairs).prop_map(
        |(plain, key, pairs)| {
            let mut body = Map::new();
            if plain {
                body.insert("query".into(), json!("q"));
                body.insert(key.into(), json!(["a", { "text": "b" }]));
            }
            body.extend(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)));
            Value::Object(body)
        },
    )
}

/// All readers; the answers to what they accept are written too.
fn read_all(bytes: &[u8]) {
    let limits = RequestLimits::default();
    for dialect in DIALECTS {
        match read_rerank(bytes, &Reading { dialect, ..Reading::default() }) {
            Ok(request) => {
                let reply = rerank_reply(&request, &answer(request.documents.len())).unwrap();
                assert!(serde_json::from_slice::<Value>(&reply.body).is_ok());
            }
            Err((error, dialect)) => {
                let reply = error_reply(&error, dialect, "r");
                assert!(reply.status >= 400 && serde_json::from_slice::<Value>(&reply.body).is_ok());
            }
        }
    }
    for ids in [TokenIds::Refuse, TokenIds::Cl100kBase] {
        let _ = read_embeddings(bytes, ids, &limits);
        let _ = read_embed(bytes, ids, &limits);
        for kind in [ModelKind::Embedding, ModelKind::Reranker, ModelKind::Classifier] {
            let _ = read_root(bytes, kind, ids, &limits);
        }
    }
    let _ = read_predict(bytes, &limits);
    let _ = read_tokenize(bytes, &limits);
    let _ = read_similarity(bytes, &limits);
    let _ = read_search(bytes, &limits);
    if let Ok(request) = read_score(bytes, &limits) {
        assert_eq!(request.pairs().count(), request.right.len());
    }
}

fn answer(documents: usize) -> RerankAnswer {
    let candidate = |index: usize| Candidate { index, native: index as f64, spans: vec![] };
    RerankAnswer::new("r".into(), "m".into(), Native::Logit, (0..documents).map(candidate).collect()).unwrap()
}

/// The request as a body of the union.
fn written(request: &RerankRequest) -> Value {
    let side = request.truncation_side.map(|side| if side == Side::Left { "left" } else { "right" });
    let spans = request.relevant_spans.map(|o| json!({ "threshold": o.threshold, "max_spans": o.max_spans }));
    let mut body = json!({
        "model": request.model,
        "query": request.query,
        "documents": request.documents.iter().map(|document| &document.text).collect::<Vec<_>>(),
        "return_documents": request.return_documents.is_some(),
        "instruction": request.instruction,
        "prompt_name": request.prompt_name,
        "max_tokens_per_doc": request.max_tokens_per_doc,
        "max_tokens_per_query": request.max_tokens_per_query,
        "truncate_prompt_tokens": request.max_tokens_per_pair,
        "truncation": request.truncation,
        "truncation_side": side,
        "relevant_spans": spans,
        "priority": request.priority,
        "deadline_ms": request.deadline_ms,
        "on_deadline": if request.on_deadline == OnDeadline::Partial { "partial" } else { "error" },
    });
    let keys = body.as_object_mut().unwrap();
    if request.names_top_n {
        keys.insert("top_n".into(), json!(request.top_n));
    }
    if request.raw_scores || request.return_documents == Some(DocumentForm::Text) {
        keys.insert("raw_scores".into(), json!(request.raw_scores));
    }
    body
}

proptest! {
    #[test]
    fn arbitrary_values_never_panic(value in value()) {
        read_all(value.to_string().as_bytes());
    }

    #[test]
    fn arbitrary_bodies_never_panic(body in body()) {
        read_all(body.to_string().as_bytes());
    }

    #[test]
    fn truncated_bodies_never_panic(body in body(), cut in 0.0..1.0_f64) {
        let bytes = body.to_string().into_bytes();
        read_all(&bytes[..(bytes.len() as f64 * cut) as usize]);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        read_all(&bytes);
    }

    #[test]
    fn arbitrary_paths_never_panic(method in "\\PC{0,20}", path in "(/[a-z0-9_]{0,9}){0,3}") {
        let _ = route(&method, &path);
        let _ = route("POST", &format!("/voyage{path}"));
    }

    #[test]
    fn what_is_accepted_is_read_the_same_again(body in body()) {
        if let Ok(request) = read_rerank(body.to_string().as_bytes(), &Reading::default()) {
            let union = Reading { dialect: Some(Dialect::Union), ..Reading::default() };
            let mut again = read_rerank(written(&request).to_string().as_bytes(), &union).unwrap();
            // What the union's body cannot say: the dialect, the fields of the documents, what was ignored.
            again.dialect = request.dialect;
            again.warnings.clone_from(&request.warnings);
            for (new, old) in again.documents.iter_mut().zip(&request.documents) {
                new.fields.clone_from(&old.fields);
            }
            prop_assert_eq!(again, request);
        }
    }
}

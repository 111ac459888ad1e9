//! From a query and candidates to sorted results, with the real model.

use nearsort::{Call, DEFAULT_MODEL, Error, Model, ModelOptions, Overrides, Precision, RankOptions, Reranker, Scoring};

const QUERY: &str = "Where is the Eiffel Tower located?";
const CANDIDATES: [&str; 3] =
    ["The capital of France is Paris.", "The Eiffel Tower is in Berlin.", "Paris is known for its cuisine and art."];

/// What the reference gives, to the four digits that are promised.
const SCORES: [(usize, f32); 3] = [(1, 0.7907), (0, 0.3370), (2, 0.2621)];

#[test]
fn the_eiffel_tower_example_has_the_reference_scores() {
    // What each precision may be off by; f32 is promised to four digits.
    for (precision, tolerance) in [(Precision::F32, 1e-4), (Precision::Bf16, 2e-3), (Precision::I8, 1e-2)] {
        let reranker = Reranker::load(
            DEFAULT_MODEL,
            ModelOptions::default().precision(precision),
            RankOptions::by(Scoring::Cosine),
        )
        .unwrap();
        let hits = reranker.rank(QUERY, &CANDIDATES).run().unwrap().hits;
        assert_eq!(hits.len(), SCORES.len());
        for (hit, (index, score)) in hits.iter().zip(SCORES) {
            assert_eq!(hit.index, index);
            assert!((hit.score - score).abs() <= tolerance, "{precision}: {hit:?}: expected {score}");
        }
    }
}

#[test]
fn several_queries_score_as_they_do_alone() {
    let reranker = Reranker::load(DEFAULT_MODEL, ModelOptions::default(), RankOptions::default()).unwrap();
    let queries = [QUERY, "What do people eat in Paris?"];
    let together = reranker.score_queries(&queries, &CANDIDATES, &Call::new()).unwrap();
    for (query, scored) in queries.iter().zip(&together) {
        assert_eq!(&reranker.score(query, &CANDIDATES).unwrap(), scored);
    }
    assert_ne!(together[0].scores(), together[1].scores());
}

#[test]
fn equal_texts_are_encoded_once_and_ranked_in_input_order() {
    let reranker = Reranker::load(DEFAULT_MODEL, ModelOptions::default(), RankOptions::default()).unwrap();
    let once = reranker.score(QUERY, &CANDIDATES[..1]).unwrap();
    let thrice = [CANDIDATES[0]; 3];
    let scored = reranker.score(QUERY, &thrice).unwrap();
    assert_eq!(scored.document_tokens, once.document_tokens);
    let hits = reranker.rank(QUERY, &thrice).run().unwrap().hits;
    assert_eq!(hits.iter().map(|hit| hit.index).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_shorter_dimension_is_cut_and_then_normalised() {
    let overrides = Overrides { dim: Some(64), ..Default::default() };
    let encoder = Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default().overrides(overrides)).unwrap();
    let whole = Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default()).unwrap();
    use nearsort::{Encoder, Role};
    let short = encoder.encode(&[QUERY], Role::Query).unwrap();
    let long = whole.encode(&[QUERY], Role::Query).unwrap();
    assert_eq!(short.vectors.ncols(), 64);
    let norm = |row: ndarray::ArrayView1<'_, f32>| row.dot(&row).sqrt();
    assert!((norm(short.vectors.row(0)) - 1.0).abs() < 1e-6);
    let cut = long.vectors.slice(ndarray::s![0, ..64]);
    let scale = norm(cut);
    assert!(cut.iter().zip(short.vectors.row(0)).all(|(a, b)| (a / scale - b).abs() < 1e-6));
}

#[test]
fn prompts_and_limits_of_the_user_override_the_models() {
    use nearsort::{Encoder, Role};
    let plain = Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default()).unwrap();
    let overrides = Overrides { query_prompt: Some("query: ".into()), max_tokens: Some(8), ..Default::default() };
    let prompted = Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default().overrides(overrides)).unwrap();
    let by_hand = plain.encode(&["query: red"], Role::Document).unwrap();
    assert_eq!(prompted.encode(&["red"], Role::Query).unwrap().vectors, by_hand.vectors);
    let cut = prompted.encode(&["one two three four five six seven eight"], Role::Document).unwrap();
    assert_eq!((cut.tokens[0], cut.truncated[0]), (8, true));
    assert_ne!(plain.fingerprint().unwrap(), prompted.fingerprint().unwrap());
    assert_eq!(
        plain.fingerprint().unwrap(),
        Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default()).unwrap().fingerprint().unwrap()
    );
}

#[test]
fn overrides_out_of_range_are_refused_with_the_range() {
    for (overrides, range) in [
        (Overrides { dim: Some(385), ..Default::default() }, "1 to 384"),
        (Overrides { dim: Some(0), ..Default::default() }, "1 to 384"),
        (Overrides { max_tokens: Some(513), ..Default::default() }, "3 to 512"),
        (Overrides { max_tokens: Some(2), ..Default::default() }, "3 to 512"),
    ] {
        let error = Reranker::load(DEFAULT_MODEL, ModelOptions::default().overrides(overrides), RankOptions::default())
            .err()
            .unwrap();
        assert!(matches!(error, Error::InvalidOption { .. }) && error.to_string().contains(range), "{error}");
    }
}

#[test]
fn a_device_that_is_not_there_is_an_error_and_never_a_silent_cpu_run() {
    for device in ["cuda", "metal"] {
        if nearsort::Device::compiled().contains(&device) {
            continue; // A machine with the device may really have it.
        }
        let error = Reranker::load(
            DEFAULT_MODEL,
            ModelOptions::default().device(device.parse().unwrap()),
            RankOptions::default(),
        )
        .err()
        .unwrap();
        assert!(error.to_string().contains(&format!("--features {device}")), "{error}");
    }
}

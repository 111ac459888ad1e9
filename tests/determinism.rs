//! A vector does not depend on batch size, neighbours, thread count or input order: bit-equal on
//! one machine.

use nearsort::{Encoder, Engine, LocalEncoderOptions, Precision, Role};
use proptest::prelude::*;

use crate::support::{load, tiny, tiny_path};

/// Texts whose lengths differ from nothing to beyond the model's limit.
fn texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z ]{0,12}|([a-z]{1,8} ){0,90}", 1..12)
}

/// Every way of computing a model.
const WAYS: [(Engine, Precision); 4] = [
    (Engine::Native, Precision::F32),
    (Engine::Native, Precision::Bf16),
    (Engine::Native, Precision::I8),
    (Engine::Candle, Precision::F32),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batch_order_and_threads_do_not_change_a_bit(texts in texts(), threads in 1usize..5, batch_tokens in 1usize..400) {
        for (name, (engine, precision)) in ["tiny-bert", "tiny-modernbert", "tiny-qwen3"].into_iter().flat_map(|name| WAYS.map(|way| (name, way))) {
            let options = LocalEncoderOptions { engine: Some(engine), precision: Some(precision), ..Default::default() };
            let one_by_one = load(&tiny_path(name), LocalEncoderOptions { threads: Some(1), ..options.clone() });
            let batched = load(&tiny_path(name), LocalEncoderOptions { threads: Some(threads), batch_tokens, ..options });
            let reversed: Vec<&str> = texts.iter().rev().map(String::as_str).collect();
            let found = batched.encode(&reversed, Role::Document).unwrap();
            for (text, row) in reversed.iter().zip(found.vectors.rows()) {
                let alone = one_by_one.encode(&[text], Role::Document).unwrap();
                prop_assert_eq!(alone.vectors.row(0), row, "{} {} {}: {:?}", name, engine, precision, text);
            }
        }
    }
}

#[test]
fn the_default_model_is_bit_equal_alone_and_among_neighbours_on_one_thread_and_many() {
    let texts: Vec<String> = (1..40).map(|n| "a passage about rivers and bridges ".repeat(n % 13 + 1)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (engine, precision) in WAYS {
        let options = LocalEncoderOptions { engine: Some(engine), precision: Some(precision), ..Default::default() };
        let single = load(nearsort::DEFAULT_MODEL, LocalEncoderOptions { threads: Some(1), ..options.clone() });
        // One text on eight threads is cut by columns and heads, many texts on three by texts.
        let wide = load(nearsort::DEFAULT_MODEL, LocalEncoderOptions { threads: Some(8), ..options.clone() });
        let many = load(nearsort::DEFAULT_MODEL, LocalEncoderOptions { threads: Some(3), ..options });
        let together = many.encode(&texts, Role::Document).unwrap();
        for (text, row) in texts.iter().zip(together.vectors.rows()) {
            assert_eq!(single.encode(&[text], Role::Document).unwrap().vectors.row(0), row, "{engine} {precision}");
            assert_eq!(wide.encode(&[text], Role::Document).unwrap().vectors.row(0), row, "{engine} {precision}, wide");
        }
    }
}

#[test]
fn one_encoder_serves_many_threads_at_once() {
    let encoder = tiny("tiny-qwen3");
    let expected = encoder.encode(&["one text", "another text"], Role::Query).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(encoder.encode(&["one text", "another text"], Role::Query).unwrap(), expected);
                }
            });
        }
    });
}

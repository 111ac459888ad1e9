//! The same numbers on another device. `NEARSORT_TEST_DEVICE` names it (cpu), as `--device` does;
//! `NEARSORT_TEST_MODEL` names a folder of all-MiniLM-L6-v2, for machines without a network.
//! `benches/gpu/run.sh` runs these tests on a GPU.

use std::thread;

use nearsort::{DEFAULT_MODEL, Device, Encoder, Engine, LocalEncoder, LocalEncoderOptions, Model, ModelOptions, Role};

use crate::parity::{assert_default_model_parity, expected};
use crate::support::{assert_parity, f32_options, load, tiny_models};

fn device() -> Device {
    let name = std::env::var("NEARSORT_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
    name.parse().unwrap_or_else(|error| panic!("NEARSORT_TEST_DEVICE: {error}"))
}

/// A model by candle on the device.
fn on_device(name: &str) -> LocalEncoder {
    load(name, LocalEncoderOptions { device: device(), engine: Some(Engine::Candle), ..f32_options() })
}

fn default_model() -> LocalEncoder {
    let name = std::env::var("NEARSORT_TEST_MODEL").unwrap_or_else(|_| nearsort::DEFAULT_MODEL.into());
    on_device(&name)
}

/// Passages of many lengths, so that a batch of them is padded.
fn ragged() -> Vec<String> {
    (1..60).map(|n| format!("passage {n} about {}", "rivers and bridges ".repeat(n * 7 % 23))).collect()
}

#[test]
fn every_architecture_agrees_with_its_reference_in_padded_batches() {
    for folder in tiny_models() {
        let name = folder.display().to_string();
        let encoder = on_device(&name);
        let rows = expected(&folder).rows;
        for role in [Role::Query, Role::Document] {
            let rows: Vec<_> = rows.iter().filter(|row| row.role == role.to_string()).collect();
            let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
            let found = encoder.encode(&texts, role).unwrap();
            for (row, vector) in rows.iter().zip(found.vectors.rows()) {
                let what = format!("{name} on {}: {:?} as {role}", device(), row.text);
                assert_parity(&what, vector.as_slice().unwrap(), &row.embedding);
            }
        }
    }
}

#[test]
fn the_default_model_agrees_with_sentence_transformers() {
    assert_default_model_parity(&default_model());
}

/// Bit-equal: nothing in a pass may depend on the order in which threads of the device finish.
#[test]
fn a_padded_batch_gives_the_same_bits_every_time() {
    let encoder = default_model();
    let texts = ragged();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let first = encoder.encode_padded(&texts, Role::Document).unwrap();
    for _ in 0..3 {
        assert_eq!(encoder.encode_padded(&texts, Role::Document).unwrap(), first);
    }
    let again = default_model().encode_padded(&texts, Role::Document).unwrap();
    assert_eq!(again, first, "by a second instance");
}

/// On a GPU matrix products choose their blocking by the number of rows, so that neighbours may
/// change the last bits, and no more.
#[test]
fn neighbours_and_padding_change_nothing_but_last_bits() {
    let encoder = default_model();
    let texts = ragged();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = encoder.encode_padded(&texts, Role::Document).unwrap();
    for (text, row) in texts.iter().zip(together.vectors.rows()) {
        let alone = encoder.encode(&[text], Role::Document).unwrap();
        assert_parity(text, row.as_slice().unwrap(), alone.vectors.row(0).as_slice().unwrap());
    }
}

/// On a GPU the callers' texts share batches.
#[test]
fn callers_at_once_have_the_numbers_of_their_own_texts() {
    let encoder = default_model();
    let texts = ragged();
    let own = |caller: usize| -> Vec<&str> { texts.iter().skip(caller).step_by(7).map(String::as_str).collect() };
    let expected: Vec<_> = (0..7).map(|caller| encoder.encode(&own(caller), Role::Document).unwrap()).collect();
    thread::scope(|scope| {
        for (caller, expected) in expected.iter().enumerate() {
            let (encoder, texts) = (&encoder, own(caller));
            scope.spawn(move || {
                for _ in 0..5 {
                    let found = encoder.encode(&texts, Role::Document).unwrap();
                    assert_eq!(found.tokens, expected.tokens);
                    for (at, text) in texts.iter().enumerate() {
                        let [found, expected] = [&found, expected].map(|texts| texts.vectors.row(at).to_vec());
                        assert_parity(text, &found, &expected);
                    }
                }
            });
        }
    });
}

/// No machine has so many devices.
#[test]
fn a_device_that_is_not_there_is_an_error() {
    let options = ModelOptions::default().device(Device::Cuda(9_999));
    let error = Model::load(DEFAULT_MODEL, options).unwrap_err().to_string();
    assert!(error.contains("cuda:9999") && error.contains("`device=cpu`"), "{error}");
}

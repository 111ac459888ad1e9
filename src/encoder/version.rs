//! The version of the arithmetic behind a model's vectors and logits.

use serde_json::Value;

use super::Precision;
use crate::kernels::Kernels;

/// Returns the arithmetic version, a part of every fingerprint. It rises when a release computes
/// other bits from the same files, so that indexes and caches of older releases are not reused.
///
/// Version 2 splits columns in front of codes of 8 bits. Version 5 also computes GELU in six powers
/// where codes of 8 bits follow, and attention in bfloat16 where the processor multiplies it; a
/// matrix unit did so from the start. Versions 3, 4 and 7 are versions 1, 2 and 5 for files whose
/// config.json older releases read differently from transformers. All other files keep their
/// number.
pub(super) fn arithmetic_version(precision: Precision, config: &Value) -> u32 {
    let kernels = Kernels::best();
    let codes_of_8_bits = precision == Precision::I8 && kernels.gemm_i8.code_bytes() == 1;
    let native_bf16 = precision == Precision::Bf16 && kernels.bf16_rows.is_some();
    let version = match kernels.tiles {
        Some(_) if codes_of_8_bits => 2,
        None if codes_of_8_bits || native_bf16 => 5,
        _ => 1,
    };
    if was_read_otherwise(config) { version + 2 } else { version }
}

/// Returns true if releases before this rule took another epsilon or other angles from this
/// config.json.
fn was_read_otherwise(config: &Value) -> bool {
    let ropes = &config["rope_parameters"];
    // Those releases preferred the older form of the angles where a file has both.
    let differs = |older: &Value, newer: &Value| !older.is_null() && !newer.is_null() && older != newer;
    match config["model_type"].as_str().unwrap_or_default() {
        "roberta" | "xlm-roberta" | "camembert" => config["layer_norm_eps"].is_null(),
        "modernbert" => {
            let norm = &config["layer_norm_eps"];
            (!norm.is_null() && *norm != config["norm_eps"])
                || differs(&config["global_rope_theta"], &ropes["full_attention"]["rope_theta"])
                || differs(&config["local_rope_theta"], &ropes["sliding_attention"]["rope_theta"])
        }
        "qwen3" => {
            let (older, newer) = (&config["rope_theta"], &ropes["rope_theta"]);
            (older.is_null() && newer.is_null()) || differs(older, newer)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_files_that_older_releases_read_otherwise_have_another_version() {
        let version = |config: Value| arithmetic_version(Precision::F32, &config);
        let ropes = json!({ "full_attention": { "rope_theta": 5e4 }, "sliding_attention": { "rope_theta": 1e4 } });
        for kept in [
            json!({ "model_type": "bert" }),
            json!({ "model_type": "distilbert" }),
            json!({ "model_type": "roberta", "layer_norm_eps": 1e-5 }),
            json!({ "model_type": "modernbert", "norm_eps": 1e-5, "layer_norm_eps": 1e-5 }),
            json!({ "model_type": "modernbert", "norm_eps": 1e-5, "rope_parameters": ropes }),
            json!({ "model_type": "modernbert", "global_rope_theta": 5e4, "rope_parameters": ropes }),
            json!({ "model_type": "qwen3", "rope_theta": 1e6 }),
            json!({ "model_type": "qwen3", "rope_parameters": { "rope_theta": 1e6 } }),
        ] {
            assert_eq!(version(kept.clone()), 1, "{kept}");
        }
        for changed in [
            json!({ "model_type": "roberta" }),
            json!({ "model_type": "xlm-roberta", "layer_norm_eps": null }),
            json!({ "model_type": "camembert" }),
            json!({ "model_type": "modernbert", "norm_eps": 1e-5, "layer_norm_eps": 1e-12 }),
            json!({ "model_type": "modernbert", "global_rope_theta": 1.6e5, "rope_parameters": ropes }),
            json!({ "model_type": "modernbert", "local_rope_theta": 1.6e5, "rope_parameters": ropes }),
            json!({ "model_type": "qwen3" }),
            json!({ "model_type": "qwen3", "rope_theta": 1e6, "rope_parameters": { "rope_theta": 1e4 } }),
        ] {
            assert_eq!(version(changed.clone()), 3, "{changed}");
        }
    }
}

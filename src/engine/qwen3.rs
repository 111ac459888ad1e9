//! Qwen3 (Yang et al. 2025), of which there are embedding models and rerankers: a causal
//! transformer with RMS norms, rotary positions, heads that share keys and values, and norms of
//! each head's queries and keys. By `is_causal` a model may attend to later tokens too.
//!
//! ```text
//! x = words                                                    [tokens, hidden]
//! per layer:
//!     q, k, v = qkv(norm(x))                                   head_dim is not hidden / heads
//!     x = x + output(attention(rotate(norm(q)), rotate(norm(k)), v))
//!     x = x + down(silu(a) * b),  (a, b) = gate(norm(x)), up(norm(x))
//! x = norm(x)
//! ```
//! `prenorm.rs` computes it. Sliding windows and scaled positions are refused.

use serde_json::Value;

use super::config::{Config, ConfigReader};
use super::layer::{Attention, Builder};
use super::norm::Norm;
use super::prenorm::{PreNorm, PreNormLayer};
use super::rope::Rope;
use crate::kernels::padded_len;
use crate::{Error, Result};

/// The tensor that every checkpoint has.
pub(super) const ANCHOR: &str = "embed_tokens.weight";

/// The names of the layers that make queries, keys and values.
const PARTS: [&str; 3] = ["q_proj", "k_proj", "v_proj"];

/// The fields of config.json beyond [`Config`].
pub(super) struct Qwen3Options {
    theta: f32,
    /// True if the layers around attention have biases.
    has_biases: bool,
    /// False if tokens attend to all others.
    causal: bool,
}

impl Qwen3Options {
    /// Reads config.json, of older and newer transformers.
    ///
    /// # Errors
    /// A message about the part that the engine does not compute.
    pub(super) fn read(json: &Value, config: &Config) -> Result<Self, String> {
        let (reader, ropes) = (ConfigReader(json), &json["rope_parameters"]);
        if !config.head_dim.is_multiple_of(2) {
            return Err(format!("'head_dim' is {}, which rotary positions cannot pair", config.head_dim));
        }
        if !json["rope_scaling"].is_null() {
            return Err(format!("'rope_scaling' is {}", json["rope_scaling"]));
        }
        ConfigReader(ropes).expect("rope_type", &["default"])?;
        if reader.flag("use_sliding_window", false)? {
            return Err("'use_sliding_window' is true".into());
        }
        let mut layers = json["layer_types"].as_array().into_iter().flatten().enumerate();
        if let Some((layer, found)) = layers.find(|(_, kind)| **kind != "full_attention") {
            return Err(format!("layer {layer} is {found} in 'layer_types'"));
        }
        Ok(Self {
            theta: ropes["rope_theta"].as_f64().or(json["rope_theta"].as_f64()).unwrap_or(10_000.0) as f32,
            has_biases: reader.flag("attention_bias", false)?,
            causal: reader.flag("is_causal", true)?,
        })
    }
}

/// Packs the weights.
pub(super) fn load(builder: &Builder<'_>, options: &Qwen3Options) -> Result<PreNorm> {
    let config = builder.config;
    Ok(PreNorm {
        words: builder.tensors.get(ANCHOR, &[config.vocab_size, config.hidden_size])?,
        embedding_norm: None,
        layers: (0..config.num_layers).map(|index| layer(builder, options, index)).collect::<Result<_>>()?,
        final_norm: norm(builder, "norm")?,
        config: config.clone(),
    })
}

fn layer(builder: &Builder<'_>, options: &Qwen3Options, index: usize) -> Result<PreNormLayer> {
    let name = format!("layers.{index}");
    let (hidden, middle) = (builder.config.hidden_size, builder.config.intermediate_size);
    let mlp = format!("{name}.mlp");
    let half =
        |part: &str| Ok::<_, Error>((builder.tensors.get(&format!("{mlp}.{part}_proj.weight"), &[middle, hidden])?, 0));
    Ok(PreNormLayer {
        attention_norm: Some(norm(builder, &format!("{name}.input_layernorm"))?),
        attention: attention(builder, options, &format!("{name}.self_attn"))?,
        feed_forward_norm: norm(builder, &format!("{name}.post_attention_layernorm"))?,
        up: builder.gated(&mlp, &[half("gate")?, half("up")?])?,
        down: builder.linear(&format!("{mlp}.down_proj"), (hidden, middle), false)?,
    })
}

fn attention(builder: &Builder<'_>, options: &Qwen3Options, name: &str) -> Result<Attention> {
    let Builder { config, tensors, .. } = builder;
    let &Config { num_heads, num_kv_heads, head_dim, .. } = *config;
    let width = |part: usize| head_dim.saturating_mul(if part == 0 { num_heads } else { num_kv_heads });
    let weight = |part: usize| {
        let name = format!("{name}.{}.weight", PARTS[part]);
        Ok::<_, Error>((tensors.get(&name, &[width(part), config.hidden_size])?, 0))
    };
    let sources = [weight(0)?, weight(1)?, weight(2)?];
    let biased = if options.has_biases { 0..PARTS.len() } else { 0..0 };
    let biases = biased.map(|part| tensors.vector(&format!("{name}.{}.bias", PARTS[part]), width(part)));
    let biases = biases.collect::<Result<Vec<_>>>()?;
    Ok(Attention {
        qkv: builder.qkv(name, 1.0, &sources, &biases, None)?,
        output: builder.attention_output(&format!("{name}.o_proj"), options.has_biases)?,
        heads: builder.heads(None, options.causal),
        norms: Some([
            head_norm(builder, &format!("{name}.q_norm"), builder.query_factor())?,
            head_norm(builder, &format!("{name}.k_norm"), 1.0)?,
        ]),
        rope: Some(Rope::new(options.theta, head_dim)),
        relative: None,
    })
}

fn norm(builder: &Builder<'_>, name: &str) -> Result<Norm> {
    let hidden = builder.config.hidden_size;
    let gamma = builder.tensors.vector(&format!("{name}.weight"), hidden)?;
    Ok(Norm::rms(&gamma, padded_len(hidden), builder.config.norm_eps))
}

/// Loads a norm of the rows of a head, whose results are multiplied by `factor`.
fn head_norm(builder: &Builder<'_>, name: &str, factor: f32) -> Result<Norm> {
    let mut gamma = builder.tensors.vector(&format!("{name}.weight"), builder.config.head_dim)?;
    gamma.iter_mut().for_each(|x| *x *= factor);
    Ok(Norm::rms(&gamma, builder.padded_head_dim(), builder.config.norm_eps))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config() -> Value {
        json!({
            "model_type": "qwen3", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 6,
            "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 64, "vocab_size": 100
        })
    }

    fn read(json: &Value) -> Result<(Config, Qwen3Options), String> {
        let config = Config::read(json)?;
        let options = Qwen3Options::read(json, &config)?;
        Ok((config, options))
    }

    #[test]
    fn options_are_read_with_the_defaults_of_transformers() {
        let (found, options) = read(&config()).unwrap();
        assert_eq!((found.num_heads, found.num_kv_heads, found.head_dim), (6, 2, 16));
        assert_eq!((found.max_positions, found.norm_eps), (32_768, 1e-6));
        assert_eq!(found.activation, crate::kernels::Activation::Silu);
        assert_eq!((options.theta, options.has_biases, options.causal), (1e4, false, true));
        let mut json = config();
        json["rope_theta"] = json!(5e5);
        json["attention_bias"] = json!(true);
        json["is_causal"] = json!(false);
        let (_, options) = read(&json).unwrap();
        assert_eq!((options.theta, options.has_biases, options.causal), (5e5, true, false));
        json["rope_parameters"] = json!({ "rope_type": "default", "rope_theta": 300.0 });
        assert_eq!(read(&json).unwrap().1.theta, 300.0, "the newer form counts");
    }

    #[test]
    fn what_is_not_computed_is_named() {
        for (field, value) in [
            ("head_dim", json!(15)),
            ("head_dim", Value::Null),
            ("num_key_value_heads", Value::Null),
            ("hidden_act", json!("quick_gelu")),
            ("rope_scaling", json!({ "rope_type": "yarn", "factor": 4.0 })),
            ("use_sliding_window", json!(true)),
            ("use_sliding_window", json!("yes")),
            ("layer_types", json!(["full_attention", "sliding_attention"])),
            ("attention_bias", json!(1)),
            ("is_causal", json!("no")),
            ("is_decoder", json!(true)),
        ] {
            let mut json = config();
            json[field] = value;
            let error = read(&json).err().unwrap_or_else(|| panic!("{field} is taken"));
            assert!(error.contains(&format!("'{field}'")), "{field}: {error}");
        }
        let mut json = config();
        json["rope_parameters"] = json!({ "rope_type": "yarn", "factor": 4.0 });
        assert!(read(&json).err().unwrap().contains("'rope_type' is \"yarn\""));
        for (heads, shared) in [(6, 4), (6, 0), (0, 2)] {
            let mut json = config();
            (json["num_attention_heads"], json["num_key_value_heads"]) = (json!(heads), json!(shared));
            assert!(read(&json).err().unwrap().contains(&format!("{heads} heads cannot share {shared} of keys")));
        }
    }
}

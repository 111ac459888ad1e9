//! ModernBERT (Warner et al. 2024): rotary positions, a sliding window in two layers of three, a
//! gated feed-forward part, norms before each half, no biases.
//!
//! ```text
//! x = norm(words)                                              [tokens, hidden]
//! per layer:
//!     x = x + output(attention(rotate(qkv(norm(x)))))          layer 0 has no norm here
//!     x = x + down(gelu(a) * b),  (a, b) = up(norm(x))
//! x = norm(x)
//! ```
//! `prenorm.rs` computes it.

use serde_json::Value;

use super::config::ConfigReader;
use super::layer::{Attention, Builder};
use super::norm::Norm;
use super::prenorm::{PreNorm, PreNormLayer};
use super::rope::Rope;
use crate::Result;

/// The tensor that every checkpoint has.
pub(super) const ANCHOR: &str = "embeddings.tok_embeddings.weight";

/// The fields of config.json beyond [`super::config::Config`].
pub(super) struct Positions {
    /// Per layer, true if it attends to all tokens; empty: one in `global_every`.
    global_layers: Vec<bool>,
    global_every: usize,
    window: usize,
    global_theta: f32,
    local_theta: f32,
}

impl Positions {
    /// Reads config.json, of older and newer transformers.
    ///
    /// # Errors
    /// A message about the part that the engine does not compute.
    pub(super) fn read(json: &Value) -> Result<Self, String> {
        for bias in ["attention_bias", "mlp_bias", "norm_bias"] {
            if json[bias] == true {
                return Err(format!("'{bias}' is true"));
            }
        }
        let reader = ConfigReader(json);
        let ropes = &json["rope_parameters"];
        let theta = |layers: &str, field: &str, default: f64| -> Result<f32, String> {
            ConfigReader(&ropes[layers]).expect("rope_type", &["default"])?;
            Ok(ropes[layers]["rope_theta"].as_f64().or(json[field].as_f64()).unwrap_or(default) as f32)
        };
        let is_global = |layer: &Value| match layer.as_str() {
            Some("full_attention") => Ok(true),
            Some("sliding_attention") => Ok(false),
            _ => Err(format!("'layer_types' has {layer}")),
        };
        let layer_types = json["layer_types"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(Self {
            global_layers: layer_types.iter().map(is_global).collect::<Result<_, _>>()?,
            global_every: reader.number_or("global_attn_every_n_layers", 3)?.max(1),
            // The window counts the tokens on both sides.
            window: reader.number_or("local_attention", 128)? / 2,
            global_theta: theta("full_attention", "global_rope_theta", 160_000.0)?,
            local_theta: theta("sliding_attention", "local_rope_theta", 10_000.0)?,
        })
    }

    fn is_global(&self, layer: usize) -> bool {
        self.global_layers.get(layer).copied().unwrap_or(layer.is_multiple_of(self.global_every))
    }
}

/// Packs the weights.
pub(super) fn load(builder: &Builder<'_>, positions: &Positions) -> Result<PreNorm> {
    let config = builder.config;
    let layer = |index| layer(builder, positions, index);
    Ok(PreNorm {
        words: builder.tensors.get(ANCHOR, &[config.vocab_size, config.hidden_size])?,
        embedding_norm: Some(norm(builder, "embeddings.norm")?),
        layers: (0..config.num_layers).map(layer).collect::<Result<_>>()?,
        final_norm: norm(builder, "final_norm")?,
        config: config.clone(),
    })
}

fn layer(builder: &Builder<'_>, positions: &Positions, index: usize) -> Result<PreNormLayer> {
    let name = format!("layers.{index}");
    let (hidden, middle) = (builder.config.hidden_size, builder.config.intermediate_size);
    let (qkv, up) = (format!("{name}.attn.Wqkv"), format!("{name}.mlp.Wi"));
    // One tensor holds several parts, row behind row.
    let part = |layer: &str, parts: usize, part: usize, rows: usize| {
        let shape = [rows.saturating_mul(parts), hidden];
        Ok::<_, crate::Error>((builder.tensors.get(&format!("{layer}.weight"), &shape)?, part * rows))
    };
    let of_qkv = |index: usize| part(&qkv, 3, index, hidden);
    let sources = [of_qkv(0)?, of_qkv(1)?, of_qkv(2)?];
    let global = positions.is_global(index);
    let theta = if global { positions.global_theta } else { positions.local_theta };
    Ok(PreNormLayer {
        // The rows of layer 0 are normalised already.
        attention_norm: (index > 0).then(|| norm(builder, &format!("{name}.attn_norm"))).transpose()?,
        attention: Attention {
            qkv: builder.qkv(&qkv, builder.query_factor(), &sources, &[], None)?,
            output: builder.attention_output(&format!("{name}.attn.Wo"), false)?,
            heads: builder.heads((!global).then_some(positions.window), false),
            norms: None,
            rope: Some(Rope::new(theta, builder.config.head_dim)),
            relative: None,
        },
        feed_forward_norm: norm(builder, &format!("{name}.mlp_norm"))?,
        up: builder.gated(&up, &[part(&up, 2, 0, middle)?, part(&up, 2, 1, middle)?])?,
        down: builder.linear(&format!("{name}.mlp.Wo"), (hidden, middle), false)?,
    })
}

fn norm(builder: &Builder<'_>, name: &str) -> Result<Norm> {
    let gamma = builder.tensors.vector(&format!("{name}.weight"), builder.config.hidden_size)?;
    Ok(Norm::new(&gamma, &[], builder.config.norm_eps))
}

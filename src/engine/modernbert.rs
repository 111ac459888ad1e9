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

use serde_json::Value;

use super::batch::Batch;
use super::config::{Config, Reader};
use super::forward::{Forward, embedding_error};
use super::layer::{self, Attention, Builder};
use super::linear::{Linear, Rows, To};
use super::norm::Norm;
use super::profile::{Laps, Operation};
use super::rope::Rope;
use super::scratch::Scratch;
use super::weights::Tensor;
use crate::Result;
use crate::kernels::{Activation, padded_len};

/// The tensor that every checkpoint has.
pub(super) const ANCHOR: &str = "embeddings.tok_embeddings.weight";

/// The fields of config.json beyond [`Config`].
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
        let reader = Reader(json);
        let ropes = &json["rope_parameters"];
        let theta = |layers: &str, field: &str, default: f64| -> Result<f32, String> {
            Reader(&ropes[layers]).expect("rope_type", &["default"])?;
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

pub(super) struct ModernBert {
    config: Config,
    words: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    final_norm: Norm,
}

struct Layer {
    /// `None` in the first layer.
    attention_norm: Option<Norm>,
    attention: Attention,
    feed_forward_norm: Norm,
    up: Linear,
    down: Linear,
}

impl ModernBert {
    pub(super) fn load(builder: &Builder<'_>, positions: &Positions) -> Result<Self> {
        let config = builder.config;
        let layer = |index| Layer::load(builder, positions, index);
        Ok(Self {
            words: builder.tensors.get(ANCHOR, &[config.vocab_size, config.hidden_size])?,
            norm: norm(builder, "embeddings.norm")?,
            layers: (0..config.num_layers).map(layer).collect::<Result<_>>()?,
            final_norm: norm(builder, "final_norm")?,
            config: config.clone(),
        })
    }

    fn embed(&self, batch: &Batch<'_>, rows: &mut [f32]) -> Result<()> {
        let hidden = self.config.hidden_size;
        let longest = batch.cu_seqlens.windows(2).map(|edges| edges[1] - edges[0]).max().unwrap_or(0);
        for (&id, row) in batch.ids.iter().zip(rows.chunks_exact_mut(padded_len(hidden))) {
            if id as usize >= self.config.vocab_size || longest > self.config.max_positions {
                return Err(embedding_error(&self.config, id, longest - 1));
            }
            self.words.read_row(id as usize, row);
            row[hidden..].fill(0.0);
        }
        Ok(())
    }
}

impl Layer {
    fn load(builder: &Builder<'_>, positions: &Positions, index: usize) -> Result<Self> {
        let name = format!("layers.{index}");
        let (hidden, middle) = (builder.config.hidden_size, builder.config.intermediate_size);
        let qkv = format!("{name}.attn.Wqkv");
        let part = |part: usize| {
            Ok::<_, crate::Error>((
                builder.tensors.get(&format!("{qkv}.weight"), &[hidden.saturating_mul(3), hidden])?,
                part * hidden,
            ))
        };
        let sources = [part(0)?, part(1)?, part(2)?];
        let global = positions.is_global(index);
        let theta = if global { positions.global_theta } else { positions.local_theta };
        Ok(Self {
            attention_norm: (index > 0).then(|| norm(builder, &format!("{name}.attn_norm"))).transpose()?,
            attention: Attention {
                qkv: builder.qkv(&qkv, builder.query_factor(), &sources, &[], None)?,
                output: builder.attention_output(&format!("{name}.attn.Wo"), false)?,
                heads: builder.heads((!global).then_some(positions.window)),
                rope: Some(Rope::new(theta, builder.config.head_dim())),
                relative: None,
            },
            feed_forward_norm: norm(builder, &format!("{name}.mlp_norm"))?,
            up: builder.gated(&format!("{name}.mlp.Wi"))?,
            down: builder.linear(&format!("{name}.mlp.Wo"), (hidden, middle), false)?,
        })
    }
}

fn norm(builder: &Builder<'_>, name: &str) -> Result<Norm> {
    let gamma = builder.tensors.vector(&format!("{name}.weight"), builder.config.hidden_size)?;
    Ok(Norm::new(&gamma, &[], builder.config.norm_eps))
}

impl Forward for ModernBert {
    fn config(&self) -> &Config {
        &self.config
    }

    fn products(&self) -> Vec<(Operation, &Linear)> {
        self.layers.iter().flat_map(|layer| layer::products(&layer.attention, &layer.up, &layer.down)).collect()
    }

    fn forward(&self, batch: &Batch<'_>, scratch: &mut Scratch, laps: &mut Laps) -> Result<()> {
        let width = padded_len(self.config.hidden_size);
        let elementwise = &batch.kernels.elementwise;
        let Scratch { hidden, normed, middle, gated, operand, attention, .. } = scratch;
        let hidden = hidden.at_least(batch.tokens() * width);
        let normed = normed.at_least(batch.tokens() * width);
        laps.layer(0);
        self.embed(batch, hidden)?;
        self.norm.apply(batch.kernels, hidden);
        laps.lap(Operation::Embeddings);
        for (index, layer) in self.layers.iter().enumerate() {
            batch.check()?;
            laps.layer(index);
            normed.copy_from_slice(hidden);
            if let Some(norm) = &layer.attention_norm {
                norm.apply(batch.kernels, normed);
            }
            laps.lap(Operation::Norm);
            layer.attention.qkv.prepare(Rows::F32(normed), operand, 0);
            laps.lap(Operation::Quantize);
            layer.attention.forward(batch, normed, operand, attention, laps);
            let gate = layer.up.n() / 2;
            for rows in batch.blocks() {
                let (hidden, normed) = (
                    &mut hidden[rows.start * width..rows.end * width],
                    &mut normed[rows.start * width..rows.end * width],
                );
                let middle = middle.rows.at_least(rows.len() * 2 * gate);
                let gated = gated.at_least(rows.len() * gate);
                let output = &layer.attention.output;
                let context = layer.attention.context(&attention.context, rows.clone());
                let laps_of = laps.of(Operation::AttentionOutput);
                output.apply(batch, context, operand, output.whole(), To::Add(hidden), laps_of);
                normed.copy_from_slice(hidden);
                layer.feed_forward_norm.apply(batch.kernels, normed);
                laps.lap(Operation::Norm);
                let to = To::Store(middle, Activation::None);
                layer.up.apply(batch, Rows::F32(normed), operand, layer.up.whole(), to, laps.of(Operation::Up));
                for (row, gated) in middle.chunks_exact(2 * gate).zip(gated.chunks_exact_mut(gate)) {
                    gated.copy_from_slice(&row[..gate]);
                    elementwise.activate(self.config.activation, gated);
                    elementwise.multiply(gated, &row[gate..]);
                }
                laps.lap(Operation::Gate);
                let (down, laps_of) = (&layer.down, laps.of(Operation::Down));
                down.apply(batch, Rows::F32(gated), operand, down.whole(), To::Add(hidden), laps_of);
            }
        }
        self.final_norm.apply(batch.kernels, hidden);
        laps.lap(Operation::Norm);
        Ok(())
    }
}

//! Transformers with a norm in front of each half of a layer, a gated feed-forward part, and a norm
//! at the end. `modernbert.rs` and `qwen3.rs` load them.
//!
//! ```text
//! x = words, or norm(words)                                    [tokens, hidden]
//! per layer:
//!     x = x + output(attention(qkv(norm(x))))
//!     x = x + down(activation(a) * b),  (a, b) = up(norm(x))
//! x = norm(x)
//! ```

use std::ops::Range;

use super::batch::Batch;
use super::config::Config;
use super::forward::{Forward, embedding_error};
use super::layer::{self, Attention};
use super::linear::{LayerInput, LayerOutput, Linear};
use super::norm::Norm;
use super::profile::{Laps, Operation};
use super::scratch::Scratch;
use super::weights::Tensor;
use crate::Result;
use crate::kernels::{Activation, padded_len};

pub(super) struct PreNorm {
    pub(super) config: Config,
    pub(super) words: Tensor,
    /// The norm of the embeddings; `None` without one.
    pub(super) embedding_norm: Option<Norm>,
    pub(super) layers: Vec<PreNormLayer>,
    pub(super) final_norm: Norm,
}

pub(super) struct PreNormLayer {
    /// `None` if the rows are normalised already.
    pub(super) attention_norm: Option<Norm>,
    pub(super) attention: Attention,
    pub(super) feed_forward_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
}

impl PreNorm {
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
        if let Some(norm) = &self.embedding_norm {
            norm.apply(batch.kernels, rows);
        }
        Ok(())
    }
}

impl PreNormLayer {
    /// Computes the context of all rows.
    fn attend(&self, batch: &Batch<'_>, scratch: &mut Scratch, laps: &mut Laps) {
        let Scratch { hidden, normed, operand, attention, .. } = scratch;
        let numbers = batch.tokens() * self.down.n();
        let (hidden, normed) = (hidden.at_least(numbers), normed.at_least(numbers));
        normed.copy_from_slice(hidden);
        if let Some(norm) = &self.attention_norm {
            norm.apply(batch.kernels, normed);
        }
        laps.lap(Operation::Norm);
        self.attention.qkv.prepare(LayerInput::F32(normed), operand, 0);
        laps.lap(Operation::Quantize);
        self.attention.forward(batch, normed, operand, attention, laps);
    }

    /// Adds the context and the feed-forward part to some rows.
    fn add(
        &self,
        batch: &Batch<'_>,
        rows: Range<usize>,
        activation: Activation,
        scratch: &mut Scratch,
        laps: &mut Laps,
    ) {
        let Scratch { hidden, normed, middle, gated, operand, attention, .. } = scratch;
        let Attention { output, .. } = &self.attention;
        let (width, gate) = (self.down.n(), self.up.n() / 2);
        let numbers = rows.start * width..rows.end * width;
        let (hidden, normed) = (&mut hidden.as_mut_slice()[numbers.clone()], &mut normed.as_mut_slice()[numbers]);
        let middle = middle.rows.at_least(rows.len() * 2 * gate);
        let gated = gated.at_least(rows.len() * gate);
        let context = self.attention.context(&attention.context, rows);
        output.add_early_bias(hidden);
        output.apply(
            batch,
            context,
            operand,
            output.whole(),
            LayerOutput::Add(hidden),
            laps.of(Operation::AttentionOutput),
        );
        normed.copy_from_slice(hidden);
        self.feed_forward_norm.apply(batch.kernels, normed);
        laps.lap(Operation::Norm);
        let to = LayerOutput::Store(middle, Activation::None);
        self.up.apply(batch, LayerInput::F32(normed), operand, self.up.whole(), to, laps.of(Operation::Up));
        let elementwise = &batch.kernels.elementwise;
        for (row, gated) in middle.chunks_exact(2 * gate).zip(gated.chunks_exact_mut(gate)) {
            gated.copy_from_slice(&row[..gate]);
            elementwise.activate(activation, gated);
            elementwise.multiply(gated, &row[gate..]);
        }
        laps.lap(Operation::Gate);
        let (down, laps_of) = (&self.down, laps.of(Operation::Down));
        down.apply(batch, LayerInput::F32(gated), operand, down.whole(), LayerOutput::Add(hidden), laps_of);
    }
}

impl Forward for PreNorm {
    fn config(&self) -> &Config {
        &self.config
    }

    fn products(&self) -> Vec<(Operation, &Linear)> {
        self.layers.iter().flat_map(|layer| layer::products(&layer.attention, &layer.up, &layer.down)).collect()
    }

    fn forward(&self, batch: &Batch<'_>, scratch: &mut Scratch, laps: &mut Laps) -> Result<()> {
        let numbers = batch.tokens() * padded_len(self.config.hidden_size);
        laps.layer(0);
        self.embed(batch, scratch.hidden.at_least(numbers))?;
        laps.lap(Operation::Embeddings);
        for (index, layer) in self.layers.iter().enumerate() {
            batch.check()?;
            laps.layer(index);
            layer.attend(batch, scratch, laps);
            batch.blocks().for_each(|rows| layer.add(batch, rows, self.config.activation, scratch, laps));
        }
        self.final_norm.apply(batch.kernels, scratch.hidden.at_least(numbers));
        laps.lap(Operation::Norm);
        Ok(())
    }
}

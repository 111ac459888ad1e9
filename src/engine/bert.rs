//! BERT (Devlin et al. 2018) and what computes the same: RoBERTa, XLM-RoBERTa and CamemBERT count positions from another number,
//! DistilBERT has no token types and other names.
//!
//! ```text
//! x = norm(words + positions + types)                          [tokens, hidden]
//! per layer:
//!     x = norm(x + output(attention(qkv(x))))
//!     x = norm(x + down(gelu(up(x))))
//! ```

use super::config::{Config, Family};
use super::layer::{self, Attention, Batch, Builder};
use super::linear::{Linear, Norm, Then};
use super::profile::{Laps, Operation};
use super::scratch::Scratch;
use super::weights::Tensor;
use super::{Forward, embedding_error};
use crate::Result;
use crate::kernels::padded_len;

/// The tensor that every checkpoint has.
pub(super) const ANCHOR: &str = "embeddings.word_embeddings.weight";

pub(super) struct Bert {
    config: Config,
    words: Tensor,
    positions: Tensor,
    /// The rows of the types; none where there are no types.
    token_types: Vec<Vec<f32>>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    attention: Attention,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
}

impl Bert {
    pub(super) fn load(builder: &Builder<'_>) -> Result<Self> {
        let Builder { tensors, config, .. } = builder;
        let hidden = config.hidden_size;
        let types = if config.family == Family::DistilBert { 0 } else { config.type_vocab_size };
        let table = (types > 0).then(|| tensors.get("embeddings.token_type_embeddings.weight", &[types, hidden]));
        let row = |table: &Tensor, index: usize| {
            let mut row = vec![0.0; hidden];
            table.read_row(index, &mut row);
            row
        };
        let token_types = table.transpose()?.map_or(Vec::new(), |table| (0..types).map(|i| row(&table, i)).collect());
        Ok(Self {
            words: tensors.get(ANCHOR, &[config.vocab_size, hidden])?,
            positions: tensors.get("embeddings.position_embeddings.weight", &[config.max_positions, hidden])?,
            token_types,
            norm: norm(builder, "embeddings.LayerNorm")?,
            layers: (0..config.num_layers).map(|layer| Layer::load(builder, layer)).collect::<Result<_>>()?,
            config: (*config).clone(),
        })
    }

    /// Writes the sum of the embeddings of all tokens.
    fn embed(&self, batch: &Batch<'_>, rows: &mut [f32]) -> Result<()> {
        let hidden = self.config.hidden_size;
        let width = padded_len(hidden);
        let mut position_row = vec![0.0; hidden];
        for (sequence, &second_part) in batch.cu_seqlens.windows(2).zip(batch.second_parts) {
            // Padding tokens that a text spells out have no position of their own in RoBERTa.
            let mut counted = 0;
            for token in sequence[0]..sequence[1] {
                let id = batch.ids[token];
                let position = match self.config.family {
                    Family::Roberta if id == self.config.pad_token_id => id as usize,
                    Family::Roberta => {
                        counted += 1;
                        self.config.pad_token_id as usize + counted
                    }
                    _ => token - sequence[0],
                };
                if id as usize >= self.config.vocab_size || position >= self.config.max_positions {
                    return Err(embedding_error(&self.config, id, position));
                }
                let row = &mut rows[token * width..][..width];
                self.words.read_row(id as usize, row);
                row[hidden..].fill(0.0);
                self.positions.read_row(position, &mut position_row);
                row.iter_mut().zip(&position_row).for_each(|(x, p)| *x += p);
                // RoBERTa has one type for both parts.
                let token_type = self.token_types.get(usize::from(token >= second_part)).or(self.token_types.first());
                row.iter_mut().zip(token_type.into_iter().flatten()).for_each(|(x, t)| *x += t);
            }
        }
        Ok(())
    }
}

impl Layer {
    fn load(builder: &Builder<'_>, index: usize) -> Result<Self> {
        let name = format!("encoder.layer.{index}");
        let (hidden, middle) = (builder.config.hidden_size, builder.config.intermediate_size);
        let own = format!("{name}.attention.self");
        let parts = ["query", "key", "value"];
        let weight = |part: &str| Ok((builder.tensors.get(&format!("{own}.{part}.weight"), &[hidden, hidden])?, 0));
        let sources = [weight(parts[0])?, weight(parts[1])?, weight(parts[2])?];
        let biases = parts.map(|part| builder.tensors.vector(&format!("{own}.{part}.bias"), hidden));
        let biases = biases.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(Self {
            attention: Attention {
                qkv: builder.qkv(&own, &sources, &biases)?,
                output: builder.attention_output(&format!("{name}.attention.output.dense"), true)?,
                heads: builder.heads(None),
                rope: None,
            },
            attention_norm: norm(builder, &format!("{name}.attention.output.LayerNorm"))?,
            up: builder.linear(&format!("{name}.intermediate.dense"), (middle, hidden), true)?,
            down: builder.linear(&format!("{name}.output.dense"), (hidden, middle), true)?,
            output_norm: norm(builder, &format!("{name}.output.LayerNorm"))?,
        })
    }
}

/// Older checkpoints call gamma and beta of a norm so.
fn norm(builder: &Builder<'_>, name: &str) -> Result<Norm> {
    let names = if builder.tensors.contains(&format!("{name}.gamma")) { ["gamma", "beta"] } else { ["weight", "bias"] };
    let vector = |part| builder.tensors.vector(&format!("{name}.{part}"), builder.config.hidden_size);
    Ok(Norm::new(&vector(names[0])?, &vector(names[1])?, builder.config.norm_eps))
}

impl Forward for Bert {
    fn config(&self) -> &Config {
        &self.config
    }

    fn products(&self) -> Vec<(Operation, &Linear)> {
        self.layers.iter().flat_map(|layer| layer::products(&layer.attention, &layer.up, &layer.down)).collect()
    }

    fn forward(&self, batch: &Batch<'_>, scratch: &mut Scratch, laps: &mut Laps) -> Result<()> {
        let width = padded_len(self.config.hidden_size);
        let Scratch { hidden, middle, operand, attention, .. } = scratch;
        let hidden = hidden.at_least(batch.tokens() * width);
        laps.layer(0);
        self.embed(batch, hidden)?;
        self.norm.apply(batch.kernels, hidden);
        laps.lap(Operation::Embeddings);
        for (index, layer) in self.layers.iter().enumerate() {
            laps.layer(index);
            layer.attention.forward(batch, hidden, attention, operand, laps);
            let inner = layer.attention.heads.width();
            for rows in batch.blocks() {
                let context = &attention.context.as_slice()[rows.start * inner..rows.end * inner];
                let hidden = &mut hidden[rows.start * width..rows.end * width];
                let middle = middle.at_least(rows.len() * layer.up.n());
                let output = &layer.attention.output;
                output.apply(batch, context, hidden, &Then::Add, operand, laps.of(Operation::AttentionOutput));
                layer.attention_norm.apply(batch.kernels, hidden);
                laps.lap(Operation::Norm);
                let activation = Then::Store(self.config.activation);
                layer.up.apply(batch, hidden, middle, &activation, operand, laps.of(Operation::Up));
                layer.down.apply(batch, middle, hidden, &Then::Add, operand, laps.of(Operation::Down));
                layer.output_norm.apply(batch.kernels, hidden);
                laps.lap(Operation::Norm);
            }
        }
        Ok(())
    }
}

//! BERT (Devlin et al. 2018) and its relatives. RoBERTa, XLM-RoBERTa and CamemBERT count positions
//! from another number. DistilBERT has other names and no token types. ELECTRA's embeddings may be
//! narrower than its layers (Clark et al. 2020). DeBERTa-v2 has other names, scores with the terms
//! of distances (`deberta.rs`), and mostly no positions in its embeddings.
//!
//! ```text
//! x = norm(words + positions + types)                          [tokens, hidden]; ELECTRA: project(norm(...)) where widths differ
//! per layer:
//!     x = norm(x + output(attention(qkv(x))))
//!     x = norm(x + down(gelu(up(x))))
//! ```

use super::batch::Batch;
use super::between::Between;
use super::config::{Config, Family};
use super::deberta::{self, Distances};
use super::forward::{Forward, embedding_error};
use super::layer::{self, Attention, Builder};
use super::linear::{LayerInput, LayerOutput, Linear};
use super::norm::Norm;
use super::operand::Operand;
use super::packing::splits_columns;
use super::profile::{Laps, Operation};
use super::scratch::Scratch;
use super::split_columns::{SplitColumns, ranks};
use super::weights::Tensor;
use crate::Result;
use crate::kernels::{Activation, padded_len};

/// The tensor that every checkpoint has.
pub(super) const ANCHOR: &str = "embeddings.word_embeddings.weight";

pub(super) struct Bert {
    config: Config,
    words: Tensor,
    /// `None` for a model that knows positions by their distances alone.
    positions: Option<Tensor>,
    /// The rows of the token types; empty without token types.
    token_types: Vec<Vec<f32>>,
    norm: Norm,
    projection: Option<Projection>,
    layers: Vec<BertLayer>,
}

/// A projection from the width of the embeddings to that of the layers, in f32. It is small and
/// runs once per token.
struct Projection {
    /// `[hidden, embedding]`, row-major, embeddings padded.
    weight: Vec<f32>,
    bias: Vec<f32>,
}

struct BertLayer {
    attention: Attention,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    output_norm: Norm,
}

impl Bert {
    /// Loads a model. `disentangled` are the options of DeBERTa-v2, `None` for the others.
    pub(super) fn load(builder: &Builder<'_>, disentangled: Option<&deberta::DebertaOptions>) -> Result<Self> {
        let Builder { tensors, config, .. } = builder;
        let width = config.embedding_size;
        let types = if config.family == Family::DistilBert { 0 } else { config.type_vocab_size };
        let table = (types > 0).then(|| tensors.values("embeddings.token_type_embeddings.weight", &[types, width]));
        let token_types = table.transpose()?.unwrap_or_default().chunks_exact(width).map(<[f32]>::to_vec).collect();
        let ranks = column_ranks(builder)?;
        let distances = disentangled.map(|options| Distances::load(builder, options)).transpose()?;
        let positions = || tensors.get("embeddings.position_embeddings.weight", &[config.max_positions, width]);
        let layer = |layer| BertLayer::load(builder, layer, &ranks, distances.as_ref());
        Ok(Self {
            words: tensors.get(ANCHOR, &[config.vocab_size, width])?,
            positions: disentangled.is_none_or(|options| options.has_positions).then(positions).transpose()?,
            token_types,
            norm: norm(builder, "embeddings.LayerNorm", width)?,
            projection: (width != config.hidden_size).then(|| Projection::load(builder)).transpose()?,
            layers: (0..config.num_layers).map(layer).collect::<Result<_>>()?,
            config: (*config).clone(),
        })
    }

    /// Writes the input of the first layer, as rows and as its operand.
    fn embed(&self, batch: &Batch<'_>, rows: &mut [f32], operand: &mut Operand) -> Result<()> {
        let Some(projection) = &self.projection else {
            self.sum_embeddings(batch, rows)?;
            self.feed(0, &self.norm, batch, rows, operand, 0);
            return Ok(());
        };
        let mut narrow = vec![0.0; batch.tokens() * padded_len(self.config.embedding_size)];
        self.sum_embeddings(batch, &mut narrow)?;
        self.norm.apply(batch.kernels, &mut narrow);
        projection.apply(batch, &narrow, rows);
        if let Some(BertLayer { attention, .. }) = self.layers.first() {
            attention.qkv.prepare(LayerInput::F32(rows), operand, 0);
            attention.output.add_early_bias(rows);
        }
        Ok(())
    }

    /// Normalises rows in place. Prepares them for layer `index`, if there is one, as rows of its
    /// operand from `first` on.
    fn feed(
        &self,
        index: usize,
        norm: &Norm,
        batch: &Batch<'_>,
        rows: &mut [f32],
        operand: &mut Operand,
        first: usize,
    ) {
        match self.layers.get(index) {
            Some(BertLayer { attention: Attention { qkv, output, .. }, .. }) => {
                norm.feed(batch.kernels, rows, (qkv, output), operand, first);
            }
            None => norm.apply(batch.kernels, rows),
        }
    }

    /// Writes the sum of the embeddings of all tokens.
    fn sum_embeddings(&self, batch: &Batch<'_>, rows: &mut [f32]) -> Result<()> {
        let embedding = self.config.embedding_size;
        let width = padded_len(embedding);
        let mut position_row = vec![0.0; embedding];
        for (sequence, &second_part) in batch.cu_seqlens.windows(2).zip(batch.second_parts) {
            // In RoBERTa, padding tokens that a text spells out have no position of their own.
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
                row[embedding..].fill(0.0);
                if let Some(positions) = &self.positions {
                    positions.read_row(position, &mut position_row);
                    row.iter_mut().zip(&position_row).for_each(|(x, p)| *x += p);
                }
                // RoBERTa has one type for both parts.
                let token_type = self.token_types.get(usize::from(token >= second_part)).or(self.token_types.first());
                row.iter_mut().zip(token_type.into_iter().flatten()).for_each(|(x, t)| *x += t);
            }
        }
        Ok(())
    }
}

impl Projection {
    fn load(builder: &Builder<'_>) -> Result<Self> {
        let (hidden, embedding) = (builder.config.hidden_size, builder.config.embedding_size);
        let table = builder.tensors.values("embeddings_project.weight", &[hidden, embedding])?;
        let mut weight = vec![0.0; hidden * padded_len(embedding)];
        let rows = weight.chunks_exact_mut(padded_len(embedding)).zip(table.chunks_exact(embedding));
        rows.for_each(|(to, from)| to[..embedding].copy_from_slice(from));
        Ok(Self { weight, bias: builder.tensors.vector("embeddings_project.bias", hidden)? })
    }

    /// Projects padded rows of embeddings to padded rows of hidden states.
    fn apply(&self, batch: &Batch<'_>, narrow: &[f32], rows: &mut [f32]) {
        let hidden = self.bias.len();
        let widths = (self.weight.len() / hidden, padded_len(hidden));
        for (from, to) in narrow.chunks_exact(widths.0).zip(rows.chunks_exact_mut(widths.1)) {
            batch.kernels.dot_f32.rows(from, &self.weight, &mut to[..hidden]);
            to.iter_mut().zip(&self.bias).for_each(|(y, b)| *y += b);
            to[hidden..].fill(0.0);
        }
    }
}

impl BertLayer {
    /// Loads a layer. `ranks` is the result of [`column_ranks`].
    fn load(builder: &Builder<'_>, index: usize, ranks: &[usize], distances: Option<&Distances>) -> Result<Self> {
        let name = layer_name(index);
        let (hidden, middle) = (builder.config.hidden_size, builder.config.intermediate_size);
        let own = format!("{name}.attention.self");
        let parts = if distances.is_some() { deberta::PARTS } else { ["query", "key", "value"] };
        let factor = distances.map_or(builder.query_factor(), Distances::query_factor);
        let weight = |part: &str| {
            Ok::<_, crate::Error>((builder.tensors.get(&format!("{own}.{part}.weight"), &[hidden, hidden])?, 0))
        };
        let sources = [weight(parts[0])?, weight(parts[1])?, weight(parts[2])?];
        let biases = parts.map(|part| builder.tensors.vector(&format!("{own}.{part}.bias"), hidden));
        let biases = biases.into_iter().collect::<Result<Vec<_>>>()?;
        Ok(Self {
            attention: Attention {
                qkv: builder.qkv(
                    &own,
                    factor,
                    &sources,
                    &biases,
                    split_behind(builder, &norm_before(index), ranks)?,
                )?,
                output: builder.attention_output(&format!("{name}.attention.output.dense"), true)?,
                heads: builder.heads(None, false),
                norms: None,
                rope: None,
                relative: distances.map(|distances| distances.project(builder, &own)).transpose()?,
            },
            attention_norm: norm(builder, &attention_norm(index), hidden)?,
            up: builder.linear_behind(
                &format!("{name}.intermediate.dense"),
                (middle, hidden),
                true,
                split_behind(builder, &attention_norm(index), ranks)?,
            )?,
            down: builder.linear(&format!("{name}.output.dense"), (hidden, middle), true)?,
            output_norm: norm(builder, &format!("{name}.output.LayerNorm"), hidden)?,
        })
    }
}

impl BertLayer {
    /// Adds the feed-forward part to rows that are prepared for `up`.
    fn feed_forward(
        &self,
        batch: &Batch<'_>,
        rows: &mut [f32],
        (middle, activation): (&mut Between, Activation),
        operand: &mut Operand,
        laps: &mut Laps,
    ) {
        let Self { up, down, .. } = self;
        let m = rows.len() / up.k();
        for part in down.input_parts(batch) {
            let to = middle.to(down, m, part.len(), activation);
            up.multiply(batch, LayerInput::F32(rows), operand, up.outputs(part.clone()), to, laps.of(Operation::Up));
            let (between, part) = (middle.of(down, 0..m), down.inputs(part));
            down.apply(batch, between, operand, part, LayerOutput::Add(rows), laps.of(Operation::Down));
        }
    }
}

fn layer_name(index: usize) -> String {
    format!("encoder.layer.{index}")
}

fn attention_norm(index: usize) -> String {
    format!("{}.attention.output.LayerNorm", layer_name(index))
}

/// Returns the name of the norm whose rows are the input of a layer.
fn norm_before(index: usize) -> String {
    match index.checked_sub(1) {
        None => "embeddings.LayerNorm".to_owned(),
        Some(before) => format!("{}.output.LayerNorm", layer_name(before)),
    }
}

/// Reads the weight and bias of a norm; older checkpoints call them gamma and beta.
fn norm_vectors(builder: &Builder<'_>, name: &str, width: usize) -> Result<(Vec<f32>, Vec<f32>)> {
    let names = if builder.tensors.contains(&format!("{name}.gamma")) { ["gamma", "beta"] } else { ["weight", "bias"] };
    let vector = |part| builder.tensors.vector(&format!("{name}.{part}"), width);
    Ok((vector(names[0])?, vector(names[1])?))
}

fn norm(builder: &Builder<'_>, name: &str, width: usize) -> Result<Norm> {
    let (gamma, beta) = norm_vectors(builder, name, width)?;
    Ok(Norm::new(&gamma, &beta, builder.config.norm_eps))
}

/// Returns the ranks of the columns by the size of their numbers; empty if no column is split. The
/// norms behind attention show them best: they pass the large columns on, while the norms at a
/// layer's end reduce them.
fn column_ranks(builder: &Builder<'_>) -> Result<Vec<usize>> {
    let Builder { kernels, precision, config, tensors, .. } = builder;
    if !splits_columns(kernels, *precision) {
        return Ok(Vec::new());
    }
    // A missing layer is reported where it is loaded.
    let is_there = |norm: &String| ["gamma", "weight"].iter().any(|part| tensors.contains(&format!("{norm}.{part}")));
    let names = (0..config.num_layers).map(attention_norm).take_while(is_there);
    let norms = names.map(|norm| norm_vectors(builder, &norm, config.hidden_size));
    Ok(ranks(&norms.collect::<Result<Vec<_>>>()?))
}

/// Returns the splitting of the columns behind a norm; `None` if they are not split.
fn split_behind(builder: &Builder<'_>, norm: &str, ranks: &[usize]) -> Result<Option<SplitColumns>> {
    let hidden = builder.config.hidden_size;
    // Narrow embeddings are projected behind their norm, which then does not determine the columns'
    // sizes.
    if ranks.is_empty() || (norm == norm_before(0) && builder.config.embedding_size != hidden) {
        return Ok(None);
    }
    let (gamma, beta) = norm_vectors(builder, norm, hidden)?;
    Ok(Some(SplitColumns::behind(&gamma, &beta, ranks, builder.added_columns(hidden))))
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
        let Scratch { hidden, middle, operand, inner_operand, attention, .. } = scratch;
        let hidden = hidden.at_least(batch.tokens() * width);
        laps.layer(0);
        self.embed(batch, hidden, operand)?;
        laps.lap(Operation::Embeddings);
        for (index, layer) in self.layers.iter().enumerate() {
            batch.check()?;
            laps.layer(index);
            layer.attention.forward(batch, hidden, operand, attention, laps);
            for rows in batch.blocks() {
                let hidden = &mut hidden[rows.start * width..rows.end * width];
                let output = &layer.attention.output;
                let context = layer.attention.context(&attention.context, rows.clone());
                let laps_of = laps.of(Operation::AttentionOutput);
                output.apply(batch, context, inner_operand, output.whole(), LayerOutput::Add(hidden), laps_of);
                layer.attention_norm.feed(batch.kernels, hidden, (&layer.up, &layer.down), inner_operand, 0);
                laps.lap(Operation::Norm);
                layer.feed_forward(batch, hidden, (middle, self.config.activation), inner_operand, laps);
                self.feed(index + 1, &layer.output_norm, batch, hidden, operand, rows.start);
                laps.lap(Operation::Norm);
            }
        }
        Ok(())
    }
}

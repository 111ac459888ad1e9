//! DeBERTa-v2 and -v3 (He et al. 2021): BERT whose attention has terms of distances.
//!
//! ```text
//! e = norm(embeddings of distances)          [2 span, hidden]; the norm is optional
//! per layer:
//!     K = key(e), Q = query(e)               by the contents' projections, or by others
//!     attention as disentangled.rs, scores / sqrt(head_dim x number of terms)
//! ```
//! `bert.rs` computes all else. `K` and `Q` depend on weights alone and are computed when the model
//! is loaded.

use std::sync::Arc;

use rayon::prelude::*;
use serde_json::Value;

use super::config::{Config, ConfigReader};
use super::disentangled::{Buckets, Relative};
use super::finite::all_finite;
use super::layer::Builder;
use super::norm::Norm;
use super::packed::Packed;
use crate::Result;
use crate::kernels::{Left, Output, OutputRows, Right, padded_len};

/// The names of the layers that make queries, keys and values.
pub(super) const PARTS: [&str; 3] = ["query_proj", "key_proj", "value_proj"];

/// The most positions of a model; the tables of distances have two numbers for each.
const MOST_POSITIONS: usize = 1 << 16;

/// The fields of config.json beyond [`Config`].
pub(super) struct DebertaOptions {
    /// True if a table of positions is added to the embeddings.
    pub(super) has_positions: bool,
    content_to_position: bool,
    position_to_content: bool,
    /// True if distances are projected by the layers of the contents.
    shares_projections: bool,
    /// Half of the number of embeddings.
    span: usize,
    /// The largest distance, if distances share embeddings by their logarithm.
    buckets_of: Option<usize>,
    has_norm: bool,
}

impl DebertaOptions {
    /// Reads config.json.
    ///
    /// # Errors
    /// A message about the part that the engine does not compute.
    pub(super) fn read(json: &Value, config: &Config) -> Result<Self, String> {
        refuse(json, config)?;
        let (content_to_position, position_to_content) = terms(&json["pos_att_type"])?;
        let reader = ConfigReader(json);
        let largest = size(reader, "max_relative_positions")?.unwrap_or(config.max_positions);
        let buckets = size(reader, "position_buckets")?;
        if let Some(buckets) = buckets.filter(|buckets| *buckets < 2 || largest < buckets / 2 + 2) {
            return Err(format!("'position_buckets' is {buckets}, and the largest distance {largest}"));
        }
        if largest == 0 {
            return Err("'max_position_embeddings' is 0".into());
        }
        Ok(Self {
            has_positions: reader.flag("position_biased_input", true)?,
            content_to_position,
            position_to_content,
            shares_projections: reader.flag("share_att_key", false)?,
            span: buckets.unwrap_or(largest),
            buckets_of: buckets.map(|_| largest),
            has_norm: has_norm(&json["norm_rel_ebd"])?,
        })
    }

    /// Returns the number of terms of a score.
    fn terms(&self) -> usize {
        1 + usize::from(self.content_to_position) + usize::from(self.position_to_content)
    }
}

/// Refuses the parts of the architecture that are not computed.
fn refuse(json: &Value, config: &Config) -> Result<(), String> {
    let (width, dim) = (config.hidden_size as u64, config.head_dim as u64);
    let required = [("embedding_size", width), ("attention_head_size", dim), ("conv_kernel_size", 0), ("z_steps", 0)];
    for (field, expected) in required {
        if !json[field].is_null() && json[field] != expected {
            return Err(format!("'{field}' is {}; expected {expected}", json[field]));
        }
    }
    if json["relative_attention"] != true {
        return Err(format!("'relative_attention' is {}; expected true", json["relative_attention"]));
    }
    if config.max_positions > MOST_POSITIONS {
        return Err(format!(
            "'max_position_embeddings' is {}; expected at most {MOST_POSITIONS}",
            config.max_positions
        ));
    }
    Ok(())
}

/// Reads a size, which may be left out or negative for none.
fn size(reader: ConfigReader<'_>, field: &str) -> Result<Option<usize>, String> {
    match reader.0[field].as_i64() {
        Some(number) if number < 1 => Ok(None),
        _ => Ok(Some(reader.number_or(field, 0)?).filter(|size| *size > 0)),
    }
}

/// Returns true for each of the terms `c2p` and `p2c`, which are a list or one text.
fn terms(field: &Value) -> Result<(bool, bool), String> {
    let named: Vec<String> = match field {
        Value::String(text) => text.to_lowercase().split('|').map(|name| name.trim().to_owned()).collect(),
        Value::Array(names) => names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect(),
        _ => Vec::new(),
    };
    if named.is_empty() || named.iter().any(|name| !["c2p", "p2c"].contains(&name.as_str())) {
        return Err(format!("'pos_att_type' is {field}; expected c2p, p2c or both"));
    }
    let has = |term: &str| named.iter().any(|name| name == term);
    Ok((has("c2p"), has("p2c")))
}

fn has_norm(field: &Value) -> Result<bool, String> {
    match field.as_str().map(str::to_lowercase).as_deref() {
        Some("layer_norm") => Ok(true),
        Some("none") => Ok(false),
        None if field.is_null() => Ok(false),
        _ => Err(format!("'norm_rel_ebd' is {field}; expected none or layer_norm")),
    }
}

/// The embeddings of distances, for the projections of all layers.
pub(super) struct Distances {
    /// Panels of `[hidden, rows]`, in rising and in falling order.
    rising: Vec<f32>,
    falling: Vec<f32>,
    /// Number of rows, in whole panels.
    rows: usize,
    buckets: Arc<Buckets>,
    content_to_position: bool,
    position_to_content: bool,
    shares_projections: bool,
    query_factor: f32,
}

impl Distances {
    pub(super) fn load(builder: &Builder<'_>, options: &DebertaOptions) -> Result<Self> {
        let Builder { tensors, config, kernels, .. } = builder;
        let (hidden, count) = (config.hidden_size, options.span.saturating_mul(2));
        let width = padded_len(hidden);
        let table = tensors.values("encoder.rel_embeddings.weight", &[count, hidden])?;
        let mut padded = vec![0.0; count * width];
        let rows = padded.chunks_exact_mut(width).zip(table.chunks_exact(hidden));
        rows.for_each(|(to, from)| to[..hidden].copy_from_slice(from));
        if options.has_norm {
            let vector = |part| tensors.vector(&format!("encoder.LayerNorm.{part}"), hidden);
            Norm::new(&vector("weight")?, &vector("bias")?, config.norm_eps).apply(kernels, &mut padded);
        }
        let nr = kernels.gemm_f32.nr();
        let rows = padded.chunks_exact(width);
        Ok(Self {
            rising: panels(rows.clone(), width, nr),
            falling: panels(rows.rev(), width, nr),
            rows: count.next_multiple_of(nr),
            buckets: Arc::new(Buckets::new(options.span, options.buckets_of, config.max_positions)),
            content_to_position: options.content_to_position,
            position_to_content: options.position_to_content,
            shares_projections: options.shares_projections,
            query_factor: 1.0 / ((config.head_dim * options.terms()) as f32).sqrt(),
        })
    }

    /// Returns the factor of the queries.
    pub(super) fn query_factor(&self) -> f32 {
        self.query_factor
    }

    /// Projects the embeddings for the layer `name`.
    pub(super) fn project(&self, builder: &Builder<'_>, name: &str) -> Result<Relative> {
        let [query, key] =
            if self.shares_projections { [PARTS[0], PARTS[1]] } else { ["pos_query_proj", "pos_key_proj"] };
        let table = |part: &str, embeddings: &[f32], factor| {
            self.projection(builder, &format!("{name}.{part}"), embeddings, factor)
        };
        Ok(Relative {
            buckets: Arc::clone(&self.buckets),
            keys: self.content_to_position.then(|| table(key, &self.falling, 1.0)).transpose()?,
            queries: self.position_to_content.then(|| table(query, &self.rising, self.query_factor)).transpose()?,
        })
    }

    /// Projects packed embeddings by the layer `name`. Returns per head panels of `[head_dim,
    /// rows]`, padding included.
    fn projection(&self, builder: &Builder<'_>, name: &str, embeddings: &[f32], factor: f32) -> Result<Packed<f32>> {
        let Builder { tensors, config, kernels, memory, .. } = builder;
        let (hidden, dim, padded) = (config.hidden_size, config.head_dim, builder.padded_head_dim());
        let (width, nr) = (padded_len(hidden), kernels.gemm_f32.nr());
        let weight = tensors.get(&format!("{name}.weight"), &[hidden, hidden])?;
        let bias = tensors.vector(&format!("{name}.bias"), hidden)?;
        let head = |(head, to): (usize, &mut [f32])| {
            let mut rows = vec![0.0; dim * width];
            rows.chunks_exact_mut(width).enumerate().for_each(|(d, row)| weight.read_row(head * dim + d, row));
            let mut out = vec![0.0; dim * self.rows];
            let left = Left { rows: &rows, stride: width, m: dim };
            let whole = Output::plain(OutputRows::Whole(&mut out), self.rows, 0..self.rows);
            kernels.gemm_f32.multiply(left, Right::Packed(embeddings), width, whole);
            for (d, row) in out.chunks_exact(self.rows).enumerate() {
                let bias = bias[head * dim + d];
                for (panel, numbers) in to.chunks_exact_mut(nr * padded).zip(row.chunks_exact(nr)) {
                    let line = panel[d * nr..].iter_mut().zip(numbers);
                    line.for_each(|(x, number)| *x = (number + bias) * factor);
                }
            }
        };
        memory.pack(config.num_heads * self.rows * padded, |numbers: &mut [f32]| {
            numbers.par_chunks_exact_mut(self.rows * padded).enumerate().for_each(head);
            match all_finite(numbers) {
                true => Ok(()),
                false => {
                    let message =
                        format!("'{name}' gives a distance a number that is not finite; fetch the model again");
                    Err(tensors.unusable(message))
                }
            }
        })
    }
}

/// Packs rows of `width` numbers as panels of `nr` columns; the last one is filled with zeros.
fn panels<'a>(rows: impl ExactSizeIterator<Item = &'a [f32]>, width: usize, nr: usize) -> Vec<f32> {
    let mut packed = vec![0.0; rows.len().next_multiple_of(nr) * width];
    for (column, row) in rows.enumerate() {
        let panel = &mut packed[column / nr * nr * width..][..nr * width];
        panel.chunks_exact_mut(nr).zip(row).for_each(|(line, x)| line[column % nr] = *x);
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config() -> Value {
        json!({
            "model_type": "deberta-v2", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 64, "vocab_size": 100, "relative_attention": true, "pos_att_type": "p2c|C2P",
            "position_buckets": 256, "norm_rel_ebd": "layer_norm", "share_att_key": true, "max_relative_positions": -1
        })
    }

    fn read(json: &Value) -> Result<DebertaOptions, String> {
        DebertaOptions::read(json, &Config::read(json)?)
    }

    #[test]
    fn options_are_read_with_the_defaults_of_transformers() {
        let options = read(&config()).unwrap();
        assert_eq!((options.span, options.buckets_of, options.terms()), (256, Some(512), 3));
        assert!(options.has_positions && options.shares_projections && options.has_norm);
        let mut json = config();
        for field in ["position_buckets", "norm_rel_ebd", "share_att_key", "max_relative_positions"] {
            json.as_object_mut().unwrap().remove(field);
        }
        json["pos_att_type"] = json!(["c2p"]);
        json["position_biased_input"] = json!(false);
        let options = read(&json).unwrap();
        assert_eq!((options.span, options.buckets_of, options.terms()), (512, None, 2));
        assert!(!options.has_positions && !options.shares_projections && !options.has_norm);
        assert!(options.content_to_position && !options.position_to_content);
    }

    #[test]
    fn what_is_not_computed_is_named() {
        for (field, value) in [
            ("conv_kernel_size", json!(3)),
            ("embedding_size", json!(16)),
            ("attention_head_size", json!(16)),
            ("z_steps", json!(2)),
            ("relative_attention", json!(false)),
            ("relative_attention", Value::Null),
            ("pos_att_type", json!(["p2c", "p2p"])),
            ("pos_att_type", json!([])),
            ("pos_att_type", Value::Null),
            ("norm_rel_ebd", json!("batch_norm")),
            ("position_buckets", json!(1)),
            ("position_buckets", json!(2000)),
            ("position_buckets", json!("many")),
            ("share_att_key", json!("yes")),
            ("position_biased_input", json!(1)),
            ("max_position_embeddings", json!(70_000)),
            ("max_relative_positions", json!("far")),
        ] {
            let mut json = config();
            json[field] = value;
            let error = read(&json).err().unwrap_or_else(|| panic!("{field} is taken"));
            assert!(error.contains(&format!("'{field}'")), "{field}: {error}");
        }
    }
}

//! The config.json of the architectures that the engine computes.

use serde_json::Value;

use crate::kernels::Activation;

/// The families of architectures, by their differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// BERT and equal architectures: MiniLM, BGE, E5, GTE.
    Bert,
    /// BERT with other names and without token types.
    DistilBert,
    /// BERT whose embeddings may be narrower than its layers.
    Electra,
    /// BERT with positions counted from the padding token: RoBERTa, XLM-RoBERTa, CamemBERT.
    Roberta,
    /// BERT whose attention has terms of distances: DeBERTa-v2 and -v3.
    DebertaV2,
    /// An architecture with rotary positions, sliding windows, gated feed-forward, and norms in
    /// front.
    ModernBert,
    /// A causal architecture like ModernBERT, with RMS norms and heads that share their keys.
    Qwen3,
}

/// The sizes and constants of a model.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) family: Family,
    pub(super) hidden_size: usize,
    /// Width of the embeddings: the layers' width, except for ELECTRA.
    pub(super) embedding_size: usize,
    pub(super) num_layers: usize,
    pub(super) num_heads: usize,
    /// Number of heads of keys and of values; all that have no number of their own have
    /// `num_heads`.
    pub(super) num_kv_heads: usize,
    /// The width of a head, without padding.
    pub(super) head_dim: usize,
    pub(super) intermediate_size: usize,
    pub(super) activation: Activation,
    pub(super) norm_eps: f32,
    pub(super) vocab_size: usize,
    /// Number of rows of the position table; without one the longest text.
    pub(super) max_positions: usize,
    pub(super) type_vocab_size: usize,
    pub(super) pad_token_id: u32,
}

impl Config {
    /// Reads config.json.
    ///
    /// # Errors
    /// A message about the part that the engine does not compute.
    pub(super) fn read(json: &Value) -> Result<Self, String> {
        let reader = ConfigReader(json);
        let family = match json["model_type"].as_str() {
            Some("bert") => Family::Bert,
            Some("distilbert") => Family::DistilBert,
            Some("electra") => Family::Electra,
            Some("roberta" | "xlm-roberta" | "camembert") => Family::Roberta,
            Some("deberta-v2") => Family::DebertaV2,
            Some("modernbert") => Family::ModernBert,
            Some("qwen3") => Family::Qwen3,
            other => return Err(format!("the model type is {}", other.unwrap_or("not given"))),
        };
        reader.expect("position_embedding_type", &["absolute"])?;
        for field in ["is_decoder", "add_cross_attention"] {
            if json[field] == true {
                return Err(format!("'{field}' is true"));
            }
        }
        let config = match family {
            Family::DistilBert => Self {
                family,
                hidden_size: reader.number("dim")?,
                embedding_size: reader.number("dim")?,
                num_layers: reader.number("n_layers")?,
                num_heads: reader.number("n_heads")?,
                num_kv_heads: reader.number("n_heads")?,
                head_dim: reader.share("dim", "n_heads")?,
                intermediate_size: reader.number("hidden_dim")?,
                activation: reader.activation("activation")?,
                norm_eps: 1e-12,
                vocab_size: reader.number("vocab_size")?,
                max_positions: reader.number_or("max_position_embeddings", 512)?,
                type_vocab_size: 0,
                pad_token_id: 0,
            },
            Family::Qwen3 => reader.qwen3()?,
            _ => reader.bert_like(family)?,
        };
        let sizes = [
            ("the hidden size", config.hidden_size),
            ("the width of the embeddings", config.embedding_size),
            ("the inner width", config.intermediate_size),
            ("the width of a head", config.head_dim),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(format!("{name} is 0"));
        }
        match config.num_heads.checked_rem(config.num_kv_heads) {
            Some(0) if config.num_heads > 0 => Ok(config),
            _ => Err(format!("{} heads cannot share {} of keys", config.num_heads, config.num_kv_heads)),
        }
    }
}

/// A reader of fields of config.json.
#[derive(Clone, Copy)]
pub(super) struct ConfigReader<'a>(pub(super) &'a Value);

impl ConfigReader<'_> {
    fn bert_like(self, family: Family) -> Result<Config, String> {
        let modern = family == Family::ModernBert;
        let (activation, eps) =
            if modern { ("hidden_activation", "norm_eps") } else { ("hidden_act", "layer_norm_eps") };
        // These are transformers' defaults: RoBERTa's files with 1e-5 state it.
        let (default_eps, default_types) = match family {
            Family::ModernBert => (1e-5, 0),
            Family::DebertaV2 => (1e-7, 0),
            _ => (1e-12, 2),
        };
        let hidden_size = self.number("hidden_size")?;
        let num_heads = self.number("num_attention_heads")?;
        let is_narrow = family == Family::Electra;
        Ok(Config {
            family,
            hidden_size,
            embedding_size: if is_narrow { self.number_or("embedding_size", 128)? } else { hidden_size },
            num_layers: self.number("num_hidden_layers")?,
            num_heads,
            num_kv_heads: num_heads,
            head_dim: self.share("hidden_size", "num_attention_heads")?,
            intermediate_size: self.number("intermediate_size")?,
            activation: self.activation(activation)?,
            norm_eps: self.0[eps].as_f64().unwrap_or(default_eps) as f32,
            vocab_size: self.number("vocab_size")?,
            max_positions: self.number_or("max_position_embeddings", if modern { 8192 } else { 512 })?,
            type_vocab_size: if modern { 0 } else { self.number_or("type_vocab_size", default_types)? },
            pad_token_id: self.token("pad_token_id", u32::from(family == Family::Roberta))?,
        })
    }

    /// Reads the sizes of Qwen3. What it leaves out has transformers' defaults.
    fn qwen3(self) -> Result<Config, String> {
        let hidden_size = self.number("hidden_size")?;
        let silu = self.0["hidden_act"].is_null();
        Ok(Config {
            family: Family::Qwen3,
            hidden_size,
            embedding_size: hidden_size,
            num_layers: self.number("num_hidden_layers")?,
            num_heads: self.number("num_attention_heads")?,
            num_kv_heads: self.number("num_key_value_heads")?,
            head_dim: self.number("head_dim")?,
            intermediate_size: self.number("intermediate_size")?,
            activation: if silu { Activation::Silu } else { self.activation("hidden_act")? },
            norm_eps: self.0["rms_norm_eps"].as_f64().unwrap_or(1e-6) as f32,
            vocab_size: self.number("vocab_size")?,
            max_positions: self.number_or("max_position_embeddings", 32_768)?,
            type_vocab_size: 0,
            pad_token_id: 0,
        })
    }

    /// Reads the width of a head: a width, divided by the number of heads.
    fn share(self, width: &str, heads: &str) -> Result<usize, String> {
        let (width, heads) = (self.number(width)?, self.number(heads)?);
        match width.checked_rem(heads) {
            Some(0) if width > 0 => Ok(width / heads),
            _ => Err(format!("{heads} heads do not divide a hidden size of {width}")),
        }
    }

    pub(super) fn number(self, field: &str) -> Result<usize, String> {
        let value = &self.0[field];
        value.as_u64().map(|number| number as usize).ok_or_else(|| format!("'{field}' is {value}, not a number"))
    }

    pub(super) fn number_or(self, field: &str, default: usize) -> Result<usize, String> {
        if self.0[field].is_null() { Ok(default) } else { self.number(field) }
    }

    pub(super) fn flag(self, field: &str, default: bool) -> Result<bool, String> {
        match &self.0[field] {
            Value::Null => Ok(default),
            value => value.as_bool().ok_or_else(|| format!("'{field}' is {value}, not true or false")),
        }
    }

    fn token(self, field: &str, default: u32) -> Result<u32, String> {
        let number = self.number_or(field, default as usize)?;
        u32::try_from(number).map_err(|_| format!("'{field}' is {number}, which is not a token id"))
    }

    /// Fails if the field is set to a value that is not in `supported`.
    pub(super) fn expect(self, field: &str, supported: &[&str]) -> Result<(), String> {
        match &self.0[field] {
            Value::Null => Ok(()),
            Value::String(found) if supported.contains(&found.as_str()) => Ok(()),
            other => Err(format!("'{field}' is {other}")),
        }
    }

    pub(super) fn activation(self, field: &str) -> Result<Activation, String> {
        match self.0[field].as_str() {
            None | Some("gelu") => Ok(Activation::Gelu),
            Some("gelu_new" | "gelu_fast" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
            Some("relu") => Ok(Activation::Relu),
            Some("silu" | "swish") => Ok(Activation::Silu),
            Some(other) => Err(format!("'{field}' is '{other}'")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bert() -> Value {
        json!({
            "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 64, "vocab_size": 100
        })
    }

    #[test]
    fn defaults_fill_what_is_left_out() {
        let config = Config::read(&bert()).unwrap();
        assert_eq!((config.max_positions, config.type_vocab_size, config.norm_eps), (512, 2, 1e-12));
        assert_eq!((config.head_dim, config.num_kv_heads), (8, 4));
    }

    #[test]
    fn what_is_not_computed_is_said() {
        let refused = [
            ("model_type", json!("nomic_bert"), "nomic_bert"),
            ("position_embedding_type", json!("alibi"), "alibi"),
            ("hidden_act", json!("quick_gelu"), "quick_gelu"),
            ("is_decoder", json!(true), "is_decoder"),
            ("num_attention_heads", json!(5), "5 heads"),
            ("num_attention_heads", json!(0), "0 heads"),
            ("hidden_size", json!("big"), "hidden_size"),
        ];
        for (field, value, said) in refused {
            let mut json = bert();
            json[field] = value;
            let error = Config::read(&json).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}

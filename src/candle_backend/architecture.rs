//! The architectures of candle-transformers, chosen by config.json.
//!
//! candle's `Config` types require every field of one generation of transformers. Checkpoints leave
//! out fields that have a default, and newer ones moved some (`rope_parameters`), so config.json is
//! completed first. A setting of a checkpoint that candle does not compute is an error here, never
//! a different result.

use std::path::{Path, PathBuf};

use candle_core::{Device, Result as CandleResult, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, jina_bert, modernbert, nomic_bert, qwen3, xlm_roberta};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::SUPPORTED_MODEL_TYPES;
use super::jina::JinaBert;
use super::weights::{self, Naming};
use crate::{Error, Result, foreign};

/// The tensor that every BERT-like checkpoint has.
const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// A loaded model.
pub(super) enum Architecture {
    Bert { model: bert::BertModel, has_types: bool },
    XlmRoberta(xlm_roberta::XLMRobertaModel),
    ModernBert { model: modernbert::ModernBert, window: usize },
    NomicBert(nomic_bert::NomicBertModel),
    JinaBert(JinaBert),
    Qwen3(qwen3::Model),
}

/// The inputs of the loaders.
struct LoaderInput<'a> {
    config: Value,
    weights: &'a [PathBuf],
    device: &'a Device,
    max_tokens: usize,
}

impl Architecture {
    /// Loads the architecture that `config` (config.json) names. Position tables are built for
    /// `max_tokens`.
    pub(super) fn load(config: &Value, weights: &[PathBuf], device: &Device, max_tokens: usize) -> Result<Self> {
        let model_type = config["model_type"].as_str().unwrap_or("(no model_type in config.json)");
        let source = LoaderInput { config: config.clone(), weights, device, max_tokens };
        match model_type {
            "bert" if is_jina(config) => source.jina_bert(),
            "bert" => source.bert(Naming::Plain),
            "distilbert" => source.distilbert(),
            "electra" => source.electra(),
            "roberta" | "xlm-roberta" | "camembert" => source.xlm_roberta(),
            "modernbert" => source.modernbert(),
            "nomic_bert" => source.nomic_bert(),
            "qwen3" => source.qwen3(),
            "deberta-v2" => Err(Error::UnsupportedArchitecture {
                found: "the model type is deberta-v2".into(),
                supported: "by the native engine on the CPU, not by candle; leave `engine=` and `device=` out".into(),
            }),
            other => Err(Error::UnsupportedArchitecture {
                found: format!("the model type is {other}"),
                supported: SUPPORTED_MODEL_TYPES.join(", "),
            }),
        }
    }

    /// Returns true if rows of different lengths may share a rectangle. candle's JinaBERT takes no
    /// mask.
    pub(super) fn pads(&self) -> bool {
        !matches!(self, Architecture::JinaBert(_))
    }

    /// Returns the missing feature for sequences of up to `tokens` tokens of which only the first
    /// are attended to. `None` if nothing is missing.
    pub(super) fn lacks_for_expanded(&self, tokens: usize) -> Option<String> {
        match self {
            Architecture::JinaBert(_) => Some("JinaBERT with an attention mask (query expansion)".into()),
            Architecture::Qwen3(_) => Some("Qwen3 with an attention mask (query expansion)".into()),
            // For a row whose window holds no key, PyTorch gives zeros and candle a mean of the
            // masked values.
            Architecture::ModernBert { window, .. } if tokens > window + 1 => Some(format!(
                "ModernBERT with queries expanded to {tokens} tokens and a window of {window} to each side"
            )),
            _ => None,
        }
    }

    /// Computes the last hidden states, `[batch, tokens, hidden_size]`. `ids`, `types` (1 in second
    /// parts) and `mask` are u32 `[batch, tokens]`. In `mask`, 1 is attended to; 0 is padding or
    /// not attended to, on the right. Models with one type, or none, read no types.
    pub(super) fn forward(&self, ids: &Tensor, types: &Tensor, mask: &Tensor) -> CandleResult<Tensor> {
        match self {
            Architecture::Bert { model, has_types: true } => model.forward(ids, types, Some(mask)),
            Architecture::Bert { model, has_types: false } => model.forward(ids, &ids.zeros_like()?, Some(mask)),
            Architecture::XlmRoberta(model) => model.forward(ids, mask, &ids.zeros_like()?, None, None, None),
            Architecture::ModernBert { model, .. } => model.forward(ids, mask),
            Architecture::NomicBert(model) => model.forward(ids, None, Some(mask)),
            Architecture::JinaBert(model) => model.forward(ids),
            // The model is causal, so a token never attends to the padding on its right. The clone
            // shares the weights and has an empty key-value cache, which candle's forward pass
            // writes to.
            Architecture::Qwen3(model) => model.clone().forward(ids, 0),
        }
    }
}

fn is_jina(config: &Value) -> bool {
    config["position_embedding_type"] == "alibi"
}

impl LoaderInput<'_> {
    fn bert(mut self, naming: Naming) -> Result<Architecture> {
        self.fill(json!({
            "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "initializer_range": 0.02, "layer_norm_eps": 1e-12,
            "max_position_embeddings": 512, "pad_token_id": 0, "type_vocab_size": 2,
        }));
        // Maps transformers' names for the tanh approximation to candle's name.
        if matches!(self.config["hidden_act"].as_str(), Some("gelu_new" | "gelu_fast" | "gelu_pytorch_tanh")) {
            self.config["hidden_act"] = json!("geluapproximate");
        }
        let config: bert::Config = self.parse()?;
        let model = self.build(WORD_EMBEDDINGS, naming, |vb| bert::BertModel::load(vb, &config))?;
        Ok(Architecture::Bert { model, has_types: config.type_vocab_size > 1 })
    }

    /// Loads DistilBERT as BERT without token types. candle's own DistilBERT computes GELU by its
    /// tanh approximation where transformers uses erf, which costs the third digit of an embedding.
    fn distilbert(mut self) -> Result<Architecture> {
        let renamed = [
            ("dim", "hidden_size"),
            ("n_layers", "num_hidden_layers"),
            ("n_heads", "num_attention_heads"),
            ("hidden_dim", "intermediate_size"),
            ("activation", "hidden_act"),
        ];
        for (from, to) in renamed {
            let value = self.config[from].clone();
            self.fill(json!({ to: value }));
        }
        self.fill(json!({ "type_vocab_size": 1 }));
        self.bert(Naming::DistilBert)
    }

    /// Loads ELECTRA as BERT, if its embeddings are as wide as its layers. candle has no layer
    /// between the two.
    fn electra(self) -> Result<Architecture> {
        self.demand("embedding_size", &[self.config["hidden_size"].clone()])?;
        self.bert(Naming::Plain)
    }

    fn xlm_roberta(mut self) -> Result<Architecture> {
        self.fill(json!({
            "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "layer_norm_eps": 1e-12, "pad_token_id": 1, "position_embedding_type": "absolute", "type_vocab_size": 1,
        }));
        self.demand("position_embedding_type", &[json!("absolute")])?;
        let config: xlm_roberta::Config = self.parse()?;
        let model = self.build(WORD_EMBEDDINGS, Naming::Plain, |vb| xlm_roberta::XLMRobertaModel::new(&config, vb))?;
        Ok(Architecture::XlmRoberta(model))
    }

    fn modernbert(mut self) -> Result<Architecture> {
        // ModernBERT ignores layer_norm_eps, though files have it, and prefers the newer form of
        // the angles.
        self.config["layer_norm_eps"] = self.config["norm_eps"].clone();
        let ropes = self.config["rope_parameters"].clone();
        for (field, layers) in [("global_rope_theta", "full_attention"), ("local_rope_theta", "sliding_attention")] {
            self.prefer(field, &ropes[layers]["rope_theta"]);
        }
        self.fill(json!({
            "global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "layer_norm_eps": 1e-5,
            "local_attention": 128, "local_rope_theta": 10000.0, "max_position_embeddings": 8192,
        }));
        for bias in ["attention_bias", "mlp_bias", "norm_bias"] {
            self.demand(bias, &[json!(false)])?;
        }
        self.demand("hidden_activation", &[json!("gelu")])?;
        self.demand_layers(|layer, every| if layer % every == 0 { "full_attention" } else { "sliding_attention" })?;
        for layers in ["full_attention", "sliding_attention"] {
            self.demand(&format!("rope_parameters/{layers}/rope_type"), &[json!("default"), Value::Null])?;
        }
        self.cap_positions("max_position_embeddings");
        let config: modernbert::Config = self.parse()?;
        let anchor = "embeddings.tok_embeddings.weight";
        let model = self.build(anchor, Naming::ModelPrefix, |vb| modernbert::ModernBert::load(vb, &config))?;
        Ok(Architecture::ModernBert { model, window: config.local_attention / 2 })
    }

    fn nomic_bert(mut self) -> Result<Architecture> {
        self.demand("activation_function", &[json!("swiglu")])?;
        self.demand("num_experts", &[json!(0), Value::Null])?;
        for field in ["rotary_scaling_factor", "rotary_emb_scale_base"] {
            self.demand(field, &[Value::Null])?;
        }
        for field in ["use_rms_norm", "parallel_block", "causal"] {
            self.demand(field, &[json!(false), Value::Null])?;
        }
        self.cap_positions("n_positions");
        let config: nomic_bert::Config = self.parse()?;
        let model = self.build(WORD_EMBEDDINGS, Naming::Plain, |vb| nomic_bert::NomicBertModel::load(vb, &config))?;
        Ok(Architecture::NomicBert(model))
    }

    fn jina_bert(mut self) -> Result<Architecture> {
        self.fill(json!({
            "hidden_act": "gelu", "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0,
            "type_vocab_size": 2,
        }));
        self.demand("feed_forward_type", &[json!("geglu")])?;
        let config: jina_bert::Config = self.parse()?;
        let model = self.build(WORD_EMBEDDINGS, Naming::Plain, |vb| JinaBert::new(vb, config))?;
        Ok(Architecture::JinaBert(model))
    }

    fn qwen3(mut self) -> Result<Architecture> {
        let layers = self.config["num_hidden_layers"].clone();
        let theta = self.config["rope_parameters"]["rope_theta"].clone();
        self.prefer("rope_theta", &theta);
        self.fill(json!({
            "attention_bias": false, "hidden_act": "silu", "max_window_layers": layers, "rms_norm_eps": 1e-6,
            "rope_theta": 1e4, "tie_word_embeddings": true, "use_sliding_window": false,
        }));
        self.demand("rope_scaling", &[Value::Null])?;
        self.demand("rope_parameters/rope_type", &[json!("default"), Value::Null])?;
        self.demand("use_sliding_window", &[json!(false)])?;
        self.demand("is_causal", &[json!(true), Value::Null])?;
        self.demand_layers(|_, _| "full_attention")?;
        self.cap_positions("max_position_embeddings");
        let config: qwen3::Config = self.parse()?;
        let model = self.build("embed_tokens.weight", Naming::ModelPrefix, |vb| qwen3::Model::new(&config, vb))?;
        Ok(Architecture::Qwen3(model))
    }

    /// Fails if config.json lists other kinds of layers than candle computes. The second argument
    /// of `kind` is `global_attn_every_n_layers`.
    fn demand_layers(&self, kind: impl Fn(u64, u64) -> &'static str) -> Result<()> {
        let every = self.config["global_attn_every_n_layers"].as_u64().unwrap_or(3).max(1);
        let listed = self.config["layer_types"].as_array().into_iter().flatten();
        match (0..).zip(listed).find(|(layer, found)| **found != kind(*layer, every)) {
            Some((layer, found)) => {
                let expected = kind(layer, every);
                Err(self.unusable(format!(
                    "layer {layer} is {found} in 'layer_types'; this build computes only {expected}"
                )))
            }
            None => Ok(()),
        }
    }

    /// Sets a field to a preferred value, unless that is null.
    fn prefer(&mut self, field: &str, value: &Value) {
        if !value.is_null() {
            self.config[field] = value.clone();
        }
    }

    /// Sets the fields that are missing or null in config.json. Null defaults are ignored.
    fn fill(&mut self, defaults: Value) {
        let Value::Object(defaults) = defaults else { return };
        for (field, value) in defaults {
            if self.config[&field].is_null() && !value.is_null() {
                self.config[&field] = value;
            }
        }
    }

    /// Fails if config.json sets `field` (or a field in an object: `object/field`) to a value that
    /// is not in `supported`.
    fn demand(&self, field: &str, supported: &[Value]) -> Result<()> {
        match self.config.pointer(&format!("/{field}")) {
            Some(value) if !supported.contains(value) => Err(self.unusable(format!(
                "'{field}' is {value}; this build computes only {}",
                supported.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ")
            ))),
            _ => Ok(()),
        }
    }

    /// Caps the position table. A table longer than the longest text only costs memory and start-up
    /// time.
    fn cap_positions(&mut self, field: &str) {
        if let Some(positions) = self.config[field].as_u64() {
            self.config[field] = json!(positions.min(self.max_tokens as u64));
        }
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.config.clone()).map_err(|e| self.unusable(e.to_string()))
    }

    fn build<T>(
        &self,
        anchor: &str,
        naming: Naming,
        load: impl FnOnce(VarBuilder<'static>) -> CandleResult<T>,
    ) -> Result<T> {
        let vb = weights::open(self.weights, anchor, naming, self.device)?;
        let path = || self.weights.first().cloned().unwrap_or_default();
        let unusable = |message: String| Error::ModelFile { path: path(), message };
        foreign::call(|| load(vb))
            .map_err(|panic| unusable(format!("candle stopped while it loaded the model: {panic}")))?
            .map_err(|e| unusable(e.to_string()))
    }

    fn unusable(&self, message: String) -> Error {
        let folder = self.weights.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        Error::ModelFile { path: folder.join("config.json"), message }
    }
}

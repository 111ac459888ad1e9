//! The fields of a model's files: which ones nearsort knows, and which values it computes.
//!
//! A field that changes what a model computes is either read by the code that computes it, or listed
//! here with the values that have no effect of their own. Another value is an error. A field that
//! nobody here knows becomes a [`super::Finding`], since nobody can say what it changes; null is always
//! the default.

use serde_json::{Value, json};

use super::listed::Listed;
use super::reader::{CONFIG, PROMPTS, Reader, TOKENIZER_CONFIG};
use super::transformer_file::TransformerFile;
use crate::Result;

/// Fields with the only values, as JSON, that have no effect beside what nearsort computes.
type Fixed = [(&'static str, &'static [&'static str])];

/// What becomes of a field that is not listed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// sentence-transformers does not load such a file.
    Refused,
    Told,
}

/// The fields of one kind of file.
struct Fields {
    /// Read elsewhere, or without an effect on what is computed.
    known: &'static [&'static [&'static str]],
    fixed: &'static Fixed,
    unknown: Unknown,
}

/// Fields of every config.json that concern training, the tool that wrote it, or other tasks.
const COMMON: &[&str] = &[
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_name_or_path",
    "_num_labels",
    "architectures",
    "attn_implementation",
    "attention_probs_dropout_prob",
    "begin_suppress_tokens",
    "bad_words_ids",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "cls_token_id",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "directionality",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout_prob",
    "id2label",
    "initializer_range",
    "label2id",
    "length_penalty",
    "mask_token_id",
    "max_length",
    "min_length",
    "model_max_length",
    "model_type",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "output_scores",
    "pad_token_id",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "prefix",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sbert_ce_default_activation_function",
    "sentence_transformers",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_word_embeddings",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "use_bfloat16",
    "use_cache",
    "vocab_size",
    // Written by other tools beside the model.
    "matryoshka_dimensions",
    "transformers.js_config",
    "unsloth_version",
    "unsloth_fixed",
    "training_args",
    "gradient_checkpointing_kwargs",
    "pretraining_tp",
    "trained_with",
    "dataset",
    "auto_map",
];

const BERT: &[&str] = &[
    "add_cross_attention",
    "embedding_size",
    "gelu_approximate",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "is_decoder",
    "layer_norm_eps",
    "max_position_embeddings",
    "num_attention_heads",
    "num_hidden_layers",
    "position_embedding_type",
    "summary_activation",
    "summary_last_dropout",
    "summary_type",
    "summary_use_proj",
    "summary_first_dropout",
    "type_vocab_size",
];

const DISTILBERT: &[&str] = &[
    "activation",
    "attention_dropout",
    "dim",
    "dropout",
    "hidden_dim",
    "max_position_embeddings",
    "n_heads",
    "n_layers",
    "qa_dropout",
    "seq_classif_dropout",
    "sinusoidal_pos_embds",
    "tie_weights_",
    "hidden_size",
    "output_past",
    "position_embedding_type",
];

const MODERNBERT: &[&str] = &[
    "attention_bias",
    "attention_dropout",
    "classifier_activation",
    "classifier_bias",
    "classifier_pooling",
    "decoder_bias",
    "deterministic_flash_attn",
    "embedding_dropout",
    "global_attn_every_n_layers",
    "global_rope_theta",
    "hidden_activation",
    "hidden_size",
    "initializer_cutoff_factor",
    "intermediate_size",
    "layer_norm_eps",
    "layer_types",
    "local_attention",
    "local_rope_theta",
    "max_position_embeddings",
    "mlp_bias",
    "mlp_dropout",
    "norm_bias",
    "norm_eps",
    "num_attention_heads",
    "num_hidden_layers",
    "position_embedding_type",
    "reference_compile",
    "repad_logits_with_grad",
    "rope_parameters",
    "sparse_pred_ignore_index",
    "sparse_prediction",
    "is_causal",
];

const QWEN3: &[&str] = &[
    "attention_bias",
    "attention_dropout",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "max_position_embeddings",
    "max_window_layers",
    "num_attention_heads",
    "num_hidden_layers",
    "num_key_value_heads",
    "rms_norm_eps",
    "rope_parameters",
    "rope_scaling",
    "rope_theta",
    "sliding_window",
    "use_sliding_window",
];

const NOMIC: &[&str] = &[
    "activation_function",
    "attn_pdrop",
    "causal",
    "dense_seq_output",
    "embd_pdrop",
    "expert_choice_router",
    "fused_bias_fc",
    "fused_dropout_add_ln",
    "head_dim",
    "hidden_act",
    "hidden_size",
    "intermediate_size",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "last_layer_subset",
    "max_position_embeddings",
    "max_trained_positions",
    "mlp_fc1_bias",
    "mlp_fc2_bias",
    "moe_every_n_layers",
    "moe_impl",
    "moe_normalize_expert_weights",
    "moe_resid_pdrop",
    "moe_top_k",
    "n_embd",
    "n_head",
    "n_inner",
    "n_layer",
    "n_positions",
    "num_attention_heads",
    "num_experts",
    "num_hidden_layers",
    "num_shared_experts",
    "pad_vocab_size_multiple",
    "parallel_block",
    "parallel_block_tied_norm",
    "prenorm",
    "qkv_proj_bias",
    "resid_pdrop",
    "rotary_emb_base",
    "rotary_emb_fraction",
    "rotary_emb_interleaved",
    "rotary_emb_scale_base",
    "rotary_scaling_factor",
    "router_aux_loss_coef",
    "scale_attn_by_inverse_layer_idx",
    "scale_attn_weights",
    "shared_expert_gated",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "type_vocab_size",
    "use_flash_attn",
    "use_rms_norm",
    "use_xentropy",
    "ffn_div",
    "reorder_and_upcast_attn",
    "rope_parameters",
];

const JINA: &[&str] = &["emb_pooler", "feed_forward_type", "max_position_embeddings", "use_flash_attn"];

/// Of all architectures.
const CONFIG_FIXED: &Fixed = &[
    ("is_encoder_decoder", &["false"]),
    ("is_decoder", &["false"]),
    ("add_cross_attention", &["false"]),
    ("pruned_heads", &["{}"]),
    ("quantization_config", &[]),
    ("use_bidirectional_attention", &["false"]),
    ("relative_attention_num_buckets", &[]),
];

const NOMIC_FIXED: &Fixed = &[
    ("scale_attn_weights", &["true"]),
    ("scale_attn_by_inverse_layer_idx", &["false"]),
    ("parallel_block_tied_norm", &["false"]),
    ("dense_seq_output", &["false", "true"]),
];

const QWEN3_FIXED: &Fixed = &[("is_causal", &["true"])];

const PROMPT_FIELDS: Fields = Fields {
    known: &[&[
        "__version__",
        "activation_fn",
        "default_prompt_name",
        "keep_in_fp32_modules",
        "model_type",
        "prompts",
        "requirements",
        "similarity_fn_name",
        "truncate_dim",
    ]],
    fixed: &[],
    unknown: Unknown::Told,
};

/// Of the file about the transformer. Limits per role and query expansion belong to late interaction.
const TRANSFORMER_FIELDS: Fields = Fields {
    known: &[&[
        "max_seq_length",
        "do_lower_case",
        "transformer_task",
        "module_output_name",
        "modality_config",
        "model_args",
        "model_kwargs",
        "tokenizer_args",
        "processor_kwargs",
        "unpad_inputs",
    ]],
    fixed: &[
        ("config_args", &["{}"]),
        ("config_kwargs", &["{}"]),
        ("processing_kwargs", &["{}"]),
        ("query_length", &[]),
        ("document_length", &[]),
        ("query_expansion", &[]),
        ("tokenizer_name_or_path", &[]),
    ],
    unknown: Unknown::Refused,
};

const TOKENIZER_FIELDS: Fields = Fields {
    known: &[&[
        "add_bos_token",
        "add_eos_token",
        "add_prefix_space",
        "added_tokens_decoder",
        "additional_special_tokens",
        "auto_map",
        "backend",
        "chat_template",
        "clean_text",
        "clean_up_tokenization_spaces",
        "do_basic_tokenize",
        "do_lower_case",
        "errors",
        "extra_ids",
        "extra_special_tokens",
        "fix_mistral_regex",
        "from_slow",
        "full_tokenizer_file",
        "init_inputs",
        "is_fast",
        "is_local",
        "keep_accents",
        "legacy",
        "local_files_only",
        "max_len",
        "max_length",
        "merges_file",
        "model_input_names",
        "model_max_length",
        "model_specific_special_tokens",
        "name_or_path",
        "never_split",
        "pad_to_multiple_of",
        "pad_token_type_id",
        "padding",
        "padding_side",
        "processor_class",
        "remove_space",
        "response_schema",
        "return_token_type_ids",
        "sp_model_kwargs",
        "spaces_between_special_tokens",
        "special_tokens",
        "special_tokens_map_file",
        "split_special_tokens",
        "stride",
        "strip_accents",
        "tokenize_chinese_chars",
        "tokenizer_class",
        "tokenizer_file",
        "trim_offsets",
        "truncation",
        "truncation_side",
        "truncation_strategy",
        "use_default_system_prompt",
        "use_fast",
        "vocab_file",
        "wordpieces_prefix",
    ]],
    fixed: &[],
    unknown: Unknown::Told,
};

/// By class; the fields that a module reads are read by its own code.
const MODULE_FIELDS: [(&str, Fields); 5] = [
    (
        "Pooling",
        Fields {
            known: &[&[
                "embedding_dimension",
                "include_prompt",
                "pooling_mode",
                "pooling_mode_cls_token",
                "pooling_mode_lasttoken",
                "pooling_mode_max_tokens",
                "pooling_mode_mean_sqrt_len_tokens",
                "pooling_mode_mean_tokens",
                "pooling_mode_weightedmean_tokens",
                "word_embedding_dimension",
            ]],
            fixed: &[],
            unknown: Unknown::Refused,
        },
    ),
    (
        "Dense",
        Fields {
            known: &[&[
                "activation_function",
                "bias",
                "in_features",
                "module_input_name",
                "module_output_name",
                "out_features",
                "use_residual",
            ]],
            fixed: &[("init_weight", &[]), ("init_bias", &[])],
            unknown: Unknown::Told,
        },
    ),
    ("LayerNorm", Fields { known: &[&["dimension"]], fixed: &[], unknown: Unknown::Refused }),
    (
        "Normalize",
        Fields { known: &[&["module_input_name", "module_output_name"]], fixed: &[], unknown: Unknown::Told },
    ),
    ("Dropout", Fields { known: &[&["dropout"]], fixed: &[], unknown: Unknown::Refused }),
];

/// Arguments to transformers in the file about the transformer, and those that change nothing here.
const ARGUMENTS: [(&str, &[&str]); 4] = [
    ("model_args", MODEL_ARGUMENTS),
    ("model_kwargs", MODEL_ARGUMENTS),
    ("tokenizer_args", TOKENIZER_ARGUMENTS),
    ("processor_kwargs", TOKENIZER_ARGUMENTS),
];
const MODEL_ARGUMENTS: &[&str] =
    &["add_pooling_layer", "attn_implementation", "dtype", "torch_dtype", "trust_remote_code", "use_safetensors"];
const TOKENIZER_ARGUMENTS: &[&str] = &["model_max_length", "padding_side", "trust_remote_code", "use_fast"];

/// What each task gives: the feature, and the output of the model that it is.
const OUTPUTS: [(&str, &str, &str); 3] = [
    ("feature-extraction", "token_embeddings", "last_hidden_state"),
    ("sequence-classification", "scores", "logits"),
    ("text-generation", "causal_logits", "logits"),
];

impl Reader<'_> {
    /// config.json, by its architecture.
    pub(super) fn audit_config(&mut self, config: &Value) -> Result<()> {
        let is_jina = config["position_embedding_type"] == "alibi";
        let (own, fixed): (&'static [&'static [&'static str]], &Fixed) = match config["model_type"].as_str() {
            Some("bert") if is_jina => (&[COMMON, BERT, JINA], &[]),
            Some("bert" | "electra" | "roberta" | "xlm-roberta" | "camembert") => (&[COMMON, BERT], &[]),
            Some("distilbert") => (&[COMMON, DISTILBERT], &[]),
            Some("modernbert") => (&[COMMON, MODERNBERT], &[]),
            Some("qwen3") => (&[COMMON, QWEN3], QWEN3_FIXED),
            Some("nomic_bert") => (&[COMMON, NOMIC], NOMIC_FIXED),
            // The engines refuse the architecture.
            _ => return Ok(()),
        };
        self.check_fixed(CONFIG, config, fixed)?;
        self.audit(CONFIG, config, &Fields { known: own, fixed: CONFIG_FIXED, unknown: Unknown::Told }, fixed)?;
        if self.files.path("adapter_config.json").is_some() {
            let message = "the folder holds an adapter (PEFT), which sentence-transformers applies to the weights and nearsort does \
                           not; merge it into the weights with merge_and_unload()";
            return Err(self.unusable("adapter_config.json", message));
        }
        if config["auto_map"].is_object() && !is_jina && config["model_type"] != "nomic_bert" {
            let message = "names Python code of its own (auto_map), which nearsort does not run: it computes the \
                           architecture of the model_type";
            self.note(CONFIG, message.into());
        }
        Ok(())
    }

    /// config_sentence_transformers.json. `unit`: whether vectors end up at length 1.
    pub(super) fn audit_prompts(&mut self, unit: bool) -> Result<()> {
        let Some(own) = self.json(PROMPTS)? else { return Ok(()) };
        self.audit(PROMPTS, &own, &PROMPT_FIELDS, &[])?;
        let name = own["similarity_fn_name"].as_str().unwrap_or("cosine");
        // Of vectors of length 1 these order as the cosine does.
        let is_cosine = name == "cosine" || (unit && ["dot", "dot_product", "euclidean"].contains(&name));
        if !is_cosine {
            self.note(PROMPTS, format!("names the similarity '{name}'; nearsort compares vectors by their cosine"));
        }
        Ok(())
    }

    /// The file about the transformer; `task` is what the modules behind it need of it.
    pub(super) fn audit_transformer(&mut self, file: &TransformerFile, task: &str) -> Result<()> {
        let TransformerFile { name, content } = file;
        self.audit(name, content, &TRANSFORMER_FIELDS, &[])?;
        for (field, harmless) in ARGUMENTS {
            let mut given = content[field].as_object().into_iter().flatten();
            let odd = |(key, value): &(&String, &Value)| !value.is_null() && !harmless.contains(&key.as_str());
            if let Some((key, value)) = given.find(odd) {
                let message = format!("{field} has '{key}' = {}, which is not supported", short(value));
                return Err(self.unusable(name, &message));
            }
        }
        match content["transformer_task"].as_str() {
            Some(found) if found != task => {
                let message = format!("transformer_task is '{found}'; the modules behind it need '{task}'");
                return Err(self.unusable(name, &message));
            }
            _ => {}
        }
        let output = OUTPUTS.iter().find(|(known, ..)| *known == task);
        output.map_or(Ok(()), |(_, feature, method)| self.audit_output(name, content, (feature, method)))
    }

    /// What is taken of the transformer for a text, and how the text gets into it.
    fn audit_output(&self, file: &str, content: &Value, (feature, output): (&str, &str)) -> Result<()> {
        let given = &content["module_output_name"];
        if !given.is_null() && given != feature {
            let message = format!("module_output_name is {given}, which is not supported; expected {feature}");
            return Err(self.unusable(file, &message));
        }
        let Some(modalities) = content["modality_config"].as_object() else { return Ok(()) };
        let text = modalities.get("text").unwrap_or(&Value::Null);
        let is_computed = text["method_output_name"] == output || text["method_output_name"] == json!([output]);
        if text["method"] != "forward" || !is_computed {
            let message =
                format!("modality_config takes {text} of the transformer for a text; expected forward's {output}");
            return Err(self.unusable(file, &message));
        }
        match modalities.contains_key("message") && output != "logits" {
            true => Err(self.unusable(file, "modality_config puts texts into a chat template, which is not supported")),
            false => Ok(()),
        }
    }

    /// tokenizer_config.json.
    pub(super) fn audit_tokenizer(&mut self, config: &Value) -> Result<()> {
        self.audit(TOKENIZER_CONFIG, config, &TOKENIZER_FIELDS, &[])
    }

    /// The config.json of a module, if it has one.
    pub(super) fn audit_module(&mut self, entry: &Listed, config: &Value) -> Result<()> {
        match MODULE_FIELDS.iter().find(|(class, _)| *class == entry.name()) {
            Some((_, fields)) => self.audit(&entry.file("config.json"), config, fields, &[]),
            None => Ok(()),
        }
    }

    /// `more`: fields that are checked already.
    fn audit(&mut self, file: &str, content: &Value, fields: &Fields, more: &Fixed) -> Result<()> {
        self.check_fixed(file, content, fields.fixed)?;
        let fixed = || fields.fixed.iter().chain(more).map(|(field, _)| *field);
        let is_known = |name: &str| {
            let ids = file == TOKENIZER_CONFIG && (name.ends_with("_token") || name.ends_with("_token_id"));
            ids || fields.known.iter().any(|known| known.contains(&name)) || fixed().any(|known| known == name)
        };
        let unknown =
            content.as_object().into_iter().flatten().filter(|(name, value)| !value.is_null() && !is_known(name));
        for (name, value) in unknown {
            match fields.unknown {
                Unknown::Refused => {
                    let message =
                        format!("has '{name}' = {}, which sentence-transformers 6.2 does not know", short(value));
                    return Err(self.unusable(file, &message));
                }
                Unknown::Told => {
                    let message =
                        format!("has '{name}' = {}, which nearsort does not know and leaves out", short(value));
                    self.findings.push(super::Finding { file: file.to_owned(), message });
                }
            }
        }
        Ok(())
    }

    fn check_fixed(&self, file: &str, content: &Value, fixed: &Fixed) -> Result<()> {
        let wrong = fixed.iter().find(|(field, values)| {
            let value = &content[*field];
            !value.is_null() && !values.contains(&value.to_string().as_str())
        });
        let Some((field, values)) = wrong else { return Ok(()) };
        let expected = if values.is_empty() { "nothing".to_owned() } else { values.join(" or ") };
        let message = format!("'{field}' is {}, which is not supported; expected {expected}", short(&content[*field]));
        Err(self.unusable(file, &message))
    }
}

/// A value for a message: a long one by its beginning.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

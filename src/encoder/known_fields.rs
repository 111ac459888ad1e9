//! The fields of a model's files that nearsort knows, and the values that have no effect of their
//! own. `config_fields.rs` has those of config.json.
//!
//! Tables only. `audit.rs` handles all other fields and values.

/// Fields with the only values, as JSON, that do not change what nearsort computes.
pub(super) type Fixed = [(&'static str, &'static [&'static str])];

/// The handling of a field that is not listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownField {
    /// sentence-transformers does not load such a file.
    Refused,
    Told,
}

/// The fields of one kind of file.
pub(super) struct KnownFields {
    /// Fields that are read elsewhere, or that do not change what is computed.
    pub(super) known: &'static [&'static [&'static str]],
    pub(super) fixed: &'static Fixed,
    pub(super) unknown: UnknownField,
}

pub(super) const PROMPT_FIELDS: KnownFields = KnownFields {
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
    unknown: UnknownField::Told,
};

/// The fields of the file about the transformer. Limits per role and query expansion belong to late
/// interaction.
pub(super) const TRANSFORMER_FIELDS: KnownFields = KnownFields {
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
    unknown: UnknownField::Refused,
};

pub(super) const TOKENIZER_FIELDS: KnownFields = KnownFields {
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
    // Options of DeBERTa-v2's tokenizer.
    fixed: &[("split_by_punct", &["false"]), ("vocab_type", &["\"spm\""])],
    unknown: UnknownField::Told,
};

/// The fields of module configs, by class. A module's own code reads its other fields.
pub(super) const MODULE_FIELDS: [(&str, KnownFields); 5] = [
    (
        "Pooling",
        KnownFields {
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
            unknown: UnknownField::Refused,
        },
    ),
    (
        "Dense",
        KnownFields {
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
            unknown: UnknownField::Told,
        },
    ),
    ("LayerNorm", KnownFields { known: &[&["dimension"]], fixed: &[], unknown: UnknownField::Refused }),
    (
        "Normalize",
        KnownFields { known: &[&["module_input_name", "module_output_name"]], fixed: &[], unknown: UnknownField::Told },
    ),
    ("Dropout", KnownFields { known: &[&["dropout"]], fixed: &[], unknown: UnknownField::Refused }),
];

/// The objects of arguments to transformers in the file about the transformer, each with the
/// arguments that change nothing here.
pub(super) const ARGUMENTS: [(&str, &[&str]); 4] = [
    ("model_args", MODEL_ARGUMENTS),
    ("model_kwargs", MODEL_ARGUMENTS),
    ("tokenizer_args", TOKENIZER_ARGUMENTS),
    ("processor_kwargs", TOKENIZER_ARGUMENTS),
];
const MODEL_ARGUMENTS: &[&str] =
    &["add_pooling_layer", "attn_implementation", "dtype", "torch_dtype", "trust_remote_code", "use_safetensors"];
const TOKENIZER_ARGUMENTS: &[&str] = &["model_max_length", "padding_side", "trust_remote_code", "use_fast"];

/// The outputs of each task: the task, the feature, and the model's output that becomes the
/// feature.
pub(super) const OUTPUTS: [(&str, &str, &str); 3] = [
    ("feature-extraction", "token_embeddings", "last_hidden_state"),
    ("sequence-classification", "scores", "logits"),
    ("text-generation", "causal_logits", "logits"),
];

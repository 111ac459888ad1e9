//! Fields of a model's files: each is computed, an error, or a finding; defaults are silent.

use std::fs;

use nearsort::{LocalEncoder, ModelSpec, ModelStore, StoreOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{copy, f32_options, root};

/// A copy of a tiny model whose `file` has these fields too.
fn with_fields(base: &str, file: &str, fields: &Value) -> TempDir {
    let whole = tempfile::tempdir().unwrap();
    copy(&root().join("models").join(base), whole.path());
    let path = whole.path().join(file);
    let mut content: Value = fs::read(&path).map_or(json!({}), |bytes| serde_json::from_slice(&bytes).unwrap());
    let target = if content.is_array() { &mut content[1] } else { &mut content };
    for (field, value) in fields.as_object().unwrap() {
        target[field] = value.clone();
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content.to_string()).unwrap();
    whole
}

fn load(folder: &TempDir) -> nearsort::Result<LocalEncoder> {
    let store = ModelStore::new(StoreOptions::from_env().unwrap());
    LocalEncoder::load(store.get(&ModelSpec::parse(&folder.path().display().to_string())?)?, f32_options())
}

/// Findings of a model that is loaded.
fn findings(folder: &TempDir) -> Vec<String> {
    let encoder = load(folder).unwrap();
    encoder.contract().findings.iter().map(|finding| format!("{}: {}", finding.file, finding.message)).collect()
}

const BERT: &str = "tiny-bert";
const CONFIG: &str = "config.json";
const TOKENIZER: &str = "tokenizer_config.json";
const TRANSFORMER: &str = "sentence_bert_config.json";
const PROMPTS: &str = "config_sentence_transformers.json";
const POOLING: &str = "1_Pooling/config.json";

#[test]
fn a_value_that_changes_results_and_is_not_computed_is_an_error() {
    let message = json!({
        "text": { "method": "forward", "method_output_name": "last_hidden_state" },
        "message": { "method": "forward", "method_output_name": "last_hidden_state" },
    });
    let pooler = json!({ "text": { "method": "forward", "method_output_name": "pooler_output" } });
    let sliding = json!(["full_attention", "sliding_attention"]);
    let cases = [
        (BERT, CONFIG, json!({ "pruned_heads": { "0": [1] } }), "'pruned_heads'"),
        (BERT, CONFIG, json!({ "quantization_config": { "bits": 4 } }), "'quantization_config'"),
        (BERT, CONFIG, json!({ "is_encoder_decoder": true }), "'is_encoder_decoder' is true"),
        (BERT, CONFIG, json!({ "is_decoder": true }), "is_decoder"),
        (BERT, CONFIG, json!({ "position_embedding_type": "relative_key" }), "relative_key"),
        // transformers 5.23 builds these tokenizers anew by the names of tokenizer_config.json:
        // other tokens for every text.
        (BERT, TOKENIZER, json!({ "cls_token": "[MASK]" }), "cls_token is '[MASK]', and tokenizer.json puts another"),
        (BERT, TOKENIZER, json!({ "sep_token": { "content": "[PAD]" } }), "sep_token is '[PAD]'"),
        (BERT, TOKENIZER, json!({ "unk_token": "[SEP]" }), "unk_token is '[SEP]', and that of tokenizer.json '[UNK]'"),
        ("tiny-distilbert", TOKENIZER, json!({ "cls_token": "[SEP]" }), "cls_token is '[SEP]'"),
        ("tiny-roberta", TOKENIZER, json!({ "sep_token": "<mask>" }), "sep_token is '<mask>'"),
        ("tiny-xlm-roberta", TOKENIZER, json!({ "bos_token": "<mask>" }), "bos_token is '<mask>'"),
        ("tiny-xlm-roberta", TOKENIZER, json!({ "add_prefix_space": false }), "add_prefix_space is false"),
        ("tiny-qwen3", TOKENIZER, json!({ "add_prefix_space": true }), "add_prefix_space is true"),
        ("tiny-qwen3", CONFIG, json!({ "use_bidirectional_attention": true }), "'use_bidirectional_attention'"),
        ("tiny-qwen3", CONFIG, json!({ "layer_types": sliding }), "layer 1 is \"sliding_attention\""),
        ("tiny-nomic-bert", CONFIG, json!({ "scale_attn_weights": false }), "'scale_attn_weights'"),
        (BERT, TRANSFORMER, json!({ "max_length": 12 }), "'max_length' = 12"),
        (BERT, TRANSFORMER, json!({ "query_length": 12 }), "'query_length' is 12"),
        (BERT, TRANSFORMER, json!({ "document_length": 12 }), "'document_length'"),
        (BERT, TRANSFORMER, json!({ "query_expansion": { "strategy": "fixed" } }), "'query_expansion'"),
        (BERT, TRANSFORMER, json!({ "processing_kwargs": { "text": { "max_length": 9 } } }), "'processing_kwargs'"),
        (BERT, TRANSFORMER, json!({ "config_args": { "num_hidden_layers": 1 } }), "'config_args'"),
        (BERT, TRANSFORMER, json!({ "model_args": { "revision": "x" } }), "model_args has 'revision'"),
        (
            BERT,
            TRANSFORMER,
            json!({ "tokenizer_args": { "do_lower_case": true } }),
            "tokenizer_args has 'do_lower_case'",
        ),
        (BERT, TRANSFORMER, json!({ "tokenizer_name_or_path": "other" }), "'tokenizer_name_or_path'"),
        (BERT, TRANSFORMER, json!({ "transformer_task": "fill-mask" }), "transformer_task is 'fill-mask'"),
        (BERT, TRANSFORMER, json!({ "modality_config": pooler }), "pooler_output"),
        (BERT, TRANSFORMER, json!({ "modality_config": message }), "chat template"),
        (BERT, TRANSFORMER, json!({ "module_output_name": "sentence_embedding" }), "module_output_name"),
        (BERT, POOLING, json!({ "pooling_mode_pooler": true }), "'pooling_mode_pooler'"),
        (BERT, POOLING, json!({ "include_prompt": false }), "include_prompt is false"),
        (BERT, POOLING, json!({ "pooling_mode_max_tokens": true }), "pooling by"),
        ("tiny-bert-dense", "2_Dense/config.json", json!({ "activation_function": "my.Own" }), "'my.Own'"),
        ("tiny-bert-dense", "2_Dense/config.json", json!({ "activation_function": null }), "activation null"),
        ("tiny-bert-dense", "2_Dense/config.json", json!({ "bias": false }), "linear.bias"),
        ("tiny-bert-dense", "2_Dense/config.json", json!({ "use_residual": true }), "residual.weight"),
        ("tiny-bert-dense", "2_Dense/config.json", json!({ "module_input_name": "elsewhere" }), "'elsewhere'"),
        (BERT, PROMPTS, json!({ "truncate_dim": -3 }), "truncate_dim is -3"),
        (BERT, TOKENIZER, json!({ "truncation_side": "middle" }), "truncation_side is \"middle\""),
        (BERT, "adapter_config.json", json!({ "r": 8 }), "adapter"),
        (BERT, "modules.json", json!({ "type": "custom_st.Pooling" }), "Python code of its own"),
    ];
    for (base, file, fields, expected) in cases {
        let error = load(&with_fields(base, file, &fields)).err().map(|error| error.to_string());
        let error = error.unwrap_or_else(|| panic!("{base} {file} {fields} was loaded"));
        assert!(error.contains(expected), "{file} {fields}: {error}");
    }
}

#[test]
fn a_field_that_nobody_knows_and_a_contradiction_are_findings() {
    let cases = [
        (BERT, CONFIG, json!({ "attention_sinks": 4 }), "config.json: has 'attention_sinks' = 4"),
        (BERT, CONFIG, json!({ "auto_map": { "AutoModel": "own.Model" } }), "names Python code of its own"),
        (BERT, TOKENIZER, json!({ "fold_case": "de" }), "tokenizer_config.json: has 'fold_case' = \"de\""),
        (BERT, TOKENIZER, json!({ "padding_side": "left" }), "pads texts on the left"),
        (
            BERT,
            TOKENIZER,
            json!({ "do_lower_case": false }),
            "says do_lower_case (= false), tokenizer.json lowercase = true: false",
        ),
        (BERT, TOKENIZER, json!({ "strip_accents": false }), "strip_accents (= false)"),
        (BERT, TOKENIZER, json!({ "mask_token": "Hello" }), "among its added ones ('Hello'): transformers adds them"),
        (BERT, TOKENIZER, json!({ "image_token": { "content": "Hello" } }), "('Hello')"),
        (BERT, TOKENIZER, json!({ "additional_special_tokens": ["World", "[SEP]", "Hello"] }), "('Hello', 'World')"),
        (BERT, TOKENIZER, json!({ "extra_special_tokens": { "x": "Hello" } }), "('Hello')"),
        (BERT, TOKENIZER, json!({ "added_tokens_decoder": { "9": { "content": "Hello" } } }), "('Hello')"),
        (BERT, "special_tokens_map.json", json!({ "mask_token": "Hello" }), "('Hello')"),
        (BERT, "added_tokens.json", json!({ "Hello": 7 }), "('Hello')"),
        (BERT, PROMPTS, json!({ "score_scale": 2 }), "has 'score_scale' = 2"),
        ("tiny-bert-cls", PROMPTS, json!({ "similarity_fn_name": "dot" }), "names the similarity 'dot'"),
        (BERT, PROMPTS, json!({ "similarity_fn_name": "manhattan" }), "names the similarity 'manhattan'"),
        ("tiny-bert-dense", "2_Dense/config.json", json!({ "scale": 2 }), "2_Dense/config.json: has 'scale' = 2"),
        (BERT, "2_Normalize/config.json", json!({ "power": 3 }), "2_Normalize/config.json: has 'power' = 3"),
        (BERT, "modules.json", json!({ "kwargs": ["task"] }), "has 'kwargs' = [\"task\"]"),
    ];
    for (base, file, fields, expected) in cases {
        let found = findings(&with_fields(base, file, &fields));
        assert!(found.iter().any(|finding| finding.contains(expected)), "{file} {fields}: {found:#?}");
    }
}

/// What the config files of well-known models say beside the numbers of their layers.
fn real_fields() -> Vec<(&'static str, &'static str, Value)> {
    let pooling = json!({
        "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false, "pooling_mode_weightedmean_tokens": false,
        "pooling_mode_lasttoken": false, "include_prompt": true,
    });
    let bert = json!({
        "_name_or_path": "nreimers/MiniLM-L6-H384-uncased", "gradient_checkpointing": false, "torch_dtype": "float32",
        "transformers_version": "4.8.2", "classifier_dropout": null, "position_embedding_type": "absolute",
        "id2label": { "0": "LABEL_0" }, "label2id": { "LABEL_0": 0 }, "directionality": "bidi",
        "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3,
        "pooler_size_per_head": 128, "pooler_type": "first_token_transform", "output_past": true,
        "bos_token_id": 0, "eos_token_id": 2, "summary_type": "first", "dtype": "float32",
    });
    let bert_tokenizer = json!({
        "added_tokens_decoder": {}, "clean_up_tokenization_spaces": true, "cls_token": "[CLS]", "do_basic_tokenize": true,
        "mask_token": "[MASK]", "max_length": 128, "never_split": null, "pad_to_multiple_of": null, "pad_token": "[PAD]",
        "pad_token_type_id": 0, "padding_side": "right", "sep_token": "[SEP]", "stride": 0, "strip_accents": null,
        "tokenize_chinese_chars": true, "truncation_side": "right", "truncation_strategy": "longest_first",
        "unk_token": "[UNK]", "name_or_path": "x", "special_tokens_map_file": "y", "extra_special_tokens": {},
    });
    let modernbert = json!({
        "classifier_pooling": "mean", "reference_compile": true, "repad_logits_with_grad": false,
        "sparse_pred_ignore_index": -100, "sparse_prediction": false, "tie_word_embeddings": true,
        "transformers_version": "4.47.0.dev0", "cls_token_id": 50281,
    });
    let nomic = json!({
        "auto_map": { "AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel" },
        "dense_seq_output": true, "fused_bias_fc": true, "fused_dropout_add_ln": true, "moe_every_n_layers": 0,
        "num_experts": 0, "pad_vocab_size_multiple": 64, "parallel_block_tied_norm": false,
        "reorder_and_upcast_attn": false, "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true,
        "summary_activation": null, "summary_first_dropout": 0.0, "summary_proj_to_labels": true,
        "summary_type": "cls_index", "summary_use_proj": true, "use_flash_attn": true, "use_xentropy": true,
        "last_layer_subset": false, "transformers_version": "4.37.2",
    });
    let jina = json!({
        "auto_map": { "AutoModelForMaskedLM": "jinaai/jina-bert-implementation--modeling_bert.JinaBertForMaskedLM" },
        "attn_implementation": null, "model_max_length": 8192, "tokenizer_class": "BertTokenizer",
    });
    let qwen3 = json!({
        "attention_dropout": 0.0, "max_window_layers": 28, "sliding_window": null, "use_sliding_window": false,
        "layer_types": ["full_attention", "full_attention"], "dtype": "bfloat16", "transformers_version": "4.51.3",
    });
    let qwen3_tokenizer = json!({
        "add_bos_token": false, "add_prefix_space": false, "additional_special_tokens": ["<|im_start|>"],
        "bos_token": null, "chat_template": "{{ messages }}", "errors": "replace", "padding_side": "left",
        "split_special_tokens": false, "unk_token": null,
    });
    let e5 = json!({ "output_past": true, "bos_token_id": 0, "eos_token_id": 2, "torch_dtype": "float32" });
    let e5_tokenizer =
        json!({ "sp_model_kwargs": {}, "bos_token": "<s>", "eos_token": "</s>", "mask_token": "<mask>" });
    let own = json!({
        "__version__": { "sentence_transformers": "6.2.0", "transformers": "5.23.0", "pytorch": "2.15.0" },
        "model_type": "SentenceTransformer", "similarity_fn_name": "cosine",
    });
    let transformer = json!({
        "transformer_task": "feature-extraction", "module_output_name": "token_embeddings",
        "modality_config": { "text": { "method": "forward", "method_output_name": "last_hidden_state" } },
    });
    vec![
        (BERT, CONFIG, bert),
        (BERT, TOKENIZER, bert_tokenizer),
        (BERT, POOLING, pooling),
        (BERT, PROMPTS, own),
        (BERT, TRANSFORMER, transformer),
        ("tiny-xlm-roberta", CONFIG, e5),
        ("tiny-xlm-roberta", TOKENIZER, e5_tokenizer),
        ("tiny-modernbert", CONFIG, modernbert),
        ("tiny-nomic-bert", CONFIG, nomic),
        ("tiny-jina-bert", CONFIG, jina),
        ("tiny-qwen3", CONFIG, qwen3),
        ("tiny-qwen3", TOKENIZER, qwen3_tokenizer),
    ]
}

#[test]
fn the_files_of_well_known_models_are_silent() {
    for (base, file, fields) in real_fields() {
        let untouched = findings(&with_fields(base, file, &json!({})));
        assert_eq!(findings(&with_fields(base, file, &fields)), untouched, "{base} {file}");
    }
}

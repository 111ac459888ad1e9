//! Checks every number in a model's JSON files before it is used to allocate, divide or cut.
//!
//! The engines and the contract read the same files and trust these numbers. Each rule gives the
//! allowed values of a key. A key that is missing or null gets its default where it is read.

use serde_json::Value;

use super::reader::{CONFIG, MODULES, Reader, TOKENIZER_CONFIG};
use crate::engine::layers_held;
use crate::store::TRANSFORMER_FILES;
use crate::{Error, Result};

/// Smallest token limit of a text: two special tokens and one of its own.
pub(super) const LEAST_TOKENS: u64 = 3;

/// Maximum number of positions. Tables of rotary positions grow with it.
const MOST_POSITIONS: u64 = 1 << 20;

/// transformers' `VERY_LARGE_INTEGER` (1e30) and other ways of saying "no limit" begin here.
const NO_LIMIT: u64 = 1 << 31;

/// The allowed values of a number.
#[derive(Clone, Copy)]
enum Allowed {
    /// A whole number in a range, ends included.
    Whole(u64, u64),
    /// A whole number of tokens, or a number so large that it means "no limit".
    Limit,
    /// A number in a range, ends included.
    Real(f64, f64),
}

type Rule = (&'static str, Allowed);

const WIDTH: Allowed = Allowed::Whole(1, 1 << 16);
const WIDE: Allowed = Allowed::Whole(1, 1 << 20);
const COUNT: Allowed = Allowed::Whole(1, 1 << 10);
const EPSILON: Allowed = Allowed::Real(0.0, 1.0);
const THETA: Allowed = Allowed::Real(1.0, 1e12);

/// The rules of config.json, for every architecture. A slash in a key leads into an object.
const CONFIG_RULES: [Rule; 32] = [
    ("hidden_size", WIDTH),
    ("dim", WIDTH),
    ("n_embd", WIDTH),
    ("embedding_size", WIDTH),
    ("num_hidden_layers", COUNT),
    ("n_layers", COUNT),
    ("n_layer", COUNT),
    ("num_attention_heads", COUNT),
    ("n_heads", COUNT),
    ("n_head", COUNT),
    ("num_key_value_heads", COUNT),
    ("head_dim", WIDTH),
    ("intermediate_size", WIDE),
    ("hidden_dim", WIDE),
    ("n_inner", WIDE),
    ("vocab_size", Allowed::Whole(1, 1 << 24)),
    ("type_vocab_size", Allowed::Whole(0, 1 << 16)),
    ("max_position_embeddings", Allowed::Whole(LEAST_TOKENS, MOST_POSITIONS)),
    ("n_positions", Allowed::Whole(LEAST_TOKENS, MOST_POSITIONS)),
    ("pad_token_id", Allowed::Whole(0, 1 << 24)),
    ("local_attention", Allowed::Whole(0, MOST_POSITIONS)),
    ("global_attn_every_n_layers", COUNT),
    ("layer_norm_eps", EPSILON),
    ("layer_norm_epsilon", EPSILON),
    ("norm_eps", EPSILON),
    ("rms_norm_eps", EPSILON),
    ("rope_theta", THETA),
    ("global_rope_theta", THETA),
    ("local_rope_theta", THETA),
    ("rope_parameters/rope_theta", THETA),
    ("rotary_emb_base", THETA),
    ("rotary_emb_fraction", Allowed::Real(0.0, 1.0)),
];

/// The rules of ModernBERT's two kinds of layers, whose numbers are in objects of their own.
const ROPE_RULES: [Rule; 2] =
    [("rope_parameters/full_attention/rope_theta", THETA), ("rope_parameters/sliding_attention/rope_theta", THETA)];

const TOKENIZER_RULES: [Rule; 1] = [("model_max_length", Allowed::Limit)];
const TRANSFORMER_RULES: [Rule; 1] = [("max_seq_length", Allowed::Whole(LEAST_TOKENS, NO_LIMIT))];

/// The rules of config.json in a module's folder.
const MODULE_RULES: [Rule; 5] = [
    ("word_embedding_dimension", WIDE),
    ("embedding_dimension", WIDE),
    ("in_features", WIDE),
    ("out_features", WIDE),
    ("dimension", WIDE),
];

impl Allowed {
    fn holds(self, value: &Value) -> bool {
        match self {
            Allowed::Whole(least, most) => value.as_u64().is_some_and(|number| (least..=most).contains(&number)),
            Allowed::Limit => {
                let whole = value.as_u64().is_some_and(|number| number >= LEAST_TOKENS);
                // Larger integers than u64 come as floats.
                whole || value.as_f64().is_some_and(|number| number >= NO_LIMIT as f64)
            }
            Allowed::Real(least, most) => value.as_f64().is_some_and(|number| (least..=most).contains(&number)),
        }
    }

    fn describe(self) -> String {
        match self {
            Allowed::Whole(least, most) => format!("whole numbers from {least} to {most}"),
            Allowed::Limit => format!("whole numbers from {LEAST_TOKENS} on"),
            Allowed::Real(least, most) => format!("numbers from {least} to {most}"),
        }
    }
}

/// Checks the numbers of all files of a model, and `config` (config.json) against the weights.
///
/// # Errors
/// [`Error::ModelFile`] with the file, the key, what was found and what is allowed.
pub(super) fn check(reader: &mut Reader<'_>, config: &Value) -> Result<()> {
    check_rules(reader, CONFIG, config, &CONFIG_RULES)?;
    check_rules(reader, CONFIG, config, &ROPE_RULES)?;
    check_heads(reader, config)?;
    check_padding(reader, config)?;
    check_file(reader, TOKENIZER_CONFIG, &TOKENIZER_RULES)?;
    TRANSFORMER_FILES.iter().try_for_each(|file| check_file(reader, file, &TRANSFORMER_RULES))?;
    for folder in module_folders(reader)? {
        check_file(reader, &format!("{folder}/config.json"), &MODULE_RULES)?;
    }
    check_layers(reader, config)
}

fn check_file(reader: &Reader<'_>, file: &str, rules: &[Rule]) -> Result<()> {
    match reader.json(file)? {
        Some(json) => check_rules(reader, file, &json, rules),
        None => Ok(()),
    }
}

fn check_rules(reader: &Reader<'_>, file: &str, json: &Value, rules: &[Rule]) -> Result<()> {
    for &(key, allowed) in rules {
        let value = json.pointer(&format!("/{key}")).unwrap_or(&Value::Null);
        if !(value.is_null() || allowed.holds(value)) {
            return Err(wrong(reader, file, key, value, &allowed.describe()));
        }
    }
    Ok(())
}

fn wrong(reader: &Reader<'_>, file: &str, key: &str, found: &Value, allowed: &str) -> Error {
    reader.unusable(file, &format!("'{key}' is {found}; expected {allowed}"))
}

/// Returns the first of several names that holds a number.
fn number(config: &Value, names: &[&'static str]) -> Option<(&'static str, u64)> {
    names.iter().find_map(|&name| Some((name, config[name].as_u64()?)))
}

/// Checks that the number of heads divides the widths they share.
fn check_heads(reader: &Reader<'_>, config: &Value) -> Result<()> {
    let Some((name, heads)) = number(config, &["num_attention_heads", "n_heads", "n_head"]) else { return Ok(()) };
    let width = number(config, &["hidden_size", "n_embd", "dim"]);
    let head_dim = match (config["head_dim"].as_u64(), width) {
        (Some(head_dim), _) => Some(head_dim),
        (None, Some((key, width))) if width % heads != 0 => {
            let message = format!("{heads} heads do not divide a hidden size of {width} ('{name}' and '{key}')");
            return Err(reader.unusable(CONFIG, &message));
        }
        (None, Some((_, width))) => Some(width / heads),
        (None, None) => None,
    };
    if let Some(groups) = config["num_key_value_heads"].as_u64()
        && heads % groups != 0
    {
        let message = format!("'num_key_value_heads' is {groups}, which does not divide the {heads} heads");
        return Err(reader.unusable(CONFIG, &message));
    }
    let is_rotary = matches!(config["model_type"].as_str(), Some("modernbert" | "nomic_bert" | "qwen3"));
    match head_dim {
        Some(odd) if is_rotary && odd % 2 == 1 => {
            let message = format!("a head has {odd} numbers; rotary positions turn pairs of them, so it must be even");
            Err(reader.unusable(CONFIG, &message))
        }
        _ => Ok(()),
    }
}

/// Checks that the padding token exists. RoBERTa counts its positions from behind it.
fn check_padding(reader: &Reader<'_>, config: &Value) -> Result<()> {
    let Some(padding) = config["pad_token_id"].as_u64() else { return Ok(()) };
    let is_counted = matches!(config["model_type"].as_str(), Some("roberta" | "xlm-roberta" | "camembert"));
    let positions = config["max_position_embeddings"].as_u64().filter(|_| is_counted);
    let most = [
        config["vocab_size"].as_u64().map(|rows| rows.saturating_sub(1)),
        positions.map(|positions| positions.saturating_sub(LEAST_TOKENS + 1)),
    ];
    match most.into_iter().flatten().min() {
        Some(most) if padding > most => {
            let allowed = format!("whole numbers from 0 to {most}");
            Err(wrong(reader, CONFIG, "pad_token_id", &config["pad_token_id"], &allowed))
        }
        _ => Ok(()),
    }
}

/// Returns the folders that modules.json names. Other errors in modules.json are reported where it
/// is read.
fn module_folders(reader: &Reader<'_>) -> Result<Vec<String>> {
    let modules = reader.json(MODULES)?.unwrap_or(Value::Null);
    let paths = modules.as_array().into_iter().flatten().filter_map(|module| module["path"].as_str());
    Ok(paths.filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

/// Checks the number of layers against the weights. More layers than the weights hold are an error,
/// before memory is allocated for them. Fewer are noted, because transformers accepts them.
fn check_layers(reader: &mut Reader<'_>, config: &Value) -> Result<()> {
    let Some((name, layers)) = number(config, &["num_hidden_layers", "n_layers", "n_layer"]) else { return Ok(()) };
    // Unreadable weights are reported where they are loaded.
    let Ok(files) = reader.files.map_weights() else { return Ok(()) };
    let held = files.iter().filter_map(|file| layers_held(file.bytes())).max();
    match held {
        Some(held) if layers > held => {
            Err(reader.unusable(CONFIG, &format!("'{name}' is {layers}; the weights hold {held} layers")))
        }
        Some(held) if layers < held => {
            reader.note(CONFIG, format!("says {layers} layers; the weights hold {held}, and the last are not used"));
            Ok(())
        }
        _ => Ok(()),
    }
}

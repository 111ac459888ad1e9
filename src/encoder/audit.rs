//! Checks the fields of a model's files: nearsort must know each field and compute its value.
//!
//! A field that changes what a model computes is read by the code that computes it, or listed in
//! `known_fields.rs` and `config_fields.rs` with the values that have no effect. Any other value is
//! an error. An unknown field becomes a [`super::ModelFinding`], because its effect is unknown. Null
//! always means the default.

use serde_json::{Value, json};

use super::config_fields::{config_fields, has_alibi};
use super::known_fields::{
    ARGUMENTS, Fixed, KnownFields, MODULE_FIELDS, OUTPUTS, PROMPT_FIELDS, TOKENIZER_FIELDS, TRANSFORMER_FIELDS,
    UnknownField,
};
use super::listed::Listed;
use super::reader::{CONFIG, PROMPTS, Reader, TOKENIZER_CONFIG};
use super::transformer_file::TransformerFile;
use crate::Result;

impl Reader<'_> {
    /// Checks config.json, by its architecture.
    pub(super) fn audit_config(&mut self, config: &Value) -> Result<()> {
        // The engines refuse other architectures.
        let Some((fields, own_fixed)) = config_fields(config) else { return Ok(()) };
        self.check_fixed(CONFIG, config, own_fixed)?;
        self.audit(CONFIG, config, &fields, own_fixed)?;
        if self.files.path("adapter_config.json").is_some() {
            let message = "the folder holds an adapter (PEFT), which sentence-transformers applies to the weights and nearsort does \
                           not; merge it into the weights with merge_and_unload()";
            return Err(self.unusable("adapter_config.json", message));
        }
        if config["auto_map"].is_object() && !has_alibi(config) && config["model_type"] != "nomic_bert" {
            let message = "names Python code of its own (auto_map), which nearsort does not run: it computes the \
                           architecture of the model_type";
            self.note(CONFIG, message.into());
        }
        Ok(())
    }

    /// Checks config_sentence_transformers.json. `unit` is true if vectors end up with length 1.
    pub(super) fn audit_prompts(&mut self, unit: bool) -> Result<()> {
        let Some(own) = self.json(PROMPTS)? else { return Ok(()) };
        self.audit(PROMPTS, &own, &PROMPT_FIELDS, &[])?;
        let name = own["similarity_fn_name"].as_str().unwrap_or("cosine");
        // For vectors of length 1 these give the same order as the cosine.
        let is_cosine = name == "cosine" || (unit && ["dot", "dot_product", "euclidean"].contains(&name));
        if !is_cosine {
            self.note(PROMPTS, format!("names the similarity '{name}'; nearsort compares vectors by their cosine"));
        }
        Ok(())
    }

    /// Checks the file about the transformer. `task` is the one that the modules behind it need.
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

    /// Checks which output of the transformer is used, and how a text is put into it.
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

    /// Checks tokenizer_config.json.
    pub(super) fn audit_tokenizer(&mut self, config: &Value) -> Result<()> {
        self.audit(TOKENIZER_CONFIG, config, &TOKENIZER_FIELDS, &[])
    }

    /// Checks the config.json of a module, if it has one.
    pub(super) fn audit_module(&mut self, entry: &Listed, config: &Value) -> Result<()> {
        match MODULE_FIELDS.iter().find(|(class, _)| *class == entry.name()) {
            Some((_, fields)) => self.audit(&entry.file("config.json"), config, fields, &[]),
            None => Ok(()),
        }
    }

    /// Checks the fields of one file. `more` are fields that are checked already.
    pub(super) fn audit(&mut self, file: &str, content: &Value, fields: &KnownFields, more: &Fixed) -> Result<()> {
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
                UnknownField::Refused => {
                    let message =
                        format!("has '{name}' = {}, which sentence-transformers 6.2 does not know", short(value));
                    return Err(self.unusable(file, &message));
                }
                UnknownField::Told => {
                    let message =
                        format!("has '{name}' = {}, which nearsort does not know and leaves out", short(value));
                    self.findings.push(super::ModelFinding { file: file.to_owned(), message });
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

/// Returns a value for a message; a long value is shortened to its beginning.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    }
}

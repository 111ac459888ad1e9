//! sentence_bert_config.json, or its counterpart in an older model.

use serde_json::Value;

use super::reader::{MODULES, Reader};
use crate::Result;
use crate::store::TRANSFORMER_FILES;

/// The file's name and content; the content is `Null` if there is no file.
pub(super) struct TransformerFile {
    pub name: &'static str,
    pub content: Value,
}

impl TransformerFile {
    /// Returns the longest text in tokens. Arguments to the tokenizer win over the file's own
    /// field.
    pub fn max_tokens(&self) -> Option<u64> {
        let mut given = ["processor_kwargs", "tokenizer_args"].into_iter();
        let given = given.find_map(|field| self.content[field]["model_max_length"].as_u64());
        given.or(self.content["max_seq_length"].as_u64())
    }

    /// Returns true if texts are lower-cased before everything else.
    pub fn lower_case(&self) -> bool {
        self.content["do_lower_case"] == Value::Bool(true)
    }
}

impl Reader<'_> {
    /// Returns the first of the files that is not empty. sentence-transformers reads none of them
    /// without modules.json.
    pub(super) fn transformer_file(&mut self) -> Result<TransformerFile> {
        for name in TRANSFORMER_FILES {
            let Some(content) = self.json(name)? else { continue };
            if content.as_object().is_some_and(serde_json::Map::is_empty) {
                continue;
            }
            if self.json(MODULES)?.is_none() {
                let message = "is not read without modules.json, as in sentence-transformers";
                self.note(name, message.into());
                break;
            }
            return Ok(TransformerFile { name, content });
        }
        Ok(TransformerFile { name: TRANSFORMER_FILES[0], content: Value::Null })
    }
}

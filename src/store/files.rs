//! A model's files on disk.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::names::is_plain_relative;
use super::registry::RegisteredModel;
use super::small_file::{MAX_FILE_BYTES, read_small};
use super::verify::Ledger;
use crate::hex::hex;
use crate::{Error, Result};

/// The weights file of most models.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// The list of shards of the other models.
pub(super) const WEIGHTS_INDEX: &str = "model.safetensors.index.json";

/// The files in a model's own folder, apart from weights and the folders that `modules.json` names.
/// The first two are required. A model has at most one of the `sentence_*_config.json`.
pub(super) const TOP_FILES: [&str; 14] = [
    "config.json",
    "tokenizer.json",
    "modules.json",
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
    "config_sentence_transformers.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "artifact.metadata",
];
/// The `sentence_*_config.json`, in the order in which sentence-transformers looks for them.
pub(crate) const TRANSFORMER_FILES: [&str; 7] =
    [TOP_FILES[3], TOP_FILES[4], TOP_FILES[5], TOP_FILES[6], TOP_FILES[7], TOP_FILES[8], TOP_FILES[9]];
/// The module of a static model: a table of token vectors.
const TABLE: &str = ".StaticEmbedding";
/// The prompt template of a causal model, if tokenizer_config.json does not have it.
const CHAT_TEMPLATE: &str = "chat_template.jinja";
pub(super) const REQUIRED: [&str; 2] = [TOP_FILES[0], TOP_FILES[1]];

/// The files of one model, all in one folder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModelFiles {
    /// The name for messages and answers.
    pub name: String,
    /// The folder.
    pub dir: PathBuf,
    /// The commit, if the files came from the hub or are known to be those of a commit.
    pub revision: Option<String>,
    /// The registry's entry of the model.
    pub entry: Option<Arc<RegisteredModel>>,
    /// The file with the checksums computed so far.
    pub(super) ledger: PathBuf,
}

impl ModelFiles {
    /// Returns the full path of a file of the model, `None` if there is no such file.
    pub fn path(&self, file: &str) -> Option<PathBuf> {
        let path = self.dir.join(file);
        (is_plain_relative(file) && path.is_file()).then_some(path)
    }

    /// Returns the content of a file of at most 512 MiB, `None` if there is no such file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&self, file: &str) -> Result<Option<Vec<u8>>> {
        match self.path(file) {
            Some(path) => read_small(&path, MAX_FILE_BYTES).map(Some).map_err(Error::io("read", path)),
            None => Ok(None),
        }
    }

    /// Returns the safetensors files of the weights: one, or the shards that the index names,
    /// sorted by name.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when there are none, when only pickled weights exist, or when the index
    /// is unusable or names a file that is missing.
    pub fn weights(&self) -> Result<Vec<PathBuf>> {
        if let Some(folder) = self.table_folder()? {
            let weights = self.path(&format!("{folder}/{WEIGHTS}"));
            return Ok(vec![weights.ok_or_else(|| no_weights(&self.dir.join(&folder)))?]);
        }
        if let Some(single) = self.path(WEIGHTS) {
            return Ok(vec![single]);
        }
        let Some(index) = self.read(WEIGHTS_INDEX)? else {
            return Err(no_weights(&self.dir));
        };
        let index_path = self.dir.join(WEIGHTS_INDEX);
        let shards = shards(&index).map_err(|message| Error::ModelFile { path: index_path.clone(), message })?;
        let found = shards.iter().map(|shard| {
            let message = || format!("the index names {shard}, which is missing; fetch the model again");
            self.path(shard).ok_or_else(|| Error::ModelFile { path: index_path.clone(), message: message() })
        });
        found.collect()
    }

    /// Returns the folder of a static model's table, if it has a folder of its own.
    fn table_folder(&self) -> Result<Option<String>> {
        let Some(modules) = self.read("modules.json")? else { return Ok(None) };
        // Other errors in modules.json are reported where its modules are read.
        Ok(table_folder(&modules))
    }

    /// Maps the weights into memory. Pages are read only when they are used.
    ///
    /// # Errors
    /// As [`ModelFiles::weights`], and [`Error::Io`].
    pub fn map_weights(&self) -> Result<Vec<MappedFile>> {
        self.weights()?.iter().map(|path| MappedFile::open(path)).collect()
    }

    /// Maps all safetensors files of the model, the weights and those of its modules, into memory.
    /// Returns them with their names.
    ///
    /// # Errors
    /// As [`ModelFiles::map_weights`].
    pub fn map_safetensors(&self) -> Result<Vec<(String, MappedFile)>> {
        let files = self.contract_files()?.into_iter().filter(|file| file.ends_with(".safetensors"));
        files.map(|file| MappedFile::open(&self.dir.join(&file)).map(|mapped| (file, mapped))).collect()
    }

    /// Returns all files that decide what an embedding is, relative to the folder and sorted:
    /// configuration, tokenizer, the folders that `modules.json` names, weights. READMEs and other
    /// formats are not among them.
    ///
    /// # Errors
    /// As [`ModelFiles::weights`].
    pub fn contract_files(&self) -> Result<Vec<String>> {
        let mut files: BTreeSet<String> = TOP_FILES.iter().map(|file| (*file).to_owned()).collect();
        files.insert(WEIGHTS_INDEX.to_owned());
        if let Some(modules) = self.read("modules.json")? {
            let unusable = |message| Error::ModelFile { path: self.dir.join("modules.json"), message };
            files.extend(module_files(&modules).map_err(unusable)?.into_iter().map(|file| file.path));
        }
        files.retain(|file| self.path(file).is_some());
        for path in self.weights()? {
            files.extend(path.strip_prefix(&self.dir).ok().map(|file| file.to_string_lossy().replace('\\', "/")));
        }
        Ok(files.into_iter().collect())
    }

    /// Returns the sha256 of the weights: that of the one file, or of all shards' sums in their
    /// order. It is computed once per content. Later calls read it from a note in the cache folder
    /// while the file's size and time stay the same.
    ///
    /// # Errors
    /// As [`ModelFiles::weights`], and [`Error::Io`].
    pub fn weights_sha256(&self) -> Result<String> {
        let sums = self.sums(&self.weights()?)?;
        match sums.as_slice() {
            [single] => Ok(single.clone()),
            many => Ok(hex(Sha256::digest(many.join("\n")))),
        }
    }

    /// Returns a checksum over the names and contents of [`ModelFiles::contract_files`]. Two models
    /// with the same fingerprint give the same embeddings.
    ///
    /// # Errors
    /// As [`ModelFiles::weights_sha256`].
    pub fn fingerprint(&self) -> Result<String> {
        let files = self.contract_files()?;
        let paths: Vec<PathBuf> = files.iter().map(|file| self.dir.join(file)).collect();
        let mut all = Sha256::new();
        for (file, sum) in files.iter().zip(self.sums(&paths)?) {
            all.update(format!("{sum}  {file}\n"));
        }
        Ok(hex(all.finalize()))
    }

    fn sums(&self, paths: &[PathBuf]) -> Result<Vec<String>> {
        let mut ledger = Ledger::open(&self.ledger, &self.dir);
        let sums = paths.iter().map(|path| ledger.sha256(path)).collect::<Result<_>>()?;
        ledger.save();
        Ok(sums)
    }
}

/// A file mapped into memory, read-only.
#[derive(Debug)]
pub struct MappedFile(memmap2::Mmap);

impl MappedFile {
    fn open(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
        // SAFETY: the store replaces model files by renaming, never in place, and a mapping keeps
        // the old file. A program that truncates a mapped file is outside what a mapping can
        // prevent.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(Error::io("map", path))?;
        Ok(Self(map))
    }

    /// Returns the content.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the pages used so far to the system. They are read again when they are used again.
    pub fn release(&self) {
        #[cfg(unix)]
        {
            // SAFETY: a read-only mapping of a file loses nothing: its pages come back from the
            // file. On failure they stay in memory.
            let _ = unsafe { self.0.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }
}

fn no_weights(dir: &Path) -> Error {
    let pickled = ["pytorch_model.bin", "pytorch_model.bin.index.json"]
        .iter()
        .map(|file| dir.join(file))
        .find(|path| path.is_file());
    match pickled {
        Some(path) => Error::ModelFile { path, message: PICKLED.to_owned() },
        None => Error::ModelFile {
            path: dir.to_owned(),
            message: format!("the folder has no {WEIGHTS} and no {WEIGHTS_INDEX}; check that it is a model's folder"),
        },
    }
}

/// The message why pickled weights are refused, with the remedy.
pub(super) const PICKLED: &str = "the weights exist only as a pickle, which can run any code when it is read; nearsort reads safetensors only. \
     Save the model again with transformers' `save_pretrained(..., safe_serialization=True)`, or use a revision that has safetensors";

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: std::collections::BTreeMap<String, String>,
}

/// Returns the shards that an index names, each once, sorted.
pub(super) fn shards(index: &[u8]) -> Result<BTreeSet<String>, String> {
    let index: ShardIndex = serde_json::from_slice(index).map_err(|e| format!("not a safetensors index: {e}"))?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    match shards.iter().find(|shard| !is_plain_relative(shard) || !shard.ends_with(".safetensors")) {
        Some(bad) => Err(format!("'{bad}' is not the name of a shard")),
        None if shards.is_empty() => Err("the index names no shards".to_owned()),
        None => Ok(shards),
    }
}

#[derive(Deserialize)]
struct ListedModule {
    #[serde(default)]
    path: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// Returns the folder that `modules.json` names for the table of a static model. `None` for any
/// other model, and for a table in the model's own folder.
pub(super) fn table_folder(modules: &[u8]) -> Option<String> {
    let modules: Vec<ListedModule> = serde_json::from_slice(modules).ok()?;
    let first = modules.into_iter().next()?;
    let is_own = ["", "."].contains(&first.path.as_str());
    (first.kind.ends_with(TABLE) && !is_own && is_plain_relative(&first.path)).then_some(first.path)
}

/// Returns the files in the folders that `modules.json` names: each one's config.json, the weights
/// of a Dense layer or a norm, and the files of a static model's table. The Transformer's files are
/// the model's own.
pub(super) fn module_files(modules: &[u8]) -> Result<Vec<ModuleFile>, String> {
    let modules: Vec<ListedModule> =
        serde_json::from_slice(modules).map_err(|e| format!("not a list of modules: {e}"))?;
    let mut files = Vec::new();
    for ListedModule { path, kind } in modules {
        // model2vec writes `.` for the model's own folder.
        if ["", "."].contains(&path.as_str()) || kind.ends_with(".Transformer") {
            continue;
        }
        if !is_plain_relative(&path) {
            return Err(format!("the module's path '{path}' leaves the model's folder"));
        }
        if kind.ends_with(TABLE) {
            let file = |name: &str| ModuleFile { path: format!("{path}/{name}"), is_required: true };
            files.extend([TOP_FILES[1], WEIGHTS].map(file));
            continue;
        }
        let has_weights = [".Dense", ".LayerNorm"].iter().any(|class| kind.ends_with(class));
        let is_required = has_weights || kind.ends_with(".Pooling");
        files.push(ModuleFile { path: format!("{path}/config.json"), is_required });
        if kind.ends_with(".LogitScore") {
            // Its model is prompted by the template, which newer releases keep in a file of its
            // own.
            files.push(ModuleFile { path: CHAT_TEMPLATE.to_owned(), is_required });
        }
        if has_weights {
            files.push(ModuleFile { path: format!("{path}/{WEIGHTS}"), is_required });
        }
    }
    Ok(files)
}

/// A file in a folder that modules.json names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ModuleFile {
    pub(super) path: String,
    /// True if the module is unusable without it. Normalize has a config.json since version 5.
    pub(super) is_required: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_may_name_only_shards_in_the_folder() {
        let index = |shard: &str| format!("{{\"weight_map\": {{\"a\": \"{shard}\", \"b\": \"{shard}\"}}}}");
        assert_eq!(shards(index("model-1.safetensors").as_bytes()).unwrap().len(), 1);
        for bad in ["../model.safetensors", "/model.safetensors", "model.bin"] {
            assert!(shards(index(bad).as_bytes()).is_err(), "{bad}");
        }
        assert!(shards(b"{\"weight_map\": {}}").is_err());
        assert!(shards(b"[]").is_err());
    }

    #[test]
    fn modules_name_their_configuration_and_a_dense_layers_weights() {
        let modules = br#"[{"path": "", "type": "T"}, {"path": "1_Pooling", "type": "m.Pooling"}, {"path": "2_Dense", "type": "m.Dense"}, {"path": "3_Normalize", "type": "m.Normalize"}]"#;
        let required = ["1_Pooling/config.json", "2_Dense/config.json", "2_Dense/model.safetensors"];
        let expected = required.map(|path| (path, true)).into_iter().chain([("3_Normalize/config.json", false)]);
        let found = module_files(modules).unwrap();
        assert!(found.iter().map(|file| (file.path.as_str(), file.is_required)).eq(expected), "{found:?}");
        let asked = module_files(br#"[{"path": "1_LogitScore", "type": "m.LogitScore"}]"#).unwrap();
        assert_eq!(asked[1], ModuleFile { path: "chat_template.jinja".into(), is_required: false });
        assert!(module_files(br#"[{"path": "../x"}]"#).is_err());
    }

    #[test]
    fn a_table_of_token_vectors_may_have_a_folder_of_its_own() {
        let table =
            br#"[{"path": "0_Table", "type": "m.StaticEmbedding"}, {"path": "1_Normalize", "type": "m.Normalize"}]"#;
        let found = module_files(table).unwrap();
        let expected =
            [("0_Table/tokenizer.json", true), ("0_Table/model.safetensors", true), ("1_Normalize/config.json", false)];
        assert!(found.iter().map(|file| (file.path.as_str(), file.is_required)).eq(expected), "{found:?}");
        assert_eq!(table_folder(table).as_deref(), Some("0_Table"));
        let own = br#"[{"path": ".", "type": "m.StaticEmbedding"}]"#;
        assert!(module_files(own).unwrap().is_empty() && table_folder(own).is_none());
        assert_eq!(table_folder(br#"[{"path": "0_T", "type": "m.Transformer"}]"#), None);
        assert_eq!(table_folder(br#"[{"path": "../x", "type": "m.StaticEmbedding"}]"#), None);
    }
}

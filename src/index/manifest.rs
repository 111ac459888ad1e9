//! The manifest of an index: one small file that is replaced as a whole.
//!
//! The file is JSON for people to read, but has exactly one valid spelling: reading and writing it
//! again must give the same bytes, and its checksum must be that of its content. So a flipped byte
//! is detected here too, in a name, in a number or between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::blocks::{FileDigest, damaged};
use super::names::{MANIFEST, is_block_file, is_numbered, is_segment_name};
use crate::encoder::{Encoder, LocalEncoder, ModelInfo, TokenEncoder, no_text_vectors};
use crate::error::Remedy;
use crate::io::write_own;
use crate::model::ModelConfig;
use crate::provider::Provider;
use crate::remote::known_dim;
use crate::{Error, Result};

/// Version of the format. Other versions are refused.
const VERSION: u32 = 1;

/// Storage type of vectors. All vectors have length 1, so a dot product is a cosine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 4 bytes per component, exact.
    F32,
    /// IEEE half precision, 2 bytes per component. The error of a cosine is some 1e-5.
    F16,
    /// 1 byte per component and a scale for each vector. The error of a cosine is some 1e-3.
    I8,
}

impl Dtype {
    /// Returns the bytes of a component.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 => 2,
            Dtype::I8 => 1,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::I8 => "i8",
        })
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Dtype::F32, Dtype::F16, Dtype::I8].into_iter().find(|dtype| dtype.to_string() == text);
        known
            .ok_or_else(|| Error::InvalidArgument(format!("unknown type of vectors '{text}'; expected f32, f16 or i8")))
    }
}

/// The model whose vectors an index holds, with everything that decides a vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexModel {
    /// The name that the user gave.
    pub name: String,
    /// The hub's commit, if known.
    pub revision: Option<String>,
    /// [`Encoder::fingerprint`]: weights, prompts, limits, engine, precision, instruction set.
    pub fingerprint: String,
    /// The engine that computed the vectors.
    pub engine: String,
    /// The arithmetic of the forward pass.
    pub precision: String,
    /// The number of components of a vector.
    pub dim: usize,
    /// The number of components of a token vector.
    pub token_dim: usize,
    /// Maximum number of tokens of a text. Text beyond it is not in the index.
    pub max_tokens: usize,
    /// The pooling of token vectors into one vector.
    pub pooling: String,
    /// The prompt before every query.
    pub query_prompt: String,
    /// The prompt before every document.
    pub document_prompt: String,
}

/// Token limit of a service's model whose limit is not known.
const UNKNOWN_TOKENS: usize = u32::MAX as usize;

impl IndexModel {
    /// Returns the configuration that the model of the index had. A service's model of an unknown
    /// dimension is not asked for one; some refuse the request.
    pub fn config(&self) -> ModelConfig {
        let service = Provider::of_name(&self.name);
        let is_known = service.is_none_or(|(provider, model)| known_dim(provider, model).is_some());
        ModelConfig {
            engine: self.engine.parse().ok(),
            precision: self.precision.parse().ok(),
            query_prompt: Some(self.query_prompt.clone()),
            document_prompt: Some(self.document_prompt.clone()),
            max_tokens: (service.is_none() || self.max_tokens < UNKNOWN_TOKENS).then_some(self.max_tokens),
            pooling: self.pooling.parse().ok(),
            dim: is_known.then_some(self.dim),
            ..ModelConfig::new(&self.name)
        }
    }

    /// Returns the model of a local encoder.
    ///
    /// # Errors
    /// When the model's files cannot be read; [`Error::InvalidArgument`] for a late-interaction
    /// model, which has no text vectors.
    pub fn of(encoder: &LocalEncoder) -> Result<Self> {
        if !encoder.has_text_vectors() {
            return Err(no_text_vectors(&encoder.files().name));
        }
        let (contract, files) = (encoder.contract(), encoder.files());
        Ok(Self {
            name: files.name.clone(),
            revision: files.revision.clone(),
            fingerprint: encoder.fingerprint()?,
            engine: encoder.engine().to_string(),
            precision: encoder.precision().to_string(),
            dim: contract.dim,
            token_dim: encoder.token_dim(),
            max_tokens: contract.max_tokens,
            pooling: contract.pooling.to_string(),
            query_prompt: contract.query_prompt.clone(),
            document_prompt: contract.document_prompt.clone(),
        })
    }

    /// Returns the model of an encoder that is not local. A service has no token vectors, and its
    /// pooling is unknown.
    ///
    /// # Errors
    /// When the encoder has no fingerprint.
    pub fn of_encoder(encoder: &dyn Encoder, prompts: [&str; 2]) -> Result<Self> {
        let info = encoder.model();
        let said =
            |value: fn(&ModelInfo) -> &str| info.as_ref().map_or_else(String::new, |info| value(info).to_owned());
        let [query_prompt, document_prompt] = prompts.map(str::to_owned);
        Ok(Self {
            name: said(|info| &info.name),
            revision: info.as_ref().and_then(|info| info.revision.clone()),
            fingerprint: encoder.fingerprint()?,
            engine: said(|info| &info.engine),
            precision: said(|info| &info.precision),
            dim: encoder.dim(),
            token_dim: 0,
            max_tokens: encoder.max_tokens(),
            pooling: String::new(),
            query_prompt,
            document_prompt,
        })
    }
}

/// One immutable part of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentEntry {
    /// The name of its folder.
    pub name: String,
    /// The number of rows, including deleted ones.
    pub rows: u64,
    /// The number of token vectors; 0 without.
    pub tokens: u64,
    /// The files by name.
    pub files: BTreeMap<String, FileDigest>,
    /// The deleted rows, if any.
    pub deletions: Option<Deletions>,
}

/// The deleted rows of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletions {
    /// The name of the file in the segment's folder.
    pub name: String,
    /// The number of deleted rows.
    pub rows: u64,
    /// The content of the file: a bit for each row of the segment.
    pub file: FileDigest,
}

/// The description of an index without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IndexManifest {
    /// The number of changes so far.
    pub generation: u64,
    pub model: IndexModel,
    pub dtype: Dtype,
    /// True if token vectors are stored.
    pub tokens: bool,
    pub segments: Vec<SegmentEntry>,
}

/// The content of the manifest file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    /// CRC-32 of `index`, serialized on its own.
    crc32: u32,
    index: IndexManifest,
}

/// The fields that the manifests of all versions have.
#[derive(Deserialize)]
struct AnyVersion {
    format: String,
    version: u32,
}

const FORMAT: &str = "nearsort index";

/// Exclusive maximum of rows, token vectors and changes: their bytes can be counted in 64 bits.
const MAX_COUNT: u64 = 1 << 40;
/// Maximum number of components of a vector.
const MAX_DIM: usize = 1 << 20;

fn restore_hint() -> String {
    "restore it from a copy, or build the index again in another folder".to_owned()
}

impl IndexManifest {
    /// Reads the manifest of the index in a folder; `None` if there is none.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        match fs::read(&path) {
            Ok(bytes) => Self::parse(&path, &bytes).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", path)(error)),
        }
    }

    /// Reads the manifest of the index in a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        Self::find(folder)?.ok_or_else(|| {
            Error::InvalidArgument(format!("{} has no index (no {MANIFEST})", folder.display()))
                .advised(Remedy::BuildIndex)
        })
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let broken = |error: serde_json::Error| damaged(path, "a manifest", error, restore_hint());
        let any: AnyVersion = serde_json::from_slice(bytes).map_err(broken)?;
        if (any.format.as_str(), any.version) != (FORMAT, VERSION) {
            let expected = format!("'{FORMAT}' version {VERSION}");
            let hint = "build the index again with this release".to_owned();
            return Err(damaged(path, expected, format_args!("'{}' version {}", any.format, any.version), hint));
        }
        let stored: Stored = serde_json::from_slice(bytes).map_err(broken)?;
        if stored.index.to_bytes()? != bytes {
            return Err(damaged(path, "the bytes that were written", "others", restore_hint()));
        }
        stored.index.check().map_err(|why| damaged(path, "what an index can be", why, restore_hint()))?;
        Ok(stored.index)
    }

    /// Checks that names are those of an index's files, so that no path leads outside the folder,
    /// and that numbers are small enough to compute with.
    fn check(&self) -> Result<(), String> {
        if self.generation >= MAX_COUNT || self.model.dim > MAX_DIM || self.model.token_dim > MAX_DIM {
            return Err("numbers without measure".to_owned());
        }
        let (mut rows, mut tokens) = (0_u64, 0_u64);
        let mut names = BTreeSet::new();
        for segment in &self.segments {
            let SegmentEntry { name, files, deletions, .. } = segment;
            let marks = deletions.as_ref().map(|deletions| deletions.name.as_str());
            let foreign = (!is_segment_name(name)).then_some(name.as_str());
            let foreign = foreign.or(files.keys().map(String::as_str).find(|name| !is_block_file(name)));
            if let Some(name) = foreign.or(marks.filter(|name| !is_numbered(name, "deleted-"))) {
                return Err(format!("the name '{name}'"));
            }
            if !names.insert(name) {
                return Err(format!("'{name}' twice"));
            }
            if deletions.as_ref().is_some_and(|deletions| deletions.rows > segment.rows) {
                return Err(format!("more deleted rows in '{name}' than it has"));
            }
            rows = rows.saturating_add(segment.rows);
            tokens = tokens.saturating_add(segment.tokens);
        }
        match rows.max(tokens) < MAX_COUNT {
            true => Ok(()),
            false => Err("numbers without measure".to_owned()),
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed =
            |error: serde_json::Error| Error::InvalidArgument(format!("the manifest cannot be written: {error}"));
        let crc32 = crc32fast::hash(&serde_json::to_vec(self).map_err(failed)?);
        let stored = Stored { format: FORMAT.to_owned(), version: VERSION, crc32, index: self.clone() };
        let mut bytes = serde_json::to_vec_pretty(&stored).map_err(failed)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Writes the manifest in place of the old one. At this moment a change takes effect.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_own(&folder.join(MANIFEST), &self.to_bytes()?)
    }

    /// Returns the number of rows, including deleted ones.
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    /// Returns the number of deleted rows.
    pub fn deleted(&self) -> u64 {
        self.segments.iter().filter_map(|segment| segment.deletions.as_ref()).map(|deletions| deletions.rows).sum()
    }

    /// Returns the name of the next segment's folder.
    pub fn next_segment(&self) -> String {
        let number = |segment: &SegmentEntry| segment.name.rsplit('-').next()?.parse::<u64>().ok();
        segment_name(self.segments.iter().filter_map(number).max().unwrap_or(0) + 1)
    }
}

pub(super) fn segment_name(number: u64) -> String {
    format!("segment-{number:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> IndexManifest {
        let entry = FileDigest { bytes: 0, crc32: 0 };
        let segment = SegmentEntry {
            name: segment_name(1),
            rows: 3,
            tokens: 0,
            files: BTreeMap::from([("vectors".to_owned(), entry)]),
            deletions: Some(Deletions { name: "deleted-000002".to_owned(), rows: 1, file: entry }),
        };
        let model = IndexModel {
            name: String::new(),
            revision: None,
            fingerprint: String::new(),
            engine: String::new(),
            precision: String::new(),
            dim: 4,
            token_dim: 4,
            max_tokens: 9,
            pooling: String::new(),
            query_prompt: String::new(),
            document_prompt: String::new(),
        };
        IndexManifest { generation: 2, model, dtype: Dtype::F32, tokens: false, segments: vec![segment] }
    }

    fn read(change: impl Fn(&mut IndexManifest)) -> Result<IndexManifest> {
        let mut changed = manifest();
        change(&mut changed);
        IndexManifest::parse(Path::new("manifest.json"), &changed.to_bytes()?)
    }

    #[test]
    fn names_outside_of_the_index_and_numbers_without_measure_are_refused() {
        assert_eq!(read(|_| {}).unwrap(), manifest());
        let huge = [1 << 40, u64::MAX / 2, u64::MAX];
        for name in ["../segment-000001", "/etc", "", ".", "building", "segment-000001/../..", "segment-1"] {
            let error = read(|manifest| manifest.segments[0].name = name.to_owned()).unwrap_err().to_string();
            assert!(error.contains(&format!("the name '{name}'")) && error.contains("manifest.json"), "{error}");
            let file = |manifest: &mut IndexManifest| {
                manifest.segments[0].files.insert(name.to_owned(), FileDigest { bytes: 0, crc32: 0 });
            };
            assert!(read(file).is_err(), "{name}");
            let marks = |manifest: &mut IndexManifest| {
                manifest.segments[0].deletions.as_mut().unwrap().name = name.to_owned();
            };
            assert!(read(marks).is_err(), "{name}");
        }
        for number in huge {
            assert!(read(|manifest| manifest.segments[0].rows = number).is_err(), "{number}");
            assert!(read(|manifest| manifest.segments[0].tokens = number).is_err(), "{number}");
            assert!(read(|manifest| manifest.generation = number).is_err(), "{number}");
            assert!(read(|manifest| manifest.model.dim = number as usize).is_err(), "{number}");
            assert!(read(|manifest| manifest.model.token_dim = number as usize).is_err(), "{number}");
        }
        assert!(read(|manifest| manifest.segments[0].deletions.as_mut().unwrap().rows = 4).is_err());
        assert!(read(|manifest| manifest.segments.push(manifest.segments[0].clone())).is_err());
    }
}

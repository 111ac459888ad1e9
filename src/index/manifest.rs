//! What an index is made of: one small file that is replaced as a whole.
//!
//! The file is JSON for people to read, but in exactly one spelling: reading it back and writing it again must give the same bytes, and its checksum
//! must be that of its content. So a flipped byte is found here too, be it in a name, in a number or between them.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::blocks::{FileEntry, damaged, rebuild_hint};
use crate::encoder::{Encoder, LocalEncoder, ModelInfo};
use crate::io::write_whole;
use crate::{Error, Result};

/// The manifest's name in the index's folder.
pub(super) const MANIFEST: &str = "manifest.json";

/// The version of the format; another one is refused.
const VERSION: u32 = 1;

/// How vectors are stored. All are of length 1, so that a dot product is a cosine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 4 bytes a component, exact.
    F32,
    /// IEEE half precision, 2 bytes a component; a cosine is off by some 1e-5.
    F16,
    /// 1 byte a component and a scale for each vector; a cosine is off by some 1e-3.
    I8,
}

impl Dtype {
    /// Bytes of a component.
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
            .ok_or_else(|| Error::InvalidArgument(format!("'{text}' is no type of vectors; known are f32, f16 and i8")))
    }
}

/// The model whose vectors an index holds, with everything that decides a vector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexModel {
    /// As it was asked for.
    pub name: String,
    /// The hub's commit, where known.
    pub revision: Option<String>,
    /// [`Encoder::fingerprint`]: weights, prompts, limits, engine, precision, instruction set.
    pub fingerprint: String,
    /// What computed the vectors.
    pub engine: String,
    /// Arithmetic of the forward pass.
    pub precision: String,
    /// Components of a vector.
    pub dim: usize,
    /// Components of a token vector.
    pub token_dim: usize,
    /// Longest text in tokens; what was beyond is not in the index.
    pub max_tokens: usize,
    /// How token vectors became one.
    pub pooling: String,
    /// What stood before every query.
    pub query_prompt: String,
    /// What stood before every document.
    pub document_prompt: String,
}

impl IndexModel {
    /// The model of a local encoder.
    ///
    /// # Errors
    /// When the model's files cannot be read.
    pub fn of(encoder: &LocalEncoder) -> Result<Self> {
        let (contract, files) = (encoder.contract(), encoder.files());
        Ok(Self {
            name: files.name.clone(),
            revision: files.revision.clone(),
            fingerprint: encoder.fingerprint()?,
            engine: encoder.engine().to_string(),
            precision: encoder.precision().to_string(),
            dim: contract.dim,
            token_dim: contract.hidden_size,
            max_tokens: contract.max_tokens,
            pooling: contract.pooling.to_string(),
            query_prompt: contract.query_prompt.clone(),
            document_prompt: contract.document_prompt.clone(),
        })
    }

    /// The model of an encoder that is not local: a service has no token vectors, and tells nothing of its pooling.
    ///
    /// # Errors
    /// When the encoder cannot tell its fingerprint.
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
    /// The folder.
    pub name: String,
    /// Rows, deleted ones included.
    pub rows: u64,
    /// Token vectors; 0 without.
    pub tokens: u64,
    /// The files by name.
    pub files: BTreeMap<String, FileEntry>,
    /// The rows that were deleted, if any.
    pub deletions: Option<Deletions>,
}

/// The deleted rows of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletions {
    /// The file in the segment's folder.
    pub name: String,
    /// How many rows are deleted.
    pub rows: u64,
    /// Its content: a bit for each row of the segment.
    pub file: FileEntry,
}

/// Everything about an index but its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// Counts the changes.
    pub generation: u64,
    pub model: IndexModel,
    pub dtype: Dtype,
    /// Whether token vectors are stored.
    pub tokens: bool,
    pub segments: Vec<SegmentEntry>,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    /// CRC-32 of `index`, as it stands in a file of its own.
    crc32: u32,
    index: Manifest,
}

/// What any version says of itself.
#[derive(Deserialize)]
struct AnyVersion {
    format: String,
    version: u32,
}

const FORMAT: &str = "nearsort index";

impl Manifest {
    /// Reads the manifest of the index in a folder; `None` where there is none.
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
            let message = format!(
                "there is no index in {} (no {MANIFEST}); make one with `nearsort index build CORPUS --output DIR`",
                folder.display()
            );
            Error::InvalidArgument(message)
        })
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let broken = |error: serde_json::Error| damaged(path, "a manifest", error, rebuild_hint());
        let any: AnyVersion = serde_json::from_slice(bytes).map_err(broken)?;
        if (any.format.as_str(), any.version) != (FORMAT, VERSION) {
            let expected = format!("'{FORMAT}' version {VERSION}");
            let hint = "build the index again with this release".to_owned();
            return Err(damaged(path, expected, format_args!("'{}' version {}", any.format, any.version), hint));
        }
        let stored: Stored = serde_json::from_slice(bytes).map_err(broken)?;
        if stored.index.to_bytes()? != bytes {
            return Err(damaged(path, "the bytes that were written", "others", rebuild_hint()));
        }
        Ok(stored.index)
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

    /// Puts the manifest in its place: the moment at which a change happens.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_whole(folder.join(MANIFEST), &self.to_bytes()?)
    }

    /// Rows, deleted ones included.
    pub fn rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }

    /// Deleted rows.
    pub fn deleted(&self) -> u64 {
        self.segments.iter().filter_map(|segment| segment.deletions.as_ref()).map(|deletions| deletions.rows).sum()
    }

    /// The folder of the next segment.
    pub fn next_segment(&self) -> String {
        let number = |segment: &SegmentEntry| segment.name.rsplit('-').next()?.parse::<u64>().ok();
        segment_name(self.segments.iter().filter_map(number).max().unwrap_or(0) + 1)
    }
}

pub(super) fn segment_name(number: u64) -> String {
    format!("segment-{number:06}")
}

//! Encoding of the rows of an input into a file or an index.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::observer::Observer;
use super::rows::CHUNK_ROWS;
use crate::call::Call;
use crate::encoder::{Encoder, ModelInfo, Role};
use crate::index::IndexBuilder;
use crate::io::{EmbeddingWriter, Row, Rows};
use crate::{Error, Result};

/// Counts of an input whose rows were encoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncodedRows {
    /// The number of rows.
    pub rows: usize,
    /// The number of rows that were encoded. An earlier run encoded the others.
    pub encoded: usize,
    /// The number of their tokens, including special tokens and prompts.
    pub tokens: u64,
    /// The number of rows that were longer than the model's maximum, and were truncated.
    pub truncated: usize,
    /// The id of the first truncated row.
    pub first_truncated: Option<String>,
    /// The time that the encoder took.
    pub encoding: Duration,
}

impl EncodedRows {
    fn add(&mut self, chunk: &[Row], tokens: &[u32], truncated: &[bool]) {
        self.encoded += chunk.len();
        self.tokens += tokens.iter().copied().map(u64::from).sum::<u64>();
        let cut = chunk.iter().zip(truncated).filter(|(_, cut)| **cut).map(|(row, _)| &row.id);
        if self.first_truncated.is_none() {
            self.first_truncated = cut.clone().next().cloned();
        }
        self.truncated += cut.count();
    }
}

/// Writes a vector for each row into a file. The file appears when it is complete; its extension
/// gives the format.
///
/// The file's metadata name the model, its revision and fingerprint, the role, the engine and the
/// precision.
///
/// # Errors
/// Those of [`EmbeddingWriter`]; [`Error::InvalidArgument`] for an encoder that does not describe
/// its model; errors of reading and encoding.
pub fn embed_rows(
    rows: &mut Rows,
    encoder: &dyn Encoder,
    role: Role,
    output: &Path,
    observer: &dyn Observer,
    call: &Call<'_>,
) -> Result<EncodedRows> {
    let mut writer = EmbeddingWriter::create(output, encoder.dim(), &metadata(encoder, role)?)?;
    observer.writing(writer.temporary_path());
    let mut embedded = EncodedRows::default();
    loop {
        let chunk = rows.next_chunk(CHUNK_ROWS)?;
        if chunk.is_empty() {
            writer.finish()?;
            return Ok(embedded);
        }
        observer.expect(chunk.len(), chunk.len() < CHUNK_ROWS);
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let texts: Vec<&str> = passages.iter().map(AsRef::as_ref).collect();
        let started = Instant::now();
        let embeddings = encoder.encode_with(&texts, role, call)?;
        embedded.encoding += started.elapsed();
        embedded.rows += chunk.len();
        embedded.add(&chunk, &embeddings.tokens, &embeddings.truncated);
        for (row, vector) in chunk.iter().zip(embeddings.vectors.rows()) {
            writer.push(&row.id, &vector.to_vec())?;
        }
    }
}

fn metadata(encoder: &dyn Encoder, role: Role) -> Result<BTreeMap<String, String>> {
    let unnamed = || Error::InvalidArgument("the encoder gives no information about its model".into());
    let ModelInfo { name, revision, engine, precision, .. } = encoder.model().ok_or_else(unnamed)?;
    let fields = [
        ("model", name),
        ("revision", revision.unwrap_or_default()),
        ("fingerprint", encoder.fingerprint()?),
        ("role", role.to_string()),
        ("engine", engine),
        ("precision", precision),
    ];
    Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Encodes the rows of an input into an index that is being built; [`IndexBuilder::finish`]
/// completes it. Rows that an earlier, unfinished build has encoded are not encoded again.
///
/// # Errors
/// Those of [`IndexBuilder::push_chunk`]; errors of reading.
pub fn fill_index(
    builder: &mut IndexBuilder,
    rows: &mut Rows,
    encoder: &dyn Encoder,
    observer: &dyn Observer,
    call: &Call<'_>,
) -> Result<EncodedRows> {
    let mut embedded = EncodedRows::default();
    loop {
        let chunk = rows.next_chunk(builder.chunk_rows())?;
        if chunk.is_empty() {
            return Ok(embedded);
        }
        observer.expect(chunk.len(), chunk.len() < builder.chunk_rows());
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let texts: Vec<(&str, &str)> =
            chunk.iter().zip(&passages).map(|(row, text)| (row.id.as_str(), &**text)).collect();
        let started = Instant::now();
        let lengths = builder.push_chunk(encoder, &texts, call)?;
        embedded.rows += chunk.len();
        match lengths {
            None => observer.skip(chunk.len()),
            Some(lengths) => {
                embedded.encoding += started.elapsed();
                embedded.add(&chunk, &lengths.tokens, &lengths.truncated);
            }
        }
    }
}

//! Embeddings on disk: what is written is found again, crashes leave a whole state, and no damage
//! goes unnoticed.

mod changes;
mod crashes;
mod damage;
mod scorer;
mod search;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use nearsort::encoder::{EncodedLengths, EncodedText, Encoder, Role, TextSink, TokenEncoder};
use nearsort::index::{BuildOptions, Dtype, Index, IndexBuilder, IndexModel};
use nearsort::{Call, Embeddings, Result};

const DIM: usize = 40;
const TYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::I8];

/// Vectors that depend on the text alone, one token vector per word.
struct Words {
    fingerprint: &'static str,
}

fn words() -> Words {
    Words { fingerprint: "words" }
}

fn vector(text: &str) -> Vec<f32> {
    let mut state = text.bytes().fold(7u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..DIM).map(next).collect()
}

fn token_vectors(text: &str) -> Array2<f32> {
    let rows: Vec<f32> = text.split_whitespace().flat_map(vector).collect();
    Array2::from_shape_vec((rows.len() / DIM, DIM), rows).unwrap()
}

impl Encoder for Words {
    fn dim(&self) -> usize {
        DIM
    }
    fn max_tokens(&self) -> usize {
        100
    }
    fn fingerprint(&self) -> Result<String> {
        Ok(self.fingerprint.to_owned())
    }
    fn encode(&self, _texts: &[&str], _role: Role) -> Result<Embeddings> {
        unreachable!("the builder asks for texts one by one")
    }
    fn token_encoder(&self) -> Option<&dyn TokenEncoder> {
        Some(self)
    }
}

impl TokenEncoder for Words {
    fn token_dim(&self) -> usize {
        DIM
    }
    fn encode_each(&self, texts: &[&str], _role: Role, call: &Call<'_>, sink: &TextSink<'_>) -> Result<EncodedLengths> {
        call.check()?;
        for (index, text) in texts.iter().enumerate() {
            sink(index, &EncodedText { vector: &vector(text), tokens: token_vectors(text).view() });
        }
        let count = texts.len();
        Ok(EncodedLengths {
            tokens: vec![1; count],
            own: vec![1; count],
            unknown: vec![0; count],
            truncated: vec![false; count],
        })
    }
    fn windows(&self, text: &str, _role: Role) -> Result<Vec<std::ops::Range<usize>>> {
        Ok(std::iter::once(0..text.len()).collect())
    }
    fn token_ranges(&self, _text: &str, _role: Role) -> Result<Vec<std::ops::Range<usize>>> {
        Ok(Vec::new())
    }
}

fn model() -> IndexModel {
    IndexModel {
        name: "words".into(),
        revision: None,
        fingerprint: "words".into(),
        engine: "test".into(),
        precision: "f32".into(),
        dim: DIM,
        token_dim: DIM,
        max_tokens: 100,
        pooling: "mean".into(),
        query_prompt: String::new(),
        document_prompt: String::new(),
    }
}

const PLAIN: BuildOptions = BuildOptions { dtype: Dtype::F32, tokens: false, replace: false, restart: false };

type Corpus = Vec<(String, String)>;

fn corpus(rows: std::ops::Range<usize>) -> Corpus {
    rows.map(|row| (format!("d{row}"), format!("text number {row} of {}", row % 7))).collect()
}

fn borrowed(rows: &[(String, String)]) -> Vec<(&str, &str)> {
    rows.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect()
}

/// Pushes chunks, at most `limit`; whether that was everything.
fn push(builder: &mut IndexBuilder, rows: &[(String, String)], limit: usize) -> Result<bool> {
    let chunks: Vec<_> = rows.chunks(builder.chunk_rows()).collect();
    for chunk in chunks.iter().take(limit) {
        builder.push_chunk(&words(), &borrowed(chunk), &Call::new())?;
    }
    Ok(limit >= chunks.len())
}

fn build(folder: &Path, rows: &[(String, String)], options: BuildOptions) -> Result<Index> {
    let mut builder = IndexBuilder::build(folder, &model(), options)?;
    push(&mut builder, rows, usize::MAX)?;
    builder.finish()
}

fn add(folder: &Path, rows: &[(String, String)], replace: bool) -> Result<Index> {
    let mut builder = IndexBuilder::add(folder, &model(), replace, false)?;
    push(&mut builder, rows, usize::MAX)?;
    builder.finish()
}

fn queries(texts: &[&str]) -> Array2<f32> {
    let rows: Vec<f32> = texts.iter().flat_map(|text| vector(text)).collect();
    Array2::from_shape_vec((texts.len(), DIM), rows).unwrap()
}

/// Every file of a folder with its content, but the lock.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)),
            );
        } else if path.file_name().unwrap() != "lock" {
            found.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    found
}

fn message<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

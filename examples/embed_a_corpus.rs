//! Streams a file of passages into a matrix of vectors, whatever its size:
//! `cargo run --release --example embed_a_corpus -- examples/passages.jsonl passages.npy`

use std::collections::BTreeMap;
use std::env;

use nearsort::io::{EmbeddingWriter, ReadOptions, Row, Rows};
use nearsort::{DEFAULT_MODEL, Encoder, Error, Model, ModelOptions, Result, Role};

/// Rows in memory at a time.
const CHUNK: usize = 1024;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [input, output] = arguments.as_slice() else {
        return Err(Error::InvalidArgument("usage: embed_a_corpus INPUT OUTPUT.npy".into()));
    };
    let encoder = Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default())?;
    let mut rows = Rows::open(input, &ReadOptions::default())?;
    let mut writer = EmbeddingWriter::create(output, encoder.dim(), &BTreeMap::new())?;
    loop {
        let chunk = rows.by_ref().take(CHUNK).collect::<Result<Vec<Row>>>()?;
        if chunk.is_empty() {
            break;
        }
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let texts: Vec<&str> = passages.iter().map(AsRef::as_ref).collect();
        let embeddings = encoder.encode(&texts, Role::Document)?;
        for (row, vector) in chunk.iter().zip(embeddings.vectors.rows()) {
            writer.push(&row.id, &vector.to_vec())?;
        }
    }
    println!("{} vectors of {} components", writer.finish()?, encoder.dim());
    Ok(())
}

//! Input and output files: what is read from each format, what is refused and where, and what
//! others read back.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use nearsort::Error;
use nearsort::io::{BadRows, ReadOptions, Row, Rows};

mod bombs;
#[cfg(feature = "parquet")]
mod columns;
mod compressed;
mod corpus;
mod embeddings;
mod errors;
mod formats;
mod id_table;
mod passing;
mod properties;
mod queries_and_runs;
mod rejects;
mod several_files;
#[cfg(feature = "parquet")]
mod tables;

fn rows_of(name: &str, content: impl Into<Vec<u8>>, options: &ReadOptions) -> nearsort::Result<Vec<Row>> {
    Rows::new(Cursor::new(content.into()), name, options)?.collect()
}

fn read(name: &str, content: impl Into<Vec<u8>>) -> Vec<Row> {
    rows_of(name, content, &ReadOptions::default()).unwrap()
}

fn error(name: &str, content: impl Into<Vec<u8>>) -> String {
    rows_of(name, content, &ReadOptions::default()).unwrap_err().to_string()
}

fn texts(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.text.as_str()).collect()
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

fn lines(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.line).collect()
}

/// Rows under `BadRows::Skip`, how many were skipped, and the reasons.
fn skipping(name: &str, content: impl Into<Vec<u8>>) -> (Vec<Row>, u64, Vec<String>) {
    let options = ReadOptions { bad_rows: BadRows::Skip, ..ReadOptions::default() };
    let mut rows = Rows::new(Cursor::new(content.into()), name, &options).unwrap();
    let good: Vec<Row> = rows.by_ref().map(Result::unwrap).collect();
    let reasons = rows.skip_reasons().iter().map(Error::to_string).collect();
    (good, rows.skipped(), reasons)
}

/// Gives one byte per read, and is interrupted now and then.
struct Dribble(Cursor<Vec<u8>>, bool);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

fn with_file<T>(name: &str, content: impl AsRef<[u8]>, test: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    test(&path)
}

fn names_in(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

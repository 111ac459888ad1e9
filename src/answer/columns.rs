//! Answers as columns. A job's answers are lines of JSON until they are complete, because a Parquet
//! file cannot be appended to.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::shape::{AnswerShape, Rendered};
use super::value::RankedQuery;
use crate::io::{ParquetResults, ReadOptions, Row, Rows};
use crate::{Error, Result};

/// A row of the output.
#[derive(Serialize, Deserialize)]
struct OutputRow {
    query: String,
    rank: u32,
    id: String,
    score: f32,
    text: String,
}

impl OutputRow {
    fn push(&self, results: &mut ParquetResults) -> Result<()> {
        results.push(&self.query, self.rank, &self.id, self.score, &self.text)
    }
}

fn lines(answer: &RankedQuery<'_>, shape: AnswerShape) -> impl Iterator<Item = OutputRow> {
    let results = (1..).zip(&answer.results).zip(answer.falling_scores());
    results.map(move |((rank, ranked), score)| OutputRow {
        query: answer.query.id.clone(),
        rank,
        id: ranked.id.clone().into_owned(),
        score,
        text: if shape.with_text { ranked.passage().into_owned() } else { String::new() },
    })
}

pub(super) fn push(results: &mut ParquetResults, answer: &RankedQuery<'_>, shape: AnswerShape) -> Result<()> {
    lines(answer, shape).try_for_each(|line| line.push(results))
}

/// Writes the lines that [`write_columns`] reads.
pub(super) fn write_lines(out: &mut dyn Write, answer: &RankedQuery<'_>, shape: AnswerShape) -> Rendered {
    for line in lines(answer, shape) {
        serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Converts the `answers` of a job, which are lines of JSON, to a Parquet file.
///
/// # Errors
/// [`Error::Io`] when reading or writing fails.
pub fn write_columns(answers: &Path, output: &Path, with_text: bool) -> Result<()> {
    let failed = |error: std::io::Error| Error::io("read", answers)(error);
    let mut results = ParquetResults::create(output, with_text)?;
    for line in BufReader::new(File::open(answers).map_err(failed)?).lines() {
        let line: OutputRow = serde_json::from_str(&line.map_err(failed)?).map_err(|error| failed(error.into()))?;
        line.push(&mut results)?;
    }
    results.finish()?;
    Ok(())
}

/// Joins the rows of several files that `rerank` wrote.
///
/// # Errors
/// [`Error::BadInput`] for a file that `rerank` did not write; the errors of reading and writing
/// Parquet.
pub fn join_columns(files: &[&Path], output: &Path, with_text: bool) -> Result<()> {
    let name = |name: &str| Some(name.to_owned());
    let columns = ReadOptions {
        id_field: name("query_id"),
        text_field: name("id"),
        score_field: name("score"),
        title_field: name("-"),
        ..ReadOptions::default()
    };
    let mut results = ParquetResults::create(output, with_text)?;
    for file in files {
        for row in Rows::open(file, &columns)? {
            let Row { id: query, text: id, first_stage_score, extra, .. } = row?;
            let rank = extra.get("rank").and_then(|rank| rank.parse::<u32>().ok());
            let (Some(rank), Some(score)) = (rank, first_stage_score) else {
                let message = "a row without rank or score; `rerank` did not write it".into();
                return Err(Error::BadInput { file: file.display().to_string(), message });
            };
            let text = extra.value("text");
            let text = text.as_ref().and_then(|text| text.as_str()).unwrap_or_default();
            // The column holds f32; reading gives the same value as f64.
            OutputRow { query, rank, id, score: score as f32, text: text.to_owned() }.push(&mut results)?;
        }
    }
    results.finish()?;
    Ok(())
}

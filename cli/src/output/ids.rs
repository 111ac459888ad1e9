//! Answers that name rows of an index: ids and scores, no texts.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use nearsort::QueryReading;
use nearsort::io::{Query, write_run_line};
use nearsort::ranking::strictly_falling;
use serde_json::{Map, Value, json};

use super::{ModelLine, Target, model_fields, one_line};
use crate::Failure;
use crate::args::OutputFormat;
use crate::words::in_cell;

/// A row in its place.
pub struct IdHit {
    pub row: u64,
    pub id: String,
    pub score: f32,
    /// The score before the first stage's was mixed in.
    pub model_score: f32,
    pub first_stage: Option<f64>,
}

/// Everything about one query.
pub struct IdAnswer<'a> {
    pub query: &'a Query,
    pub model: &'a ModelLine,
    /// How the index stores vectors.
    pub dtype: String,
    /// Rows of the index without text, which no search finds.
    pub empty_rows: u64,
    /// How the first stage's scores were mixed in, if they were.
    pub blend: Option<String>,
    pub reading: QueryReading,
    pub results: Vec<IdHit>,
}

impl IdAnswer<'_> {
    fn score_kind(&self) -> String {
        if self.blend.is_some() { "blend".to_owned() } else { self.model.scoring.to_string() }
    }

    /// The results of a TREC run, which has a document once, at its best place.
    fn once(&self) -> Vec<&IdHit> {
        let mut seen = HashSet::new();
        self.results.iter().filter(|hit| seen.insert(hit.id.as_str())).collect()
    }

    /// The results that a TREC run does not have, because a better one of the list has the same id.
    pub fn repeated(&self) -> impl Iterator<Item = &IdHit> {
        let mut seen = HashSet::new();
        self.results.iter().filter(move |hit| !seen.insert(hit.id.as_str()))
    }

    /// Scores for formats that know nothing but numbers.
    fn written_scores(&self) -> Vec<f32> {
        strictly_falling(self.results.iter().map(|hit| hit.score))
    }

    /// Columns for people.
    fn table(&self, out: &mut Target, with_query: bool, with_model_score: bool) -> Result<(), Failure> {
        if with_query {
            writeln!(out, "{}", in_cell(&self.query.text))?;
        }
        let width = self.results.len().to_string().len();
        for (rank, hit) in (1..).zip(&self.results) {
            write!(out, "{rank:width$}  {:7.4}", hit.score)?;
            if with_model_score {
                write!(out, "  {:7.4}", hit.model_score)?;
            }
            writeln!(out, "  {}", in_cell(&hit.id))?;
        }
        Ok(())
    }

    /// Columns for programs.
    fn tsv(&self, out: &mut Target, with_query: bool, with_model_score: bool) -> Result<(), Failure> {
        for ((rank, hit), score) in (1..).zip(&self.results).zip(self.written_scores()) {
            if with_query {
                write!(out, "{}\t", one_line(&self.query.id))?;
            }
            write!(out, "{rank}\t{score}\t{}", one_line(&hit.id))?;
            if with_model_score {
                write!(out, "\t{}", hit.model_score)?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// A run.
    fn trec(&self, out: &mut Target) -> Result<(), Failure> {
        let model = self.model.name.replace(char::is_whitespace, "_");
        let tag = format!("nearsort-{model}-{}", self.score_kind());
        let mut line = String::new();
        let once = self.once();
        let scores = strictly_falling(once.iter().map(|hit| hit.score));
        for ((rank, hit), score) in (1..).zip(once).zip(scores) {
            line.clear();
            write_run_line(&mut line, &self.query.id, &hit.id, rank, score, &tag)?;
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn header(&self, with_query: bool) -> Map<String, Value> {
        let model = self.model;
        let query_id = with_query.then(|| ("query_id", json!(self.query.id)));
        let fields = [
            ("index_dtype", json!(self.dtype)),
            ("index_empty_rows", json!(self.empty_rows)),
            ("scoring", json!(model.scoring.to_string())),
            ("blend", json!(self.blend)),
            ("score_kind", json!(self.score_kind())),
            ("query_tokens", json!(self.reading.tokens)),
            ("query_truncated", json!(self.reading.truncated)),
        ];
        let query = [("query", json!(self.query.text))].into_iter().chain(query_id);
        let fields = query.chain(model_fields(model)).chain(fields);
        fields.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn result(mut object: Map<String, Value>, rank: usize, hit: &IdHit) -> Map<String, Value> {
    object.insert("rank".into(), rank.into());
    object.insert("index".into(), hit.row.into());
    object.insert("id".into(), hit.id.clone().into());
    object.insert("score".into(), super::json::number(hit.score));
    if hit.score != hit.model_score {
        object.insert("model_score".into(), super::json::number(hit.model_score));
    }
    if let Some(score) = hit.first_stage {
        object.insert("first_stage_score".into(), score.into());
    }
    object
}

/// Where answers go, one after the other.
pub struct IdAnswers {
    out: Target,
    format: OutputFormat,
    with_query: bool,
    /// Where scores are blended: the model's beside them, which `--min-score` goes by.
    with_model_score: bool,
    written: usize,
}

impl IdAnswers {
    /// Opens the output; `with_query`: queries came from a file, so that every line names its query.
    pub fn open(output: Option<&Path>, format: OutputFormat, with_query: bool) -> Result<Self, Failure> {
        let out = match (output, format) {
            (Some(path), OutputFormat::Parquet) => Target::columns(path, false)?,
            (None, OutputFormat::Parquet) => return Err(super::no_file_for_columns()),
            (output, _) => Target::open(output)?,
        };
        Ok(Self { out, format, with_query, with_model_score: false, written: 0 })
    }

    /// Prints the model's score beside a blended one.
    pub fn with_model_score(self, with_model_score: bool) -> Self {
        Self { with_model_score, ..self }
    }

    pub fn write(&mut self, answer: &IdAnswer<'_>) -> Result<(), Failure> {
        let written = self.write_one(answer);
        self.written += 1;
        written.map_err(|failure| self.out.name_in(failure))
    }

    fn write_one(&mut self, answer: &IdAnswer<'_>) -> Result<(), Failure> {
        let (out, with_query) = (&mut self.out, self.with_query);
        let ranked = || (1..).zip(&answer.results);
        let with_model_score = self.with_model_score && answer.blend.is_some();
        match self.format {
            OutputFormat::Table => answer.table(out, with_query, with_model_score)?,
            OutputFormat::Tsv => answer.tsv(out, with_query, with_model_score)?,
            OutputFormat::Json => {
                if with_query {
                    out.write_all(if self.written == 0 { b"[\n" } else { b",\n" })?;
                }
                let mut document = answer.header(with_query);
                let results: Vec<Value> = ranked().map(|(rank, hit)| result(Map::new(), rank, hit).into()).collect();
                document.insert("results".into(), results.into());
                serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
                if !with_query {
                    writeln!(out)?;
                }
            }
            OutputFormat::Jsonl => {
                let header = answer.header(with_query);
                for (rank, hit) in ranked() {
                    serde_json::to_writer(&mut *out, &result(header.clone(), rank, hit)).map_err(io::Error::from)?;
                    writeln!(out)?;
                }
            }
            OutputFormat::Trec => answer.trec(out)?,
            OutputFormat::Parquet => {
                if let Target::Parquet(results) = out {
                    ranked().zip(answer.written_scores()).try_for_each(|((rank, hit), score)| {
                        results.push(&answer.query.id, rank as u32, &hit.id, score, "")
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Ends the output; a file appears under its name.
    pub fn finish(mut self) -> Result<(), Failure> {
        if self.format == OutputFormat::Json && self.with_query {
            let end = if self.written == 0 { "[]\n" } else { "\n]\n" };
            let ended = self.out.write_all(end.as_bytes()).map_err(Failure::from);
            ended.map_err(|failure| self.out.name_in(failure))?;
        }
        self.out.finish()
    }
}

//! The one place that prints results. An answer is a value; each format is a pure function of it.

pub mod ids;
mod json;
pub mod parquet;
mod raw_json;
mod table;

pub use json::model_fields;

use std::collections::HashSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use nearsort::io::{CheckedFile, FileMark, ParquetResults, Query, Row, WholeFile, write_run_line};
use nearsort::kernels::Isa;
use nearsort::ranking::strictly_falling;
use nearsort::scorer::Explanation;
use nearsort::{Encoder, Hit, LongText, ModelInfo, QueryReading, Reranker, ScoreKind, Scored, StageInfo};
use serde_json::{Map, Value};

use crate::Failure;
use crate::args::{OutputFormat, RerankArgs, Talk};
use crate::hints::{Warning, warn};
use crate::interrupt::remove_on_interrupt;
use crate::words::one_line;

/// What produced the scores.
#[derive(Clone)]
pub struct ModelLine {
    pub name: String,
    pub revision: Option<String>,
    pub device: String,
    pub engine: String,
    pub precision: String,
    pub isa: &'static str,
    pub scoring: ScoreKind,
    pub long_text: String,
    /// Of a cascade.
    pub stages: Vec<StageInfo>,
}

impl ModelLine {
    /// Of an encoder whose vectors an index is scored with: texts are cut, for an index has no windows.
    pub fn of_encoder(encoder: &dyn Encoder, scoring: ScoreKind) -> Self {
        Self::new(encoder.model(), scoring, LongText::Truncate)
    }

    fn new(model: Option<ModelInfo>, scoring: ScoreKind, long_text: LongText) -> Self {
        let said = |value: fn(&ModelInfo) -> &str| {
            model.as_ref().map(value).filter(|value| !value.is_empty()).unwrap_or("-").to_owned()
        };
        Self {
            name: said(|model| &model.name),
            revision: model.as_ref().and_then(|model| model.revision.clone()),
            device: said(|model| &model.device),
            engine: said(|model| &model.engine),
            precision: said(|model| &model.precision),
            isa: Isa::detect().name(),
            scoring,
            long_text: long_text.to_string(),
            stages: Vec::new(),
        }
    }

    pub fn of(reranker: &Reranker) -> Self {
        let stages = reranker.stages().to_vec();
        Self { stages, ..Self::new(reranker.model(), reranker.score_kind(), reranker.long_text()) }
    }
}

/// A candidate in its place.
pub struct Ranked<'a> {
    /// Its place in the input, and the score to show: the model's, or where the first stage counts the mixed one.
    pub hit: Hit,
    pub row: &'a Row,
    /// What the model made of it.
    pub pair: Scored,
    pub first_stage: Option<f64>,
    pub explanation: Option<Explanation>,
}

/// Everything about one query.
pub struct Answer<'a> {
    pub query: &'a Query,
    pub model: &'a ModelLine,
    /// How the first stage's scores were mixed in, if they were.
    pub blend: Option<String>,
    pub reading: QueryReading,
    pub tokens: u64,
    pub truncated: usize,
    /// What a service was asked for the whole command, as fields of `usage`; not in a job's answers, which must not depend on interruptions.
    pub service: Option<Map<String, Value>>,
    pub results: Vec<Ranked<'a>>,
}

impl Answer<'_> {
    /// Scores for formats that know nothing but numbers.
    fn written_scores(&self) -> Vec<f32> {
        strictly_falling(self.results.iter().map(|ranked| ranked.hit.score))
    }

    /// The results that a TREC run does not have, because a better one of the list has the same id.
    pub fn repeated(&self) -> impl Iterator<Item = &Ranked<'_>> {
        let mut seen = HashSet::new();
        self.results.iter().filter(move |ranked| !seen.insert(ranked.row.id.as_str()))
    }

    fn score_kind(&self) -> String {
        if self.blend.is_some() { ScoreKind::Blend } else { self.model.scoring }.to_string()
    }
}

/// Where answers go, one after the other.
///
/// The shape depends on how the query was given, not on how many there are: with a file of queries every line says its query, and JSON is
/// an array of answers.
pub struct Answers {
    out: Target,
    format: OutputFormat,
    with_text: bool,
    with_query: bool,
    /// Where scores are blended: the model's beside them, which `--min-score` goes by.
    with_model_score: bool,
    written: usize,
}

enum Target {
    Stdout(BufWriter<io::Stdout>),
    File(Box<WholeFile>),
    Parquet(Box<ParquetResults>),
    /// The answers of a job so far.
    Part(Box<CheckedFile>, PathBuf),
}

impl Target {
    /// A file, or standard output for none.
    fn open(output: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = output else { return Ok(Target::Stdout(BufWriter::new(io::stdout()))) };
        let file = WholeFile::create(path)?;
        remove_on_interrupt(file.temporary_path());
        Ok(Target::File(Box::new(file)))
    }

    fn columns(path: &Path, with_text: bool) -> Result<Self, Failure> {
        let results = ParquetResults::create(path, with_text)?;
        remove_on_interrupt(results.temporary_path());
        Ok(Target::Parquet(Box::new(results)))
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Target::Stdout(mut out) => Ok(out.flush()?),
            Target::File(file) => Ok(file.finish()?),
            Target::Parquet(results) => Ok(results.finish().map(drop)?),
            Target::Part(mut file, _) => Ok(file.flush()?),
        }
    }

    /// An error of writing speaks of standard output, unless there is a file.
    fn name_in(&self, failure: Failure) -> Failure {
        let path = match self {
            Target::Stdout(_) => return failure,
            Target::File(file) => file.path(),
            Target::Parquet(results) => results.path(),
            Target::Part(_, output) => output,
        };
        match failure {
            Failure::Error(message) => {
                Failure::Error(message.replace("to standard output", &path.display().to_string()))
            }
            failure => failure,
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Stdout(out) => out.write(bytes),
            Target::File(file) => file.write(bytes),
            Target::Part(file, _) => file.write(bytes),
            Target::Parquet(_) => Err(io::Error::other("columns are no bytes")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Stdout(out) => out.flush(),
            Target::File(file) => file.flush(),
            Target::Part(file, _) => file.flush(),
            Target::Parquet(_) => Ok(()),
        }
    }
}

/// The format that was asked for, by name or by the output's extension, or that fits where the answers go.
pub fn format(args: &RerankArgs) -> Result<OutputFormat, Failure> {
    let many = args.run.is_some() || args.candidates.is_some();
    match (args.format, &args.output) {
        (Some(OutputFormat::Parquet), None) => Err(no_file_for_columns()),
        (Some(format), _) => Ok(format),
        (None, Some(path)) => by_extension(path),
        (None, None) if many => Ok(OutputFormat::Trec),
        (None, None) => Ok(if io::stdout().is_terminal() { OutputFormat::Table } else { OutputFormat::Tsv }),
    }
}

fn no_file_for_columns() -> Failure {
    Failure::Error("Parquet goes to a file: give --output FILE.parquet".into())
}

pub fn by_extension(path: &Path) -> Result<OutputFormat, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("trec" | "run") => Ok(OutputFormat::Trec),
        Some("tsv") => Ok(OutputFormat::Tsv),
        Some("json") => Ok(OutputFormat::Json),
        Some("jsonl") => Ok(OutputFormat::Jsonl),
        Some("txt") => Ok(OutputFormat::Table),
        Some("parquet") => Ok(OutputFormat::Parquet),
        _ => Err(Failure::Error(format!(
            "{}: the extension names no format; use .trec, .tsv, .json, .jsonl, .parquet or .txt, or say --format",
            path.display()
        ))),
    }
}

impl Answers {
    /// Opens the output.
    pub fn open(args: &RerankArgs) -> Result<Self, Failure> {
        let out = match &args.output {
            Some(path) if format(args)? == OutputFormat::Parquet => Target::columns(path, !args.no_text)?,
            output => Target::open(output.as_deref())?,
        };
        let with_query = args.query.is_none();
        let with_model_score = args.min_score.is_some();
        Ok(Self { out, format: format(args)?, with_text: !args.no_text, with_query, with_model_score, written: 0 })
    }

    /// Goes on behind the first `written` answers of a job, which lie in `part`; errors speak of the output that it will be.
    pub fn part(args: &RerankArgs, part: CheckedFile, output: &Path, written: usize) -> Result<Self, Failure> {
        let out = Target::Part(Box::new(part), output.to_owned());
        let (with_text, with_model_score) = (!args.no_text, args.min_score.is_some());
        Ok(Self { out, format: format(args)?, with_text, with_query: true, with_model_score, written })
    }

    /// Waits until the disk has the answers so far, and says how far they are.
    pub fn sync(&mut self) -> Result<FileMark, Failure> {
        let Target::Part(file, output) = &mut self.out else { return Ok(FileMark::default()) };
        file.sync().map_err(|error| match error {
            nearsort::Error::Io { source, .. } => Failure::io("write", &*output)(source),
            error => error.into(),
        })
    }

    pub fn write(&mut self, answer: &Answer<'_>) -> Result<(), Failure> {
        let written = self.write_one(answer);
        self.written += 1;
        written.map_err(|failure| self.out.name_in(failure))
    }

    /// Ends the output; a file appears under its name, the answers of a job stay where they are.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.end()?;
        self.out.finish()
    }

    /// What comes behind the last answer.
    pub fn end(&mut self) -> Result<(), Failure> {
        if self.format != OutputFormat::Json || !self.with_query {
            return Ok(());
        }
        let end = if self.written == 0 { "[]\n" } else { "\n]\n" };
        let ended = self.out.write_all(end.as_bytes()).map_err(Failure::from);
        ended.map_err(|failure| self.out.name_in(failure))
    }

    fn write_one(&mut self, answer: &Answer<'_>) -> Result<(), Failure> {
        let (out, with_text, with_query) = (&mut self.out, self.with_text, self.with_query);
        let with_model_score = self.with_model_score && answer.blend.is_some();
        if let Target::Parquet(results) = out {
            return parquet::push(results, answer, with_text);
        }
        match self.format {
            OutputFormat::Table => Ok(table::table(out, answer, with_text, with_query, with_model_score)?),
            OutputFormat::Tsv => Ok(tsv(out, answer, with_text, with_query, with_model_score)?),
            OutputFormat::Json => {
                if with_query {
                    out.write_all(if self.written == 0 { b"[\n" } else { b",\n" })?;
                }
                let document = json::answer(answer, with_text, with_query).map_err(io::Error::from)?;
                out.write_all(raw_json::indented(&document).as_bytes())?;
                if !with_query {
                    writeln!(out)?;
                }
                Ok(())
            }
            OutputFormat::Jsonl => jsonl(out, answer, with_text, with_query),
            OutputFormat::Trec => trec(out, answer),
            OutputFormat::Parquet => parquet::write_lines(out, answer, with_text),
        }
    }
}

fn tsv(
    out: &mut impl Write,
    answer: &Answer<'_>,
    with_text: bool,
    with_query: bool,
    with_model_score: bool,
) -> io::Result<()> {
    for ((rank, ranked), score) in (1..).zip(&answer.results).zip(answer.written_scores()) {
        if with_query {
            write!(out, "{}\t", one_line(&answer.query.id))?;
        }
        write!(out, "{rank}\t{score}\t{}", one_line(&ranked.row.id))?;
        if with_text {
            write!(out, "\t{}", one_line(&ranked.row.passage()))?;
        }
        if with_model_score {
            write!(out, "\t{}", ranked.pair.score)?;
        }
        if let Some(explanation) = &ranked.explanation {
            for column in table::explained(&answer.query.text, ranked, explanation) {
                write!(out, "\t{column}")?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn jsonl(out: &mut impl Write, answer: &Answer<'_>, with_text: bool, with_query: bool) -> Result<(), Failure> {
    let header: Map<_, _> = json::header(answer, with_query);
    for (rank, ranked) in (1..).zip(&answer.results) {
        let object = json::result(header.clone(), rank, ranked, answer, with_text);
        writeln!(out, "{}", object.compact().map_err(io::Error::from)?)?;
    }
    Ok(())
}

fn trec(out: &mut impl Write, answer: &Answer<'_>) -> Result<(), Failure> {
    let model = answer.model.name.replace(char::is_whitespace, "_");
    let tag = format!("nearsort-{model}-{}", answer.score_kind());
    let mut line = String::new();
    // A run has a document once, at its best place; tools refuse one that names it again.
    let mut seen = HashSet::new();
    let once: Vec<&Ranked<'_>> = answer.results.iter().filter(|ranked| seen.insert(ranked.row.id.as_str())).collect();
    let scores = strictly_falling(once.iter().map(|ranked| ranked.hit.score));
    for ((rank, ranked), score) in (1..).zip(once).zip(scores) {
        line.clear();
        write_run_line(&mut line, &answer.query.id, &ranked.row.id, rank, score, &tag)?;
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Says that results were left out of a TREC run because of their ids.
pub fn warn_of_repeated(talk: Talk, number: usize, example: Option<&str>) {
    warn(talk, &Warning::Repeated { number, example: example.unwrap_or_default().to_owned() });
}

/// Says that a row's id does not fit into a TREC run, before minutes are spent on scoring it.
pub fn check_trec_id(row: &Row, file: &str) -> Result<(), Failure> {
    let line = write_run_line(&mut String::new(), "query", &row.id, 1, 0.0, "tag");
    line.map_err(|error| Failure::Error(format!("{file}:{}: {error}", row.line)))
}

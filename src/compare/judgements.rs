//! Judgements, by people or by a model.

use std::path::Path;

use super::runs::read_run;
use crate::io::Qrels;
use crate::{Error, Result};

/// Judgements, by people or by a model.
#[derive(Debug, Clone)]
pub struct Judgements {
    /// The grades.
    pub qrels: Qrels,
    /// The source of the grades, such as a file's name.
    pub source: String,
    /// True if a model made the judgements, in place of people.
    pub by_model: bool,
}

impl Judgements {
    /// Reads judgements by people: qrels with four columns, or three.
    ///
    /// # Errors
    /// Those of [`Qrels::read`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self { qrels: Qrels::read(path)?, source: path.display().to_string(), by_model: false })
    }

    /// Reads judgements by a model: qrels, or a run (`.trec`, `.run`, `.jsonl`, `.ndjson`) whose
    /// scores are whole numbers.
    ///
    /// # Errors
    /// Those of [`Qrels::read`] and [`RunFile`](crate::io::RunFile); [`Error::BadInput`] for a run
    /// with a score that is not a grade.
    pub fn read_model(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        let is_run = extension.is_some_and(|e| ["trec", "run", "jsonl", "ndjson"].iter().any(|name| e == *name));
        let qrels = if is_run { grades_of_run(path)? } else { Qrels::read(path)? };
        Ok(Self { qrels, source: path.display().to_string(), by_model: true })
    }

    /// Whose they are, for every place that shows a number that rests on them.
    pub fn label(&self) -> String {
        match self.by_model {
            true => format!("judged by a model, not by people: {}", self.source),
            false => format!("judged by people: {}", self.source),
        }
    }
}

/// The scores of a judge's run as grades.
fn grades_of_run(path: &Path) -> Result<Qrels> {
    let run = read_run(path, false)?;
    let all: Vec<(&str, _)> =
        run.iter().flat_map(|(query, documents)| documents.into_iter().map(move |found| (query, found))).collect();
    let is_grade = |score: f64| score.fract() == 0.0 && score.abs() <= f64::from(i32::MAX);
    if let Some((query, found)) = all.iter().find(|(_, found)| !is_grade(found.score)) {
        let message = format!(
            "the score {} of '{}' for the query '{query}' is not a grade: judgements need whole numbers, such as a judge's 0 to 10",
            found.score, found.id
        );
        return Err(Error::BadInput { file: path.display().to_string(), message });
    }
    Qrels::from_judgements(all.iter().map(|(query, found)| (*query, found.id, found.score as i32)))
}

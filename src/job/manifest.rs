//! The manifest of a job: equal manifests give equal output.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::options::{JobInput, JobOptions};
use super::source::JobSource;
use crate::Error;
use crate::answer::Format;
use crate::error::{Difference, Result};
use crate::io::{BadRows, expand_paths, file_sha256, write_whole};
use crate::reranker::Reranker;
use crate::scorer::StageInfo;

/// Version of the files that a job leaves.
const FORMAT: u32 = 5;

/// Inputs by content, model and options: everything that the output depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobManifest {
    format: u32,
    inputs: Vec<InputFiles>,
    model: Value,
    options: Value,
}

/// An input of one or several files.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct InputFiles {
    name: String,
    files: Vec<PathBuf>,
    /// SHA-256 of the contents, in hex.
    sha256: String,
}

/// Inputs are equal if their contents are; their paths do not count.
impl PartialEq for InputFiles {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.sha256) == (&other.name, &other.sha256)
    }
}

impl JobManifest {
    pub fn of(options: &JobOptions, source: &JobSource, reranker: &Reranker) -> Result<Self> {
        let mut inputs = Vec::new();
        let named: &[(&str, &PathBuf)] = match &options.input {
            JobInput::Run { queries, run, .. } => &[("queries", queries), ("run", run)],
            JobInput::Lists(lists) => &[("candidates", lists)],
        };
        for &(name, path) in named {
            inputs.push(InputFiles { name: name.into(), files: vec![path.clone()], sha256: file_sha256(path)? });
        }
        if let (JobSource::Run(plan), JobInput::Run { corpus, .. }) = (source, &options.input) {
            let files = expand_paths(corpus)?;
            inputs.push(InputFiles { name: "corpus".into(), files, sha256: plan.corpus().digest().to_owned() });
        }
        let fingerprint = reranker.fingerprint()?;
        let name = reranker.model().map(|model| model.name);
        let reading = &options.reading;
        let stage = |stage: &StageInfo| format!("{}:{}", stage.name, stage.depth);
        let options = json!({
            "stages": reranker.stages().iter().map(stage).collect::<Vec<_>>(),
            "scoring": reranker.score_kind().to_string(),
            "blend": reranker.blend().to_string(),
            "feedback": reranker.feedback().to_string(),
            "long": reranker.long_text().to_string(),
            "depth": options.depth,
            "top-k": options.top_k,
            "min-score": options.min_score,
            "ignore-identical-ids": options.ignore_identical_ids,
            "format": options.format,
            "no-text": !options.shape.with_text,
            "explain": options.explain,
            "input-format": reading.format.map(|format| format.to_string()),
            "text-field": reading.text_field,
            "id-field": reading.id_field,
            "title-field": reading.title_field,
            "score-field": reading.score_field,
            "delimiter": reading.delimiter.map(|byte| char::from(byte).to_string()),
            "bad-rows": if matches!(reading.bad_rows, BadRows::Fail) { "fail" } else { "skip" },
        });
        Ok(Self { format: FORMAT, inputs, model: json!({ "name": name, "fingerprint": fingerprint }), options })
    }

    /// Returns the first difference to another job, with both values; `None` if there is none.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        let told = |what: &str, old: &dyn std::fmt::Display, new: &dyn std::fmt::Display| {
            Some(Difference::Other(format!("{what} was {old} and is {new} now")))
        };
        if self.format != other.format {
            return told("the format of jobs", &self.format, &other.format);
        }
        for (old, new) in self.inputs.iter().zip(&other.inputs) {
            if old != new {
                let shown: Vec<String> = new.files.iter().map(|file| file.display().to_string()).collect();
                let changed = format!("the content of {} ({}) has changed", shown.join(", "), new.name);
                return Some(Difference::Other(changed));
            }
        }
        if self.inputs.len() != other.inputs.len() {
            return Some(Difference::Other("it has other inputs".into()));
        }
        if self.model != other.model {
            return told("the model", &shown_model(&self.model), &shown_model(&other.model));
        }
        let (Value::Object(old), Value::Object(new)) = (&self.options, &other.options) else { return None };
        let (name, value) = old.iter().find(|(name, value)| new.get(*name) != Some(value))?;
        let is = new.get(name).unwrap_or(&Value::Null).to_string();
        Some(Difference::Option { name: name.clone(), was: value.to_string(), is })
    }

    /// True if the output has the candidates' texts.
    pub fn has_texts(&self) -> bool {
        self.options["no-text"] != Value::Bool(true)
    }

    /// True if the output has this format.
    pub fn has_format(&self, format: Format) -> bool {
        self.options["format"] == json!(format)
    }

    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    pub fn write(&self, path: &Path) -> Result<()> {
        let json = serde_json::to_string_pretty(self).map_err(|error| Error::io("write", path)(error.into()))?;
        write_whole(path, format!("{json}\n").as_bytes())
    }
}

/// Returns the name and the start of the fingerprint, which differs between two models of one name.
fn shown_model(model: &Value) -> String {
    let text = |name: &str| model[name].as_str().unwrap_or("-");
    format!("{} ({})", text("name"), text("fingerprint").get(..12).unwrap_or("-"))
}

//! What a job is made of: equal manifests, equal output.

use std::path::{Path, PathBuf};

use nearsort::Reranker;
use nearsort::answer::Format;
use nearsort::io::{expand_paths, file_sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::source::Source;
use crate::Failure;
use crate::args::RerankArgs;
use crate::output;

/// Of the files that a job leaves behind.
const FORMAT: u32 = 4;

/// Inputs by content, model and options: everything that the output depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    inputs: Vec<Input>,
    model: Value,
    options: Value,
}

/// An input of one or several files.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Input {
    name: String,
    files: Vec<PathBuf>,
    /// Of the contents, in hex.
    sha256: String,
}

/// Where a file lies is nothing to its content.
impl PartialEq for Input {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.sha256) == (&other.name, &other.sha256)
    }
}

impl Manifest {
    pub fn of(args: &RerankArgs, source: &Source, reranker: &Reranker) -> Result<Self, Failure> {
        let mut inputs = Vec::new();
        let named = [("queries", &args.query_file), ("run", &args.run), ("candidates", &args.candidates)];
        for (name, path) in named {
            if let Some(path) = path {
                inputs.push(Input { name: name.into(), files: vec![path.clone()], sha256: file_sha256(path)? });
            }
        }
        if let Source::Run(plan) = source {
            let files = expand_paths(&args.corpus)?;
            inputs.push(Input { name: "corpus".into(), files, sha256: plan.corpus().digest().to_owned() });
        }
        let fingerprint = reranker.fingerprint()?;
        let name = reranker.model().map(|model| model.name);
        let reading = &args.reading;
        let options = json!({
            "stages": args.stages.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "scoring": reranker.score_kind().to_string(),
            "blend": reranker.blend().to_string(),
            "long": reranker.long_text().to_string(),
            "depth": args.depth,
            "top-k": args.top_k,
            "min-score": args.min_score, "ignore-identical-ids": args.ignore_identical_ids,
            "format": output::format(args)?,
            "no-text": args.no_text,
            "explain": args.explain,
            "input-format": reading.input_format.map(|format| format.to_string()),
            "text-field": reading.text_field,
            "id-field": reading.id_field,
            "title-field": reading.title_field,
            "score-field": reading.score_field,
            "delimiter": reading.table.delimiter.map(|byte| char::from(byte).to_string()),
            "bad-rows": if reading.leaves_out() { "skip" } else { "fail" },
        });
        Ok(Self { format: FORMAT, inputs, model: json!({ "name": name, "fingerprint": fingerprint }), options })
    }

    /// The first thing in which another job differs, with both values; `None` when nothing does.
    pub fn difference(&self, other: &Self) -> Option<String> {
        let told = |what: &str, old: &dyn std::fmt::Display, new: &dyn std::fmt::Display| {
            Some(format!("{what} was {old} and is {new} now"))
        };
        if self.format != other.format {
            return told("the format of jobs", &self.format, &other.format);
        }
        for (old, new) in self.inputs.iter().zip(&other.inputs) {
            if old != new {
                let shown: Vec<String> = new.files.iter().map(|file| file.display().to_string()).collect();
                return Some(format!("the content of {} ({}) has changed", shown.join(", "), new.name));
            }
        }
        if self.inputs.len() != other.inputs.len() {
            return Some("it has other inputs".into());
        }
        if self.model != other.model {
            return told("the model", &shown_model(&self.model), &shown_model(&other.model));
        }
        let (Value::Object(old), Value::Object(new)) = (&self.options, &other.options) else { return None };
        let (name, value) = old.iter().find(|(name, value)| new.get(*name) != Some(value))?;
        told(&format!("--{name}"), value, new.get(name).unwrap_or(&Value::Null))
    }

    /// Whether the output has the candidates' texts.
    pub fn has_texts(&self) -> bool {
        self.options["no-text"] != Value::Bool(true)
    }

    /// Whether the output has this format.
    pub fn has_format(&self, format: Format) -> bool {
        self.options["format"] == json!(format)
    }

    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(self).map_err(|error| Failure::Error(error.to_string()))?;
        Ok(nearsort::io::write_whole(path, format!("{json}\n").as_bytes())?)
    }
}

/// Name and the beginning of the fingerprint: two models of one name differ in it.
fn shown_model(model: &Value) -> String {
    let text = |name: &str| model[name].as_str().unwrap_or("-");
    format!("{} ({})", text("name"), text("fingerprint").get(..12).unwrap_or("-"))
}

//! `nearsort models`: list, pull, path, verify.

use std::io::{self, IsTerminal, Write};

use nearsort::ModelStore;
use nearsort::store::{ModelStatus, RegisteredModel};
use serde_json::json;

use crate::args::{ModelsArgs, ModelsVerb, StoreArgs, Talk};
use crate::{Failure, Outcome, Run, model, verify};

pub fn run(args: &ModelsArgs, talk: Talk) -> Run {
    match &args.verb {
        ModelsVerb::List { json } => list(&model::store(&StoreArgs { offline: true }, talk)?, *json),
        ModelsVerb::Pull { name, store } => {
            let store = model::store(store, talk)?;
            let files = store.get(&store.parse(name)?)?;
            writeln!(io::stdout(), "{}", files.dir.display())?;
            Ok(Outcome::Done)
        }
        ModelsVerb::Path { name } => path(&model::store(&StoreArgs { offline: true }, talk)?, name),
        ModelsVerb::Verify { name, json, store } => verify::run(&model::store(store, talk)?, name, *json),
    }
}

fn path(store: &ModelStore, name: &str) -> Run {
    match store.find(&store.parse(name)?)? {
        Some(files) => writeln!(io::stdout(), "{}", files.dir.display())?,
        None => {
            let message =
                format!("the model '{name}' is not on this machine; fetch it with: nearsort models pull {name}");
            return Err(Failure::Error(message));
        }
    }
    Ok(Outcome::Done)
}

fn list(store: &ModelStore, json: bool) -> Run {
    let mut out = io::stdout().lock();
    let models = store.list();
    if json {
        let values: Vec<_> = models.iter().map(model_json).collect();
        serde_json::to_writer_pretty(&mut out, &values).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(Outcome::Done);
    }
    let width = models.iter().map(|model| model.entry.name.len()).max().unwrap_or(0);
    if io::stdout().is_terminal() {
        // Not in a pipe, where every line is a model.
        writeln!(out, "{:width$}  here  checksum  {:>9}  hub repository", "name", "size")?;
    }
    for model in &models {
        let entry = &model.entry;
        let here = if model.cached.is_some() { "here" } else { "-" };
        let name = &entry.name;
        writeln!(out, "{name:width$}  {here:4}  {:8}  {:>9}  {}", pin(entry), size(entry), entry.repo)?;
    }
    Ok(Outcome::Done)
}

/// Returns "pinned" if the commit and the weights' checksum are known.
fn pin(entry: &RegisteredModel) -> &'static str {
    if entry.pinned() { "pinned" } else { "unpinned" }
}

fn size(entry: &RegisteredModel) -> String {
    entry.size_bytes().map_or_else(|| "-".to_owned(), |bytes| indicatif::DecimalBytes(bytes).to_string())
}

fn model_json(model: &ModelStatus) -> serde_json::Value {
    let entry = &model.entry;
    json!({
        "name": entry.name,
        "repo": entry.repo,
        "revision": entry.revision,
        "pinned": entry.pinned(),
        "size_bytes": entry.size_bytes(),
        "licence": entry.licence,
        "query_prompt": entry.prompts.query,
        "document_prompt": entry.prompts.document,
        "path": model.cached,
    })
}

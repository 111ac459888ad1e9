//! `nearsort index info` and `verify`.

use std::io::{self, Write};
use std::path::Path;

use nearsort::index::Index;
use nearsort_report::visible;
use serde_json::json;

use crate::{Failure, Outcome, Run};

pub fn info(folder: &Path, as_json: bool) -> Run {
    let index = Index::open(folder)?;
    let model = index.model();
    let mut out = io::stdout().lock();
    if as_json {
        let document = json!({
            "path": folder, "model": model, "dtype": index.dtype(), "rows": index.len(),
            "deleted": index.rows() - index.len(), "empty": index.blank_rows().count(), "segments": index.num_segments(),
            "token_vectors": index.has_tokens().then(|| index.tokens()), "bytes": index.bytes(),
        });
        serde_json::to_writer_pretty(&mut out, &document).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(Outcome::Done);
    }
    let revision = model.revision.as_deref().unwrap_or("not known");
    for (name, value) in [
        ("rows", index.len().to_string()),
        ("deleted", (index.rows() - index.len()).to_string()),
        ("empty", index.blank_rows().count().to_string()),
        ("segments", index.num_segments().to_string()),
        ("bytes", index.bytes().to_string()),
        ("dtype", index.dtype().to_string()),
        ("token vectors", if index.has_tokens() { index.tokens().to_string() } else { "none".to_owned() }),
        ("model", model.name.clone()),
        ("revision", revision.to_owned()),
        ("fingerprint", model.fingerprint.clone()),
        ("engine", format!("{} {}", model.engine, model.precision)),
        ("dim", model.dim.to_string()),
        ("pooling", model.pooling.clone()),
        ("max tokens", model.max_tokens.to_string()),
        ("query prompt", format!("{:?}", model.query_prompt)),
        ("document prompt", format!("{:?}", model.document_prompt)),
    ] {
        writeln!(out, "{name:16}  {}", visible(&value))?;
    }
    Ok(Outcome::Done)
}

pub fn verify(folder: &Path) -> Run {
    let index = Index::open(folder)?;
    let damages = index.damages();
    if damages.is_empty() {
        let shown = folder.display().to_string();
        writeln!(io::stdout(), "{}: {} rows, all checksums match", visible(&shown), index.rows())?;
        return Ok(Outcome::Done);
    }
    let lines = damages.iter().map(|damage| format!("\n  {}: {}", damage.path.display(), damage.message));
    let hint = "build the index again (nearsort index build --replace), or restore the files from a copy";
    Err(Failure::Error(format!("{} is damaged; {hint}{}", folder.display(), lines.collect::<String>())))
}

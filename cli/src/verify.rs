//! `nearsort models verify`: the files, the contract, and the results of the model.

use std::io::{self, Write};

use nearsort::ModelStore;
use nearsort::encoder::{Reads, Verification};
use nearsort_report::visible;

use crate::outcome::as_flags;
use crate::{Failure, Outcome, Run};

pub fn run(store: &ModelStore, name: &str, as_json: bool) -> Run {
    let found = Verification::of(store, name)?;
    let mut out = io::stdout().lock();
    if as_json {
        let mut document = found.document()?;
        let findings = document.contract.iter_mut().flat_map(|contract| &mut contract.findings);
        findings.for_each(|finding| finding.message = as_flags(&finding.message));
        serde_json::to_writer_pretty(&mut out, &document).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(visible(&text(&found)).as_bytes())?;
    }
    out.flush()?;
    outcome(&found)
}

fn outcome(found: &Verification) -> Run {
    let files = &found.files;
    match (found.num_damaged(), found.num_failed()) {
        (0, 0) => Ok(Outcome::Done),
        (0, failed) => Err(Failure::Error(format!("{}: {failed} checks failed", files.name))),
        (damaged, _) => Err(Failure::Error(format!(
            "{}: {damaged} files are damaged; remove {} and fetch the model again",
            files.name,
            files.dir.display()
        ))),
    }
}

fn text(found: &Verification) -> String {
    let files = &found.files;
    let revision = files.revision.as_deref().unwrap_or("not known");
    let mut text =
        format!("model     {}\nfolder    {}\nrevision  {revision}\n\nfiles\n", files.name, files.dir.display());
    for check in &found.file_checks {
        // Enough of a checksum to tell two apart by eye.
        let sha256: String = check.sha256.chars().take(12).collect();
        text += &format!("  {:10}  {sha256:12}  {}\n", check.verdict.name(), check.file);
    }
    if let Some(contract) = found.contract() {
        text += "\ncontract\n";
        for (name, value) in lines(&contract.reads) {
            text += &format!("  {name:16}  {value}\n");
        }
        text += "\ncontradictions and assumptions\n";
        for finding in &contract.findings {
            text += &format!("  {} {}\n", finding.file, as_flags(&finding.message));
        }
        if contract.findings.is_empty() {
            text += "  none\n";
        }
    }
    if !found.checks.is_empty() {
        text += "\nchecks\n";
    }
    for check in &found.checks {
        let mark = if check.passed { "ok" } else { "FAILED" };
        text += &format!("  {mark:6}  {} ({})\n", check.name, check.detail);
    }
    text
}

fn lines(reads: &Reads) -> Vec<(&'static str, String)> {
    match reads {
        Reads::Embedding { architecture, dim, pooling, normalize, max_tokens, query_prompt, document_prompt } => vec![
            ("architecture", architecture.clone()),
            ("dim", dim.to_string()),
            ("pooling", pooling.clone()),
            ("normalised", if *normalize { "yes" } else { "no" }.to_owned()),
            ("max tokens", max_tokens.to_string()),
            ("query prompt", format!("{query_prompt:?}")),
            ("document prompt", format!("{document_prompt:?}")),
        ],
        Reads::CrossEncoder { architecture, kind, max_tokens, raw_scores } => vec![
            ("architecture", architecture.clone()),
            ("kind", (*kind).to_owned()),
            ("max tokens", max_tokens.to_string()),
            ("scores", if *raw_scores { "logits" } else { "probabilities" }.to_owned()),
        ],
        Reads::LateInteraction {
            architecture,
            token_dim,
            max_tokens,
            query_length,
            query_prefix,
            document_prefix,
            expansion_token,
            attend_to_expansion_tokens,
            skiplist_words,
            query_prompt,
            document_prompt,
            ..
        } => {
            let attended = if *attend_to_expansion_tokens == Some(true) { "attended to" } else { "not attended to" };
            let expansion = |token: &String| format!("to {query_length} tokens by {token:?}, {attended}");
            vec![
                ("architecture", architecture.clone()),
                ("kind", "late interaction (ColBERT)".to_owned()),
                ("token dim", token_dim.to_string()),
                ("max tokens", format!("{max_tokens} of a document, {query_length} of a query")),
                ("query prefix", format!("{query_prefix:?}")),
                ("document prefix", format!("{document_prefix:?}")),
                ("expansion", expansion_token.as_ref().map_or_else(|| "none".to_owned(), expansion)),
                ("skip list", skiplist_words.join(" ")),
                ("query prompt", format!("{query_prompt:?}")),
                ("document prompt", format!("{document_prompt:?}")),
            ]
        }
    }
}

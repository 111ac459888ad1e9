//! `nearsort models verify`: the files, the contract, and what the model computes.

use std::io::{self, Write};

use nearsort::encoder::Check;
use nearsort::kernels::Kernels;
use nearsort::store::{FileCheck, ModelFiles, Verdict};
use nearsort::{Encoder, Engine, LocalEncoder, LocalEncoderOptions, ModelStore, Precision};
use serde_json::{Value, json};

use crate::{Failure, Outcome, Run};

struct Report {
    files: ModelFiles,
    file_checks: Vec<FileCheck>,
    /// `None` when a file is damaged: a model that is not the right one is not run.
    encoder: Option<LocalEncoder>,
    checks: Vec<Check>,
}

pub fn run(store: &ModelStore, name: &str, as_json: bool) -> Run {
    let files = store.get(&store.parse(name)?)?;
    let file_checks = store.verify_files(&files)?;
    let mut report = Report { files, file_checks, encoder: None, checks: Vec::new() };
    if report.damaged().is_empty() {
        let exact = LocalEncoderOptions { precision: Some(Precision::F32), ..Default::default() };
        let encoder = LocalEncoder::load(report.files.clone(), exact)?;
        report.checks = encoder.self_check()?;
        if encoder.engine() == Engine::Native && Precision::fastest(Kernels::best()) != encoder.precision() {
            let fastest = LocalEncoder::load(report.files.clone(), LocalEncoderOptions::default())?;
            report.checks.push(fastest.agreement_check(&encoder)?);
        }
        report.encoder = Some(encoder);
    }
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &report.json()?).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        report.print(&mut out)?;
    }
    out.flush()?;
    report.outcome()
}

impl Report {
    fn damaged(&self) -> Vec<&FileCheck> {
        let bad = |check: &&FileCheck| matches!(check.verdict, Verdict::Differs | Verdict::Missing);
        self.file_checks.iter().filter(bad).collect()
    }

    fn outcome(&self) -> Run {
        let damaged = self.damaged().len();
        let failed = self.checks.iter().filter(|check| !check.passed).count();
        match (damaged, failed) {
            (0, 0) => Ok(Outcome::Done),
            (0, failed) => Err(Failure::Error(format!("{}: {failed} checks failed", self.files.name))),
            (damaged, _) => Err(Failure::Error(format!(
                "{}: {damaged} files are damaged; remove {} and fetch the model again",
                self.files.name,
                self.files.dir.display()
            ))),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "model     {}", self.files.name)?;
        writeln!(out, "folder    {}", self.files.dir.display())?;
        writeln!(out, "revision  {}", self.files.revision.as_deref().unwrap_or("not known"))?;
        writeln!(out, "\nfiles")?;
        for check in &self.file_checks {
            writeln!(out, "  {:10}  {}  {}", verdict(check.verdict), short(&check.sha256), check.file)?;
        }
        let Some(encoder) = &self.encoder else { return Ok(()) };
        let contract = encoder.contract();
        writeln!(out, "\ncontract")?;
        for (name, value) in [
            ("architecture", contract.model_type.clone()),
            ("dim", contract.dim.to_string()),
            ("pooling", contract.pooling.to_string()),
            ("normalised", if contract.normalize { "yes" } else { "no" }.to_owned()),
            ("max tokens", contract.max_tokens.to_string()),
            ("query prompt", format!("{:?}", contract.query_prompt)),
            ("document prompt", format!("{:?}", contract.document_prompt)),
        ] {
            writeln!(out, "  {name:16}  {value}")?;
        }
        writeln!(out, "\ncontradictions and assumptions")?;
        for finding in &contract.findings {
            writeln!(out, "  {} {}", finding.file, finding.message)?;
        }
        if contract.findings.is_empty() {
            writeln!(out, "  none")?;
        }
        writeln!(out, "\nchecks")?;
        for check in &self.checks {
            let mark = if check.passed { "ok" } else { "FAILED" };
            writeln!(out, "  {mark:6}  {} ({})", check.name, check.detail)?;
        }
        Ok(())
    }

    fn json(&self) -> Result<Value, Failure> {
        let file = |check: &FileCheck| {
            json!({
                "file": check.file, "size_bytes": check.size_bytes, "sha256": check.sha256,
                "expected": check.expected, "verdict": verdict(check.verdict),
            })
        };
        let check = |check: &Check| json!({ "name": check.name, "passed": check.passed, "detail": check.detail });
        Ok(json!({
            "model": self.files.name,
            "path": self.files.dir,
            "revision": self.files.revision,
            "fingerprint": self.encoder.as_ref().map(Encoder::fingerprint).transpose()?,
            "files": self.file_checks.iter().map(file).collect::<Vec<_>>(),
            "contract": self.encoder.as_ref().map(contract_json),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
        }))
    }
}

fn contract_json(encoder: &LocalEncoder) -> Value {
    let contract = encoder.contract();
    let findings = contract.findings.iter().map(|finding| json!({ "file": finding.file, "message": finding.message }));
    json!({
        "architecture": contract.model_type,
        "dim": contract.dim,
        "pooling": contract.pooling.to_string(),
        "normalize": contract.normalize,
        "max_tokens": contract.max_tokens,
        "query_prompt": contract.query_prompt,
        "document_prompt": contract.document_prompt,
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Matches => "matches",
        Verdict::Differs => "DIFFERS",
        Verdict::Unknown => "unverified",
        Verdict::Missing => "MISSING",
    }
}

/// Enough of a checksum to tell two apart by eye.
fn short(sha256: &str) -> String {
    format!("{:12}", sha256.chars().take(12).collect::<String>())
}

//! `nearsort models verify`: the files, the contract, and what the model computes.

use std::io::{self, Write};

use nearsort::encoder::{Check, Contract, CrossEncoderOptions, Expansion, Finding, LateInteraction, check_weights};
use nearsort::kernels::Kernels;
use nearsort::store::{FileCheck, ModelFiles, Verdict};
use nearsort::{CrossEncoder, Encoder, Engine, LocalEncoder, LocalEncoderOptions, ModelKind, ModelStore, Precision};
use serde_json::{Value, json};

use crate::words::visible;
use crate::{Failure, Outcome, Run};

struct Report {
    files: ModelFiles,
    file_checks: Vec<FileCheck>,
    /// `None` when a file is damaged or a weight is not finite: a model that is not the right one is not run.
    model: Option<Loaded>,
    checks: Vec<Check>,
}

enum Loaded {
    Encoder(Box<LocalEncoder>),
    CrossEncoder(Box<CrossEncoder>),
}

pub fn run(store: &ModelStore, name: &str, as_json: bool) -> Run {
    let files = store.get(&store.parse(name)?)?;
    let file_checks = store.verify_files(&files)?;
    let mut report = Report { files, file_checks, model: None, checks: Vec::new() };
    if report.damaged().is_empty() {
        report.checks.push(check_weights(&report.files)?);
    }
    // A model with such weights is not run: every engine refuses it, or its numbers are none.
    if report.checks.iter().any(|check| check.passed) {
        match ModelKind::of(&report.files)? {
            ModelKind::Encoder | ModelKind::LateInteraction => report.check_encoder()?,
            ModelKind::CrossEncoder => report.check_cross_encoder()?,
        }
    }
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &report.json()?).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let mut text = Vec::new();
        report.print(&mut text)?;
        out.write_all(visible(&String::from_utf8_lossy(&text)).as_bytes())?;
    }
    out.flush()?;
    report.outcome()
}

impl Report {
    fn check_encoder(&mut self) -> Result<(), Failure> {
        let exact = LocalEncoderOptions { precision: Some(Precision::F32), ..Default::default() };
        let encoder = LocalEncoder::load(self.files.clone(), exact)?;
        self.checks.extend(encoder.self_check()?);
        if encoder.engine() == Engine::Native && Precision::fastest(Kernels::best()) != encoder.precision() {
            let fastest = LocalEncoder::load(self.files.clone(), LocalEncoderOptions::default())?;
            self.checks.push(fastest.agreement_check(&encoder)?);
        }
        self.model = Some(Loaded::Encoder(Box::new(encoder)));
        Ok(())
    }

    fn check_cross_encoder(&mut self) -> Result<(), Failure> {
        let model = CrossEncoder::load(self.files.clone(), CrossEncoderOptions::default())?;
        self.checks.extend(model.self_check()?);
        self.model = Some(Loaded::CrossEncoder(Box::new(model)));
        Ok(())
    }

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
        if let Some(model) = &self.model {
            Self::print_contract(model, out)?;
        }
        if self.checks.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nchecks")?;
        for check in &self.checks {
            let mark = if check.passed { "ok" } else { "FAILED" };
            writeln!(out, "  {mark:6}  {} ({})", check.name, check.detail)?;
        }
        Ok(())
    }

    fn print_contract(model: &Loaded, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "\ncontract")?;
        for (name, value) in model.contract_lines() {
            writeln!(out, "  {name:16}  {value}")?;
        }
        writeln!(out, "\ncontradictions and assumptions")?;
        for finding in model.findings() {
            writeln!(out, "  {} {}", finding.file, finding.message)?;
        }
        if model.findings().is_empty() {
            writeln!(out, "  none")?;
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
            "fingerprint": self.model.as_ref().map(Loaded::fingerprint).transpose()?,
            "files": self.file_checks.iter().map(file).collect::<Vec<_>>(),
            "contract": self.model.as_ref().map(Loaded::contract_json),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
        }))
    }
}

impl Loaded {
    fn fingerprint(&self) -> Result<String, nearsort::Error> {
        match self {
            Self::Encoder(encoder) => encoder.fingerprint(),
            Self::CrossEncoder(model) => model.fingerprint(),
        }
    }

    fn findings(&self) -> &[Finding] {
        match self {
            Self::Encoder(encoder) => &encoder.contract().findings,
            Self::CrossEncoder(model) => &model.contract().findings,
        }
    }

    fn contract_lines(&self) -> Vec<(&'static str, String)> {
        let yes_or_no = |is_so| if is_so { "yes" } else { "no" }.to_owned();
        match self {
            Self::Encoder(encoder) => {
                let contract = encoder.contract();
                if let Some(late) = &contract.late_interaction {
                    return late_lines(contract, late);
                }
                vec![
                    ("architecture", contract.model_type.clone()),
                    ("dim", contract.dim.to_string()),
                    ("pooling", contract.pooling.to_string()),
                    ("normalised", yes_or_no(contract.normalize)),
                    ("max tokens", contract.max_tokens.to_string()),
                    ("query prompt", format!("{:?}", contract.query_prompt)),
                    ("document prompt", format!("{:?}", contract.document_prompt)),
                ]
            }
            Self::CrossEncoder(model) => {
                let contract = model.contract();
                vec![
                    ("architecture", contract.model_type.clone()),
                    ("kind", "cross-encoder".to_owned()),
                    ("max tokens", contract.max_tokens.to_string()),
                    ("scores", if contract.gives_logits { "logits" } else { "probabilities" }.to_owned()),
                ]
            }
        }
    }

    fn contract_json(&self) -> Value {
        let finding = |finding: &Finding| json!({ "file": finding.file, "message": finding.message });
        let findings: Vec<Value> = self.findings().iter().map(finding).collect();
        match self {
            Self::Encoder(encoder) => {
                let contract = encoder.contract();
                if let Some(late) = &contract.late_interaction {
                    return late_json(contract, late, findings);
                }
                json!({
                    "architecture": contract.model_type,
                    "dim": contract.dim,
                    "pooling": contract.pooling.to_string(),
                    "normalize": contract.normalize,
                    "max_tokens": contract.max_tokens,
                    "query_prompt": contract.query_prompt,
                    "document_prompt": contract.document_prompt,
                    "findings": findings,
                })
            }
            Self::CrossEncoder(model) => {
                let contract = model.contract();
                json!({
                    "architecture": contract.model_type,
                    "kind": "cross-encoder",
                    "max_tokens": contract.max_tokens,
                    "raw_scores": contract.gives_logits,
                    "findings": findings,
                })
            }
        }
    }
}

/// What [`Loaded::contract_lines`] says of a late-interaction model.
fn late_lines(contract: &Contract, late: &LateInteraction) -> Vec<(&'static str, String)> {
    let attended = |expansion: &Expansion| if expansion.attended { "attended to" } else { "not attended to" };
    let expansion = |expansion: &Expansion| {
        format!("to {} tokens by {:?}, {}", late.query_length, expansion.token, attended(expansion))
    };
    vec![
        ("architecture", contract.model_type.clone()),
        ("kind", "late interaction (ColBERT)".to_owned()),
        ("token dim", contract.dim.to_string()),
        ("max tokens", format!("{} of a document, {} of a query", contract.max_tokens, late.query_length)),
        ("query prefix", format!("{:?}", late.query_prefix)),
        ("document prefix", format!("{:?}", late.document_prefix)),
        ("expansion", late.expansion.as_ref().map_or_else(|| "none".to_owned(), expansion)),
        ("skip list", late.skiplist.join(" ")),
        ("query prompt", format!("{:?}", contract.query_prompt)),
        ("document prompt", format!("{:?}", contract.document_prompt)),
    ]
}

/// What [`Loaded::contract_json`] says of a late-interaction model.
fn late_json(contract: &Contract, late: &LateInteraction, findings: Vec<Value>) -> Value {
    let expansion = late.expansion.as_ref();
    json!({
        "architecture": contract.model_type,
        "kind": "late-interaction",
        "token_dim": contract.dim,
        "max_tokens": contract.max_tokens,
        "query_length": late.query_length,
        "query_prefix": late.query_prefix,
        "document_prefix": late.document_prefix,
        "expansion_token": expansion.map(|expansion| &expansion.token),
        "attend_to_expansion_tokens": expansion.map(|expansion| expansion.attended),
        "skiplist_words": late.skiplist,
        "query_prompt": contract.query_prompt,
        "document_prompt": contract.document_prompt,
        "findings": findings,
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

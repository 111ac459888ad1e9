//! The verification of a model on this machine: its files, its contract, and what it computes.

use std::path::PathBuf;

use serde::Serialize;

use super::check::Check;
use super::cross_encoder::{CrossEncoder, CrossEncoderOptions, ModelKind};
use super::late_options::LateInteraction;
use super::local::LocalEncoder;
use super::local_options::LocalEncoderOptions;
use super::reader::ModelFinding;
use super::weights_check::check_weights;
use super::{Encoder, Engine};
use crate::Result;
use crate::engine::Precision;
use crate::kernels::Kernels;
use crate::store::{FileCheck, FileVerdict, ModelFiles, ModelStore};

/// The result of verifying a model.
pub struct Verification {
    /// The model's files.
    pub files: ModelFiles,
    /// The checksum results of the files.
    pub file_checks: Vec<FileCheck>,
    /// The checks of what the model computes; empty if a file is damaged.
    pub checks: Vec<Check>,
    /// `None` when a file is damaged or a weight is not finite: such a model is not run.
    model: Option<VerifiedModel>,
}

enum VerifiedModel {
    Encoder(Box<LocalEncoder>),
    CrossEncoder(Box<CrossEncoder>),
}

/// The JSON form of a [`Verification`].
#[derive(Debug, Clone, Serialize)]
pub struct VerificationDocument {
    /// The model's name.
    pub model: String,
    /// The model's folder.
    pub path: PathBuf,
    /// The model's revision, where it is known.
    pub revision: Option<String>,
    /// The model's fingerprint, if it was loaded.
    pub fingerprint: Option<String>,
    /// The model's files.
    pub files: Vec<FileDocument>,
    /// The contract of the model, if it was loaded.
    pub contract: Option<ContractDocument>,
    /// The checks of what the model computes.
    pub checks: Vec<CheckDocument>,
}

/// A file of a model.
#[derive(Debug, Clone, Serialize)]
pub struct FileDocument {
    /// The file's name in the folder.
    pub file: String,
    /// Size in bytes; 0 if the file is missing.
    pub size_bytes: u64,
    /// The file's checksum.
    pub sha256: String,
    /// The expected checksum, where it is known.
    pub expected: Option<String>,
    /// `matches`, `DIFFERS`, `unverified` or `MISSING`.
    pub verdict: &'static str,
}

/// A check of a model's results.
#[derive(Debug, Clone, Serialize)]
pub struct CheckDocument {
    /// The name of the check.
    pub name: &'static str,
    /// True if the check passed.
    pub passed: bool,
    /// The numbers behind the result.
    pub detail: String,
}

/// The contract of a model, with the contradictions and gaps of its files.
#[derive(Debug, Clone, Serialize)]
pub struct ContractDocument {
    /// The way that the model reads texts.
    #[serde(flatten)]
    pub reads: Reads,
    /// Contradictions and assumptions.
    pub findings: Vec<FindingDocument>,
}

/// A contradiction in a model's files, or an assumption where they are silent.
#[derive(Debug, Clone, Serialize)]
pub struct FindingDocument {
    /// The file.
    pub file: String,
    /// The message.
    pub message: String,
}

/// The options by which a model of each kind reads texts.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)] // They are the options of a contract, by their names.
pub enum Reads {
    /// A model that gives a vector of the text.
    Embedding {
        architecture: String,
        dim: usize,
        pooling: String,
        normalize: bool,
        max_tokens: usize,
        query_prompt: String,
        document_prompt: String,
    },
    /// A model that gives a vector of each token.
    LateInteraction {
        architecture: String,
        kind: &'static str,
        token_dim: usize,
        max_tokens: usize,
        query_length: usize,
        query_prefix: String,
        document_prefix: String,
        expansion_token: Option<String>,
        attend_to_expansion_tokens: Option<bool>,
        skiplist_words: Vec<String>,
        query_prompt: String,
        document_prompt: String,
    },
    /// A model that reads query and document together.
    CrossEncoder { architecture: String, kind: &'static str, max_tokens: usize, raw_scores: bool },
}

impl Verification {
    /// Checks the files of a model and, if they are sound, what it computes. Fetches a missing
    /// model.
    ///
    /// # Errors
    /// The errors of [`ModelStore::get`], [`LocalEncoder::load`] and [`CrossEncoder::load`]. A
    /// fault of the model itself is not an error.
    pub fn of(store: &ModelStore, name: &str) -> Result<Self> {
        let files = store.get(&store.parse(name)?)?;
        let file_checks = store.verify_files(&files)?;
        let mut verification = Self { files, file_checks, model: None, checks: Vec::new() };
        if verification.num_damaged() == 0 {
            verification.checks.push(check_weights(&verification.files)?);
        }
        // A model with weights that are not finite is not run: engines refuse it, or compute NaN.
        if verification.checks.iter().any(|check| check.passed) {
            match ModelKind::of(&verification.files)? {
                ModelKind::Encoder | ModelKind::LateInteraction => verification.check_encoder()?,
                ModelKind::CrossEncoder => verification.check_cross_encoder()?,
            }
        }
        Ok(verification)
    }

    fn check_encoder(&mut self) -> Result<()> {
        let exact = LocalEncoderOptions { precision: Some(Precision::F32), ..Default::default() };
        let encoder = LocalEncoder::load(self.files.clone(), exact)?;
        self.checks.extend(encoder.self_check()?);
        if !encoder.is_static()
            && encoder.engine() == Engine::Native
            && Precision::fastest(Kernels::best()) != encoder.precision()
        {
            let fastest = LocalEncoder::load(self.files.clone(), LocalEncoderOptions::default())?;
            self.checks.push(fastest.agreement_check(&encoder)?);
            self.checks.extend(fastest.scores_check(&encoder)?);
        }
        self.model = Some(VerifiedModel::Encoder(Box::new(encoder)));
        Ok(())
    }

    fn check_cross_encoder(&mut self) -> Result<()> {
        let model = CrossEncoder::load(self.files.clone(), CrossEncoderOptions::default())?;
        self.checks.extend(model.self_check()?);
        self.model = Some(VerifiedModel::CrossEncoder(Box::new(model)));
        Ok(())
    }

    /// Returns the number of files that are missing or have another checksum.
    pub fn num_damaged(&self) -> usize {
        let is_damaged = |check: &&FileCheck| matches!(check.verdict, FileVerdict::Differs | FileVerdict::Missing);
        self.file_checks.iter().filter(is_damaged).count()
    }

    /// Returns the number of checks that failed.
    pub fn num_failed(&self) -> usize {
        self.checks.iter().filter(|check| !check.passed).count()
    }

    /// Returns the contract of the model, if it was loaded.
    pub fn contract(&self) -> Option<ContractDocument> {
        self.model.as_ref().map(VerifiedModel::contract)
    }

    /// Returns the whole result in its JSON form.
    ///
    /// # Errors
    /// The errors of reading the model's files for its fingerprint.
    pub fn document(&self) -> Result<VerificationDocument> {
        let file = |check: &FileCheck| FileDocument {
            file: check.file.clone(),
            size_bytes: check.size_bytes,
            sha256: check.sha256.clone(),
            expected: check.expected.clone(),
            verdict: check.verdict.name(),
        };
        let check =
            |check: &Check| CheckDocument { name: check.name, passed: check.passed, detail: check.detail.clone() };
        Ok(VerificationDocument {
            model: self.files.name.clone(),
            path: self.files.dir.clone(),
            revision: self.files.revision.clone(),
            fingerprint: self.model.as_ref().map(VerifiedModel::fingerprint).transpose()?,
            files: self.file_checks.iter().map(file).collect(),
            contract: self.contract(),
            checks: self.checks.iter().map(check).collect(),
        })
    }
}

impl VerifiedModel {
    fn fingerprint(&self) -> Result<String> {
        match self {
            Self::Encoder(encoder) => encoder.fingerprint(),
            Self::CrossEncoder(model) => model.fingerprint(),
        }
    }

    fn contract(&self) -> ContractDocument {
        let (reads, findings) = match self {
            Self::Encoder(encoder) => (Reads::of(encoder), &encoder.contract().findings),
            Self::CrossEncoder(model) => {
                let contract = model.contract();
                let reads = Reads::CrossEncoder {
                    architecture: contract.model_type.clone(),
                    kind: "cross-encoder",
                    max_tokens: contract.max_tokens,
                    raw_scores: contract.gives_logits,
                };
                (reads, &contract.findings)
            }
        };
        let finding =
            |finding: &ModelFinding| FindingDocument { file: finding.file.clone(), message: finding.message.clone() };
        ContractDocument { reads, findings: findings.iter().map(finding).collect() }
    }
}

impl Reads {
    fn of(encoder: &LocalEncoder) -> Self {
        let contract = encoder.contract();
        let architecture = contract.model_type.clone();
        let (query_prompt, document_prompt) = (contract.query_prompt.clone(), contract.document_prompt.clone());
        let Some(LateInteraction { query_length, query_prefix, document_prefix, expansion, skiplist, .. }) =
            contract.late_interaction.clone()
        else {
            return Self::Embedding {
                architecture,
                dim: contract.dim,
                pooling: contract.pooling.to_string(),
                normalize: contract.normalize,
                max_tokens: contract.max_tokens,
                query_prompt,
                document_prompt,
            };
        };
        Self::LateInteraction {
            architecture,
            kind: "late-interaction",
            token_dim: contract.dim,
            max_tokens: contract.max_tokens,
            query_length,
            query_prefix,
            document_prefix,
            attend_to_expansion_tokens: expansion.as_ref().map(|expansion| expansion.attended),
            expansion_token: expansion.map(|expansion| expansion.token),
            skiplist_words: skiplist,
            query_prompt,
            document_prompt,
        }
    }
}

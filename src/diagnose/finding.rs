//! A finding: the problem, its severity, its evidence, and the remedy.

use std::fmt;

use serde::Serialize;

/// The kind of a finding. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingKind {
    /// Some or all of the run's queries have no judgements.
    QueriesNotInQrels,
    /// Some of the judged queries are not in the run.
    QueriesNotInRun,
    /// Run and judgements name documents differently.
    IdsNotInQrels,
    /// Reranking moves up documents that are not judged.
    UnjudgedDocuments,
    /// Lower first-stage scores are better.
    InvertedOrder,
    /// Reranking makes the results worse.
    RerankingHurts,
    /// The difference may be chance.
    NoEvidence,
    /// Cosine alone is worse than the first stage, and another configuration is not.
    CosineAloneLoses,
    /// Another scoring is better.
    WeakScoringMode,
    /// Another share of the first stage is better.
    BlendHelps,
    /// Many relevant documents are not among the candidates.
    RecallCeiling,
    /// The lists have hardly more candidates than the measure's cutoff.
    ShallowLists,
    /// Reranking fewer candidates is better.
    TooDeep,
    /// Texts are longer than the model reads.
    TruncatedTexts,
    /// Other prompts are better.
    WrongPrompt,
    /// Another pooling is better.
    WrongPooling,
    /// Different texts have the same score.
    TiedScores,
    /// The model's scores hardly differ.
    NarrowScores,
    /// First-stage scores are the same for many candidates.
    FirstStageTies,
    /// The same document or text occurs in a list more than once.
    DuplicateCandidates,
    /// Nearly the same text occurs in a list more than once.
    NearDuplicates,
    /// Documents have no text.
    EmptyTexts,
    /// The vocabulary does not fit the texts.
    UnknownLanguage,
}

impl FindingKind {
    /// All kinds.
    pub const ALL: [Self; 23] = [
        Self::QueriesNotInQrels,
        Self::QueriesNotInRun,
        Self::IdsNotInQrels,
        Self::UnjudgedDocuments,
        Self::InvertedOrder,
        Self::RerankingHurts,
        Self::NoEvidence,
        Self::CosineAloneLoses,
        Self::WeakScoringMode,
        Self::BlendHelps,
        Self::RecallCeiling,
        Self::ShallowLists,
        Self::TooDeep,
        Self::TruncatedTexts,
        Self::WrongPrompt,
        Self::WrongPooling,
        Self::TiedScores,
        Self::NarrowScores,
        Self::FirstStageTies,
        Self::DuplicateCandidates,
        Self::NearDuplicates,
        Self::EmptyTexts,
        Self::UnknownLanguage,
    ];

    /// Returns the stable name, such as `recall-ceiling`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueriesNotInQrels => "queries-not-in-qrels",
            Self::QueriesNotInRun => "queries-not-in-run",
            Self::IdsNotInQrels => "ids-not-in-qrels",
            Self::UnjudgedDocuments => "unjudged-documents",
            Self::InvertedOrder => "inverted-order",
            Self::RerankingHurts => "reranking-hurts",
            Self::NoEvidence => "no-evidence",
            Self::CosineAloneLoses => "cosine-alone-loses",
            Self::WeakScoringMode => "weak-scoring-mode",
            Self::BlendHelps => "blend-helps",
            Self::RecallCeiling => "recall-ceiling",
            Self::ShallowLists => "shallow-lists",
            Self::TooDeep => "too-deep",
            Self::TruncatedTexts => "truncated-texts",
            Self::WrongPrompt => "wrong-prompt",
            Self::WrongPooling => "wrong-pooling",
            Self::TiedScores => "tied-scores",
            Self::NarrowScores => "narrow-scores",
            Self::FirstStageTies => "first-stage-ties",
            Self::DuplicateCandidates => "duplicate-candidates",
            Self::NearDuplicates => "near-duplicates",
            Self::EmptyTexts => "empty-texts",
            Self::UnknownLanguage => "unknown-language",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Information only.
    Info,
    /// It costs quality, or makes the numbers less certain.
    Warning,
    /// The results, or the numbers, are wrong.
    Problem,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The kind of the finding.
    pub name: FindingKind,
    /// The severity.
    pub severity: Severity,
    /// The evidence, in plain words with numbers.
    pub evidence: String,
    /// The numbers of the evidence, by name.
    pub numbers: Vec<Number>,
    /// Ids of a few queries or documents to inspect, or pairs of them.
    pub examples: Vec<String>,
    /// The remedy, with the option to use. See [`Report::say_options`](super::Report::say_options).
    pub remedy: String,
}

/// A named number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Number {
    /// The name of the number.
    pub name: &'static str,
    /// The value.
    pub value: f64,
}

impl Finding {
    /// Creates a finding without numbers and examples.
    pub(super) fn new(
        name: FindingKind,
        severity: Severity,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            severity,
            evidence: evidence.into(),
            numbers: Vec::new(),
            examples: Vec::new(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn number(mut self, name: &'static str, value: f64) -> Self {
        self.numbers.push(Number { name, value });
        self
    }

    pub(super) fn examples(mut self, examples: impl IntoIterator<Item = String>) -> Self {
        self.examples.extend(examples);
        self
    }
}

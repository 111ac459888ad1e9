//! A finding: what is wrong, how badly, by what evidence, and what to do.

use std::fmt;

use serde::Serialize;

/// What can be found. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FindingKind {
    /// None of the run's queries, or not all of them, have judgements.
    QueriesNotInQrels,
    /// The judgements' queries are not all in the run.
    QueriesNotInRun,
    /// Run and judgements name documents differently.
    IdsNotInQrels,
    /// Reranking brings up documents that nobody judged.
    UnjudgedDocuments,
    /// Lower first-stage scores are better.
    InvertedOrder,
    /// Reranking makes the results worse.
    RerankingHurts,
    /// The difference may be chance.
    NoEvidence,
    /// Cosine alone is below the first stage, and another configuration is not.
    CosineAloneLoses,
    /// Another scoring is better.
    WeakScoringMode,
    /// Another share of the first stage is better.
    BlendHelps,
    /// Many relevant documents are not among the candidates.
    RecallCeiling,
    /// The lists have hardly more candidates than the measure looks at.
    ShallowLists,
    /// Reranking fewer candidates is better.
    TooDeep,
    /// Texts are longer than the model takes.
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
    /// The same document or text stands in a list more than once.
    DuplicateCandidates,
    /// Nearly the same text stands in a list more than once.
    NearDuplicates,
    /// Documents without text.
    EmptyTexts,
    /// The vocabulary does not fit the texts.
    UnknownLanguage,
}

impl FindingKind {
    /// All of them.
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

    /// The stable name, such as `recall-ceiling`.
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

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Costs quality, or makes the numbers less sure.
    Warning,
    /// The results, or the numbers, are wrong.
    Problem,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// What.
    pub name: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// What was seen, in plain words with numbers.
    pub evidence: String,
    /// The numbers of the evidence, by name.
    pub numbers: Vec<Number>,
    /// Ids of a few queries or documents to look at, or pairs of them.
    pub examples: Vec<String>,
    /// What to do, with the option to use.
    pub remedy: String,
}

/// A named number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Number {
    /// What it is.
    pub name: &'static str,
    /// How much.
    pub value: f64,
}

impl Finding {
    /// A finding without numbers and examples yet.
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

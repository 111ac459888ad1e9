//! From the model's own numbers to the scores that a contract promises.

/// What the model gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// A cross-encoder's logit, any finite number.
    Logit,
    /// An embedding model's cosine, in [-1, 1].
    Cosine,
    /// A judge's or service's score, in [0, 1].
    Unit,
}

/// What the client was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// [0, 1]: Cohere's; Dify and Open WebUI compare with their users' thresholds.
    Unit,
    /// A similarity of two texts: vLLM's `/score` and TEI's `/similarity`. A cosine stays in [-1, 1].
    Similarity,
    /// `raw_scores`, NIM's `logit`.
    Raw,
}

/// The map from the model's number to the score. Its name is the `score_kind` of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreMap {
    Logit,
    Sigmoid,
    Cosine,
    /// Negative cosines become 0. Unlike (1 + x) / 2 this keeps the thresholds that people know for a model.
    CosineClamped,
    Unit,
}

impl ScoreMap {
    pub fn choose(native: Native, contract: Contract) -> Self {
        match (native, contract) {
            (Native::Logit, Contract::Raw) => Self::Logit,
            (Native::Logit, _) => Self::Sigmoid,
            (Native::Cosine, Contract::Unit) => Self::CosineClamped,
            (Native::Cosine, _) => Self::Cosine,
            (Native::Unit, _) => Self::Unit,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Logit => "logit",
            Self::Sigmoid => "sigmoid",
            Self::Cosine => "cosine",
            Self::CosineClamped => "cosine_clamped",
            Self::Unit => "unit",
        }
    }

    /// Monotone, in f64: f32 rounds the sigmoid of logits above 17 to 1.
    pub fn apply(self, native: f64) -> f64 {
        match self {
            Self::Logit | Self::Cosine => native,
            Self::Sigmoid => 1.0 / (1.0 + (-native).exp()),
            Self::CosineClamped | Self::Unit => native.clamp(0.0, 1.0),
        }
    }
}

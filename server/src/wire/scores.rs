//! Maps the model's numbers to the scores that a contract promises.

/// The kind of a model's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Native {
    /// A cross-encoder's logit, any finite number. If the library gives a probability, use the
    /// number that it ranks by.
    Logit,
    /// An embedding model's cosine, in [-1, 1].
    Cosine,
    /// Late interaction of token vectors, in [-1, 1].
    MaxSim,
    /// A mean of the two, in [-1, 1].
    Hybrid,
    /// A judge's grade, in [0, 10].
    Rating,
    /// A probability of a service, or a place in a cascade's order, in [0, 1].
    Unit,
}

/// The range of scores that a client was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// [0, 1]: Cohere's; Dify and Open WebUI compare with their users' thresholds.
    Unit,
    /// A similarity of two texts: vLLM's `/score` and TEI's `/similarity`. A cosine stays in [-1,
    /// 1].
    Similarity,
    /// `raw_scores`, NIM's `logit`.
    Raw,
}

/// The map from the model's number to the score. Its name is the `score_kind` of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoreMap {
    name: &'static str,
    rule: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// The number itself.
    Same,
    Sigmoid,
    /// Negative numbers become 0. Unlike (1 + x) / 2 this keeps the thresholds that people know for
    /// a model.
    Clamped,
    /// From [0, 10] to [0, 1].
    Tenth,
}

impl ScoreMap {
    pub fn choose(native: Native, contract: Contract) -> Self {
        let unit = contract == Contract::Unit;
        let (name, rule) = match native {
            Native::Logit if contract == Contract::Raw => ("logit", Rule::Same),
            Native::Logit => ("sigmoid", Rule::Sigmoid),
            Native::Cosine if unit => ("cosine_clamped", Rule::Clamped),
            Native::Cosine => ("cosine", Rule::Same),
            Native::MaxSim if unit => ("maxsim_clamped", Rule::Clamped),
            Native::MaxSim => ("maxsim", Rule::Same),
            Native::Hybrid if unit => ("hybrid_clamped", Rule::Clamped),
            Native::Hybrid => ("hybrid", Rule::Same),
            Native::Rating if contract == Contract::Raw => ("rating", Rule::Same),
            Native::Rating => ("rating_tenth", Rule::Tenth),
            Native::Unit => ("unit", Rule::Clamped),
        };
        Self { name, rule }
    }

    pub fn name(self) -> &'static str {
        self.name
    }

    /// Maps a number to its score. The map is monotone, in f64, because f32 rounds the sigmoid of
    /// logits above 17 to 1. A document without a score has minus infinity and gets the lowest
    /// score, 0 or the lowest f32, because JSON has no infinity.
    pub fn apply(self, native: f64) -> f64 {
        match self.rule {
            Rule::Same => native.max(f64::from(f32::MIN)),
            Rule::Sigmoid => 1.0 / (1.0 + (-native).exp()),
            Rule::Clamped => native.clamp(0.0, 1.0),
            Rule::Tenth => (native / 10.0).clamp(0.0, 1.0),
        }
    }
}

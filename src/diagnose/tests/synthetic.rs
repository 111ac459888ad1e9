//! Synthetic collections from a seed: healthy ones, and others with one fault each.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::LongText;
use crate::diagnose::{Candidate, Configuration, Document, ModeScores, Observations, ObservedQuery, Setting};
use crate::io::Qrels;

/// The information in a score: the distance of relevant documents from others, in standard
/// deviations of the noise.
#[derive(Debug, Clone, Copy)]
pub struct Signals {
    pub first_stage: f64,
    pub cosine: f64,
    pub maxsim: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub queries: usize,
    pub candidates: usize,
    pub signals: Signals,
    pub seed: u64,
}

/// Number of relevant documents among a query's candidates.
const RELEVANT: usize = 3;
/// Every query whose number is a multiple of this has no relevant candidate: a first stage is
/// not perfect.
const WITHOUT_RELEVANT: usize = 25;
const WORDS_OF_TEXT: usize = 60;
/// The share of the noise's variance that both stages have in common, because they are wrong about
/// the same texts. The two scores of the model have as much in common.
const COMMON: f64 = 0.4;

impl Default for Plan {
    /// A model that is clearly better than the first stage, with the right defaults.
    fn default() -> Self {
        let signals = Signals { first_stage: 1.0, cosine: 1.8, maxsim: 2.1 };
        Self { queries: 150, candidates: 50, signals, seed: 7 }
    }
}

pub struct Generator(Xoshiro256PlusPlus);

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Returns a number in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.uniform() * end as f64) as usize
    }

    /// Returns a number with mean 0 and deviation 1, nearly normal.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    pub fn text(&mut self, words: usize) -> String {
        let word = |generator: &mut Self| -> String {
            let syllables = 1 + generator.below(3);
            (0..=syllables).map(|_| SYLLABLES[generator.below(SYLLABLES.len())]).collect()
        };
        (0..words).map(|_| word(self)).collect::<Vec<_>>().join(" ")
    }

    /// Returns the first stage's and the model's scores of a document, for a pair of this
    /// relevance.
    fn scores(&mut self, signals: Signals, is_relevant: bool) -> (f64, ModeScores) {
        let relevance = f64::from(is_relevant);
        let (own, shared) = ((1.0 - COMMON).sqrt(), COMMON.sqrt());
        let topic = shared * self.normal();
        let model = topic + own * shared * self.normal();
        let rest = (1.0 - COMMON - (1.0 - COMMON) * COMMON).sqrt();
        let first_stage = 10.0 + 3.0 * (signals.first_stage * relevance + topic + own * self.normal());
        let cosine = 0.4 + 0.1 * (signals.cosine * relevance + model + rest * self.normal());
        let maxsim = 0.5 + 0.1 * (signals.maxsim * relevance + model + rest * self.normal());
        (first_stage, ModeScores::from_parts(cosine as f32, maxsim as f32))
    }
}

const SYLLABLES: [&str; 24] = [
    "ba", "tor", "min", "el", "ra", "sul", "ven", "qui", "do", "pe", "gra", "lin", "mo", "ster", "ha", "ki", "lo",
    "nu", "fer", "ti", "an", "sho", "cur", "ye",
];

/// Makes observations without a fault, and all judgements.
pub fn healthy(plan: Plan) -> Observations {
    let mut generator = Generator::new(plan.seed);
    let (mut documents, mut queries, mut judgements) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..plan.queries {
        let query_id = format!("q{number}");
        let has_relevant = number % WITHOUT_RELEVANT != 0;
        let mut candidates = Vec::new();
        for place in 0..plan.candidates {
            let is_relevant = has_relevant && place < RELEVANT;
            let (first_stage, scores) = generator.scores(plan.signals, is_relevant);
            let grade = if is_relevant { 1 + (place % 2) as i32 } else { 0 };
            let document = documents.len();
            documents.push(document_of(&mut generator, document));
            judgements.push((query_id.clone(), documents[document].id.clone(), grade));
            candidates.push(Candidate {
                document,
                first_stage,
                rank: None,
                scores,
                windowed: None,
                vector: None,
                windowed_vector: None,
            });
        }
        if !has_relevant {
            judgements.push((query_id.clone(), format!("elsewhere{number}"), 1));
        }
        candidates.sort_by(|a, b| b.first_stage.total_cmp(&a.first_stage));
        (1..).zip(&mut candidates).for_each(|(rank, candidate)| candidate.rank = Some(rank));
        queries.push(ObservedQuery { id: query_id, text: generator.text(6), candidates });
    }
    let judged = judgements.iter().map(|(query, document, grade)| (query.as_str(), document.as_str(), *grade));
    let qrels = Some(Qrels::from_judgements(judged).unwrap());
    Observations { setting: setting(), documents, queries, is_sample: false, trials: Vec::new(), qrels }
}

fn document_of(generator: &mut Generator, number: usize) -> Document {
    let text = generator.text(WORDS_OF_TEXT);
    let tokens = (text.chars().count() / 4 + 2) as u32;
    Document { id: format!("d{number:05}"), text, tokens, unknown: 0, truncated: false }
}

/// Returns the defaults, except that long texts are truncated.
pub fn configuration() -> Configuration {
    Configuration { long_text: LongText::Truncate, ..Configuration::default() }
}

pub fn setting() -> Setting {
    Setting {
        model: "a-model".into(),
        configuration: configuration(),
        depth: None,
        query_prompt: String::new(),
        document_prompt: String::new(),
        pooling: "mean".into(),
    }
}

impl Observations {
    /// Returns every candidate.
    pub fn candidates_mut(&mut self) -> impl Iterator<Item = &mut Candidate> {
        self.queries.iter_mut().flat_map(|query| &mut query.candidates)
    }

    /// Returns every candidate, and true for relevant ones.
    pub fn with_relevance(&mut self) -> impl Iterator<Item = (&mut Candidate, bool)> {
        let Self { queries, documents, qrels, .. } = self;
        let (documents, qrels): (&[Document], &Qrels) = (documents, qrels.as_ref().unwrap());
        queries.iter_mut().flat_map(move |query| {
            let grades = qrels.grades(&query.id).unwrap();
            query.candidates.iter_mut().map(move |candidate| {
                let is_relevant = grades.get(&documents[candidate.document].id).is_some_and(|grade| grade > 0);
                (candidate, is_relevant)
            })
        })
    }
}

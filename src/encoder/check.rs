//! The self-check of a loaded model, which `nearsort models verify` runs.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;

use super::pooling::normalize;
use super::{EncodedText, Encoder, LocalEncoder, Precision, Role, TokenEncoder};
use crate::call::Call;
use crate::kernels::cosine_wide;
use crate::{Error, Result};

/// Largest difference of a component that padding may cause. The mask adds the most negative f32 to
/// the scores of padding, which makes their softmax exactly 0. Only the rounding of sums in another
/// order remains.
const PADDING_TOLERANCE: f32 = 1e-5;

/// Largest difference of a component from a golden vector: the promised parity with
/// sentence-transformers.
const GOLDEN_TOLERANCE: f32 = 1e-4;

/// Smallest cosine between vectors of two precisions. i8 keeps 0.997 for passages; the probes are
/// harder, and other models may be too.
const LEAST_AGREEMENT: f32 = 0.99;

/// Largest difference of components between two vectors that count as the same.
const SAME_VECTOR: f32 = 1e-5;

/// Vectors computed by sentence-transformers, per registered model. `models/make_expected.py`
/// writes them.
const GOLDEN: [(&str, &str); 1] = [("all-MiniLM-L6-v2", include_str!("../../models/golden/all-MiniLM-L6-v2.json"))];

/// Queries and passages; each query forms a pair with each passage.
const PAIRS: &str = include_str!("../../models/golden/pairs.json");

/// Largest difference between the cosines of a pair in two precisions, for 99 pairs of 100. With
/// VNNI's 8-bit activations, i8 has .0113 over 4,300 pairs of dl19. The bound only catches broken
/// models: vectors that pass [`LEAST_AGREEMENT`] may differ this much.
const SCORE_TOLERANCE: f32 = 0.1;

/// Texts of very different lengths, so that a rectangle of them is mostly padding.
const PROBES: [&str; 5] = [
    "x",
    "A short sentence about ships.",
    "",
    "Rain fell on the harbour all night, and in the morning the boats lay still under a grey sky while the harbour master \
     counted them twice, wrote the number into his book and went back to bed.",
    "数字 12345 and Ünïcödé, mixed.",
];

/// A check of a model and its result.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The name of the check.
    pub name: &'static str,
    /// True if the check passed.
    pub passed: bool,
    /// The numbers behind the result.
    pub detail: String,
}

#[derive(Deserialize)]
struct GoldenPairs {
    queries: Vec<String>,
    passages: Vec<String>,
}

#[derive(Deserialize)]
struct Golden {
    texts: Vec<GoldenText>,
}

#[derive(Deserialize)]
struct GoldenText {
    text: String,
    embedding: Vec<f32>,
}

impl LocalEncoder {
    /// Encodes probe texts and checks the vectors. They must be finite and differ, and neighbours
    /// and padding must not change them. In f32, for registered models with golden vectors, they
    /// must also be equal to those.
    ///
    /// # Errors
    /// When encoding fails. A wrong vector is not an error but a [`Check`] that did not pass.
    pub fn self_check(&self) -> Result<Vec<Check>> {
        if !self.has_text_vectors() {
            return self.late_self_check();
        }
        let together = self.encode(&PROBES, Role::Document)?;
        let padded = self.encode_padded(&PROBES, Role::Document)?;
        let mut alone = together.vectors.clone();
        for (text, mut row) in PROBES.iter().zip(alone.rows_mut()) {
            row.assign(&self.encode(&[text], Role::Document)?.vectors.row(0));
        }
        let flat = |vectors: &ndarray::Array2<f32>| vectors.iter().copied().collect::<Vec<f32>>();
        let vectors = flat(&together.vectors);
        let mut checks = vec![
            finite(&vectors),
            distinct(&rows_of(&together.vectors)),
            within("batch neighbours do not change a vector", &vectors, &flat(&alone), PADDING_TOLERANCE),
            within("padding does not change a vector", &vectors, &flat(&padded.vectors), PADDING_TOLERANCE),
        ];
        checks.extend(self.golden_check()?);
        Ok(checks)
    }

    /// Checks that this encoder's vectors of the probe texts point in the same direction as those
    /// of `reference`, the same model in another precision.
    ///
    /// # Errors
    /// When encoding fails.
    pub fn agreement_check(&self, reference: &LocalEncoder) -> Result<Check> {
        let vectors = |encoder: &LocalEncoder| match encoder.has_text_vectors() {
            true => Ok(rows_of(&encoder.encode(&PROBES, Role::Document)?.vectors)),
            false => encoder.token_vectors(&PROBES, Role::Document),
        };
        let (found, expected) = (vectors(self)?, vectors(reference)?);
        let cosines = found.iter().zip(&expected).map(|(a, b)| cosine_wide(a, b));
        // `min` would drop NaN, which must fail.
        let least =
            cosines.fold(1.0, |least: f32, cosine| if cosine < least || cosine.is_nan() { cosine } else { least });
        Ok(Check {
            name: "the fastest precision gives the vectors of f32",
            passed: least >= LEAST_AGREEMENT,
            detail: format!("{}: smallest cosine {least:.5}, at least {LEAST_AGREEMENT}", self.precision()),
        })
    }

    /// Checks that the cosines of 300 pairs are close to those of `reference`, the same model in
    /// another precision. Reports the mean difference and that of the 99th percentile. `None` for a
    /// late-interaction model.
    ///
    /// # Errors
    /// When encoding fails.
    pub fn scores_check(&self, reference: &LocalEncoder) -> Result<Option<Check>> {
        if !self.has_text_vectors() {
            return Ok(None);
        }
        let pairs: GoldenPairs = serde_json::from_str(PAIRS).map_err(unreadable)?;
        let cosines = |encoder: &LocalEncoder| -> Result<Vec<f32>> {
            let vectors = |texts: &[String], role| {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                Ok::<_, Error>(rows_of(&encoder.encode(&texts, role)?.vectors))
            };
            let (queries, passages) =
                (vectors(&pairs.queries, Role::Query)?, vectors(&pairs.passages, Role::Document)?);
            Ok(queries.iter().flat_map(|a| passages.iter().map(move |b| cosine_wide(a, b))).collect())
        };
        Ok(Some(score_difference(self.precision(), &cosines(self)?, &cosines(reference)?)))
    }

    /// Does [`LocalEncoder::self_check`] for a late-interaction model, on its token vectors of
    /// documents and queries.
    fn late_self_check(&self) -> Result<Vec<Check>> {
        let mut vectors = [const { Vec::new() }; 3];
        for role in [Role::Document, Role::Query] {
            vectors[0].extend(self.token_vectors(&PROBES, role)?);
            for text in PROBES {
                vectors[1].extend(self.token_vectors(&[text], role)?);
            }
            let padded = CollectedTokens::new(PROBES.len());
            self.encode_each_padded(&PROBES, role, &|index, text| padded.keep(index, text))?;
            vectors[2].extend(padded.into_inner());
        }
        let [together, alone, padded] = vectors.map(|vectors| vectors.concat());
        Ok(vec![
            finite(&together),
            distinct(&self.token_vectors(&PROBES, Role::Document)?),
            within("batch neighbours do not change a vector", &together, &alone, PADDING_TOLERANCE),
            within("padding does not change a vector", &together, &padded, PADDING_TOLERANCE),
        ])
    }

    /// Returns the token vectors of each text, of length 1 and back to back.
    fn token_vectors(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>> {
        let collected = CollectedTokens::new(texts.len());
        self.encode_each(texts, role, &Call::new(), &|index, text| collected.keep(index, text))?;
        Ok(collected.into_inner())
    }

    /// Checks the golden vectors. `None` if there are none for the model, in another precision than
    /// theirs, or if the user changed settings that decide a vector.
    fn golden_check(&self) -> Result<Option<Check>> {
        let known =
            GOLDEN.iter().find(|(name, _)| self.files().entry.as_ref().is_some_and(|entry| entry.name == *name));
        let Some((_, json)) = known.filter(|_| self.is_unchanged() && self.precision() == Precision::F32) else {
            return Ok(None);
        };
        let golden: Golden = serde_json::from_str(json).map_err(unreadable)?;
        let texts: Vec<&str> = golden.texts.iter().map(|golden| golden.text.as_str()).collect();
        let found: Vec<f32> = self.encode(&texts, Role::Document)?.vectors.into_iter().collect();
        let expected: Vec<f32> = golden.texts.into_iter().flat_map(|golden| golden.embedding).collect();
        Ok(Some(within("the vectors are sentence-transformers' own", &found, &expected, GOLDEN_TOLERANCE)))
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::Compute { context: "the golden vectors are unreadable".into(), message: error.to_string() }
}

/// Checks how far scores are from those of f32.
fn score_difference(precision: Precision, found: &[f32], expected: &[f32]) -> Check {
    let mut differences: Vec<f32> = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).collect();
    differences.sort_by(f32::total_cmp);
    let count = differences.len();
    let mean = differences.iter().sum::<f32>() / count.max(1) as f32;
    // NaN is last in the order, and must fail wherever it is.
    let most = differences.get((count * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or(f32::NAN);
    Check {
        name: "the fastest precision gives the scores of f32",
        passed: most <= SCORE_TOLERANCE && !mean.is_nan(),
        detail: format!(
            "{precision}, {count} pairs: difference {mean:.4} in the mean, {most:.4} at the 99th percentile, \
             allowed {SCORE_TOLERANCE}"
        ),
    }
}

/// Collects the token vectors of texts as they arrive.
struct CollectedTokens(Mutex<Vec<Vec<f32>>>);

impl CollectedTokens {
    fn new(texts: usize) -> Self {
        Self(Mutex::new(vec![Vec::new(); texts]))
    }

    fn keep(&self, index: usize, text: &EncodedText<'_>) {
        let mut flat: Vec<f32> = text.tokens.iter().copied().collect();
        flat.chunks_mut(text.tokens.ncols().max(1)).for_each(normalize);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[index] = flat;
    }

    fn into_inner(self) -> Vec<Vec<f32>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rows_of(vectors: &ndarray::Array2<f32>) -> Vec<Vec<f32>> {
    vectors.rows().into_iter().map(|row| row.to_vec()).collect()
}

fn finite(vectors: &[f32]) -> Check {
    let bad = vectors.iter().filter(|component| !component.is_finite()).count();
    Check {
        name: "every component is a finite number",
        passed: bad == 0,
        detail: format!("{bad} of {} are not", vectors.len()),
    }
}

fn distinct(rows: &[Vec<f32>]) -> Check {
    let pairs = (0..rows.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    let differ = |a: &[f32], b: &[f32]| a.len() != b.len() || a.iter().zip(b).any(|(x, y)| (x - y).abs() > SAME_VECTOR);
    let apart = |&(a, b): &(usize, usize)| differ(&rows[a], &rows[b]);
    let same = pairs.filter(|pair| !apart(pair)).count();
    Check {
        name: "different texts have different vectors",
        passed: same == 0,
        detail: format!("{same} pairs are equal"),
    }
}

pub(super) fn within(name: &'static str, found: &[f32], expected: &[f32], tolerance: f32) -> Check {
    // `max` would drop NaN; a NaN difference must fail.
    let largest = found
        .iter()
        .zip(expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0_f32, |m, d| if d > m || d.is_nan() { d } else { m });
    let passed = found.len() == expected.len() && largest <= tolerance;
    Check { name, passed, detail: format!("largest difference {largest:.1e}, allowed {tolerance:.0e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_and_missing_components_fail() {
        assert!(within("", &[1.0, 2.0], &[1.0, 2.0], 0.0).passed);
        assert!(!within("", &[1.0, f32::NAN], &[1.0, 2.0], 1.0).passed);
        assert!(!within("", &[1.0], &[1.0, 2.0], 1.0).passed);
        assert!(!finite(&[0.0, f32::INFINITY]).passed);
    }

    #[test]
    fn the_score_that_99_of_100_pairs_stay_below_decides() {
        let differ = |by: &dyn Fn(usize) -> f32| {
            let found: Vec<f32> = (0..300).map(by).collect();
            score_difference(Precision::I8, &found, &[0.0; 300])
        };
        let three = differ(&|at| if at < 3 { 0.5 } else { 0.01 });
        assert!(three.passed && three.detail.contains("0.0149 in the mean, 0.0100 at"), "{}", three.detail);
        assert!(!differ(&|at| if at < 4 { 0.5 } else { 0.01 }).passed);
        assert!(!differ(&|at| if at == 0 { f32::NAN } else { 0.0 }).passed);
        assert!(!score_difference(Precision::I8, &[], &[]).passed);
    }

    #[test]
    fn golden_vectors_are_readable() {
        let pairs: GoldenPairs = serde_json::from_str(PAIRS).unwrap();
        assert_eq!(pairs.queries.len() * pairs.passages.len(), 300);
        for (name, json) in GOLDEN {
            let golden: Golden = serde_json::from_str(json).unwrap();
            assert!(golden.texts.len() >= 3, "{name}");
        }
    }
}

//! The self-check of a loaded cross-encoder, which `nearsort models verify` runs.

use super::super::check::{Check, within};
use super::CrossEncoder;
use crate::Result;
use crate::call::Call;

/// Largest difference of a logit that padding and, on a GPU, neighbours may cause, by rounding of
/// sums in another order. Logits reach 10 and more.
const TOLERANCE: f32 = 1e-4;

/// Texts of very different lengths, so that a rectangle of them is mostly padding.
const QUERY: &str = "when do the boats leave the harbour";
const PROBES: [&str; 4] = [
    "x",
    "The boats leave the harbour at seven.",
    "Rain fell on the harbour all night, and in the morning the boats lay still under a grey sky while the harbour master \
     counted them twice, wrote the number into his book and went back to bed.",
    "数字 12345 and Ünïcödé, mixed.",
];

impl CrossEncoder {
    /// Scores probe pairs and checks that the logits are finite and differ, and that neighbours and
    /// padding do not change them.
    ///
    /// # Errors
    /// When scoring fails. A wrong logit is not an error but a [`Check`] that did not pass.
    pub fn self_check(&self) -> Result<Vec<Check>> {
        let of = |texts: &[&str]| {
            let pairs: Vec<(usize, usize)> = (0..texts.len()).map(|text| (0, text)).collect();
            self.logits(&[QUERY], texts, &pairs, &Call::new()).map(|scored| scored.logits)
        };
        let together = of(&PROBES)?;
        let alone = PROBES.iter().map(|text| of(&[text])).collect::<Result<Vec<_>>>()?.concat();
        let padded = self.logits_padded(QUERY, &PROBES)?;
        let bad = together.iter().filter(|logit| !logit.is_finite()).count();
        let pairs = (0..together.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let same = pairs.filter(|&(a, b)| together[a] == together[b]).count();
        let detail = |count: usize, what: &str| format!("{count} {what}");
        Ok(vec![
            Check {
                name: "every logit is a finite number",
                passed: bad == 0,
                detail: detail(bad, &format!("of {} are not", together.len())),
            },
            Check {
                name: "different texts have different logits",
                passed: same == 0,
                detail: detail(same, "pairs are equal"),
            },
            within("batch neighbours do not change a logit", &together, &alone, TOLERANCE),
            within("padding does not change a logit", &together, &padded, TOLERANCE),
        ])
    }
}

//! The checks: each looks at what was seen and measured, and is silent when nothing is wrong.

mod judgements;
mod quality;
mod scores;
mod texts;

use super::choice::Gain;
use super::finding::{Finding, FindingKind, Severity};
use super::lists::Scene;
use super::report::{Agreement, Counts, Duplicates, Lengths, Quality, Recommendation, Spread, TrialResult};
use crate::Result;
use crate::eval::Comparison;

/// All that was measured.
pub(super) struct Measured<'a> {
    pub counts: &'a Counts,
    pub quality: Option<&'a Quality>,
    pub gains: Option<&'a Gains>,
    pub better_depth: Option<(usize, Comparison)>,
    pub recommendation: Option<&'a Recommendation>,
    pub agreement: Option<&'a (Agreement, Vec<f64>)>,
    pub spread: &'a Spread,
    pub lengths: &'a Lengths,
    pub duplicates: &'a Duplicates,
    pub same_pairs: &'a [String],
    pub near_pairs: &'a [String],
    pub trials: &'a [TrialResult],
}

/// Cross-validated gains over the setting when one thing is changed.
pub(super) struct Gains {
    pub scoring: Gain,
    pub blend: Gain,
}

/// Every finding, the gravest first.
pub(super) fn findings(scene: &Scene<'_>, measured: &Measured<'_>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    findings.extend(judgements::findings(scene, measured));
    findings.extend(quality::findings(scene, measured));
    findings.extend(scores::findings(scene, measured)?);
    findings.extend(texts::findings(scene, measured));
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.name));
    Ok(findings)
}

/// A share as people write it.
fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent > 0.0 && percent < 1.0 => format!("{percent:.2} %"),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

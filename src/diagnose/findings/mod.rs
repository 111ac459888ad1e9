//! The checks. Each one examines the measurements, and returns nothing if all is well.

mod judgements;
mod quality;
mod scores;
mod texts;

use super::finding::{Finding, FindingKind, Severity};
use super::lists::Scene;
use super::measured::{Gains, Measurements};
use crate::Result;

/// Returns all findings, the most severe first.
pub(super) fn findings(scene: &Scene<'_>, measured: &Measurements) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    findings.extend(judgements::findings(scene, measured));
    findings.extend(quality::findings(scene, measured));
    findings.extend(scores::findings(scene, measured)?);
    findings.extend(texts::findings(scene, measured));
    findings.sort_by_key(|finding| (std::cmp::Reverse(finding.severity), finding.name));
    Ok(findings)
}

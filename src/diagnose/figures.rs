//! Numbers in the form of findings and reports.

use crate::eval::Interval;

/// Number of ids that a finding shows.
pub(super) const EXAMPLES: usize = 5;

/// Returns the share of a part; 0 if the whole is 0.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Returns the median, the lower one of two middle values; 0 without values.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    if values.is_empty() { 0.0 } else { values[(values.len() - 1) / 2] }
}

/// Formats a difference with its interval.
pub(super) fn interval(found: &Interval) -> String {
    format!("{:+.3} (95 % interval {:+.3} to {:+.3})", found.mean, found.low, found.high)
}

pub(super) fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

/// Formats a share in percent.
pub(super) fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent > 0.0 && percent < 1.0 => format!("{percent:.2} %"),
        percent if percent < 10.0 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

//! Counts of values by bins of equal width.

use super::report::Histogram;

/// Number of bins that a chart shows well.
const BINS: usize = 40;

impl Histogram {
    /// Counts values between two bounds. Values beyond them go into the outer bins.
    pub(super) fn between(low: f64, high: f64, values: impl IntoIterator<Item = f64>) -> Self {
        let mut counts = vec![0; BINS];
        let width = (high - low) / BINS as f64;
        for value in values {
            let bin = if width > 0.0 { ((value - low) / width) as usize } else { 0 };
            counts[bin.min(BINS - 1)] += 1;
        }
        if counts.iter().all(|&count| count == 0) {
            counts.clear();
        }
        Self { low, high, counts }
    }

    /// Counts values between the smallest and the largest.
    pub(super) fn of(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if values.is_empty() { Self::default() } else { Self::between(low, high, values.iter().copied()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        let found = Histogram::of(&[0.0, 0.01, 0.5, 1.0]);
        assert_eq!((found.low, found.high, found.counts.len()), (0.0, 1.0, BINS));
        assert_eq!((found.counts[0], found.counts[BINS / 2], found.counts[BINS - 1]), (2, 1, 1));
        assert_eq!(Histogram::of(&[0.3, 0.3]).counts[0], 2);
        assert_eq!(Histogram::of(&[]), Histogram::default());
    }
}

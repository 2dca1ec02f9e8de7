//! The median and its interval, from order statistics alone.
//!
//! Must never assume a distribution: slices on a shared machine have none that is known.

/// The least coverage that an interval is to have.
const COVERAGE: f64 = 0.95;

/// A median with the interval that holds the true one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The sample's median.
    pub median: f64,
    /// The interval's lower end, itself a sample.
    pub low: f64,
    /// The interval's upper end, itself a sample.
    pub high: f64,
    /// The probability that the interval holds the true median. Below 0.95
    /// when there are fewer than six samples: then it spans all of them.
    pub coverage: f64,
    /// How many samples.
    pub count: usize,
}

impl Estimate {
    /// From samples in any order; `None` without samples.
    ///
    /// The interval reaches from the k-th smallest to the k-th largest sample.
    /// A sample lies below the true median with probability 1/2, so it misses
    /// with probability 2 P(Binomial(n, 1/2) < k) (David and Nagaraja, *Order
    /// Statistics*, 3rd ed., section 7.1); k is the largest that keeps 95 %.
    pub fn of(samples: &[f64]) -> Option<Self> {
        let sorted = sorted(samples);
        let count = sorted.len();
        let median = median_of_sorted(&sorted)?;
        let (skipped, coverage) = widest_skip(count);
        Some(Self {
            median,
            low: sorted[skipped],
            high: sorted[count - 1 - skipped],
            coverage,
            count,
        })
    }

    /// Whether the two intervals have a point in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// The median; `None` without samples.
pub fn median(samples: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(samples))
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, *upper))
}

/// How many samples to leave out at each end, and the coverage that remains.
fn widest_skip(count: usize) -> (usize, f64) {
    // 0.5^n leaves the range of an f64 only past a thousand samples.
    let mut term = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut below = term;
    let mut best = (0, 1.0 - 2.0 * below);
    for skipped in 1..count / 2 {
        term *= (count - skipped + 1) as f64 / skipped as f64;
        below += term;
        let coverage = 1.0 - 2.0 * below;
        if coverage < COVERAGE {
            break;
        }
        best = (skipped, coverage);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(count: usize) -> Vec<f64> {
        (1..=count).rev().map(|n| n as f64).collect()
    }

    #[test]
    fn median_of_odd_even_and_nothing() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(Estimate::of(&[]), None);
    }

    /// Ranks and coverages as printed in tables of the sign test's interval.
    #[test]
    fn interval_has_the_ranks_of_the_tables() {
        for (count, rank, coverage) in [
            (6, 1, 0.969),
            (10, 2, 0.979),
            (20, 6, 0.959),
            (25, 8, 0.957),
            (50, 18, 0.967),
        ] {
            let estimate = Estimate::of(&counting(count)).unwrap();
            assert_eq!(estimate.low, rank as f64, "n = {count}");
            assert_eq!(estimate.high, (count + 1 - rank) as f64, "n = {count}");
            assert!((estimate.coverage - coverage).abs() < 0.0006, "n = {count}");
        }
    }

    #[test]
    fn few_samples_span_all_and_admit_their_coverage() {
        let estimate = Estimate::of(&counting(3)).unwrap();
        assert_eq!((estimate.low, estimate.high), (1.0, 3.0));
        assert!((estimate.coverage - 0.75).abs() < 1e-9);
        let one = Estimate::of(&[7.0]).unwrap();
        assert_eq!((one.low, one.high, one.coverage), (7.0, 7.0, 0.0));
    }

    #[test]
    fn one_wild_slice_moves_neither_median_nor_interval_far() {
        let mut samples = counting(25);
        samples[0] = 1e9;
        let estimate = Estimate::of(&samples).unwrap();
        assert_eq!(estimate.median, 13.0);
        assert_eq!(estimate.high, 18.0);
    }

    #[test]
    fn overlap_is_symmetric_and_counts_the_ends() {
        let of = |low, high| Estimate {
            median: low,
            low,
            high,
            coverage: 0.95,
            count: 9,
        };
        assert!(of(1.0, 2.0).overlaps(&of(2.0, 3.0)));
        assert!(of(2.0, 3.0).overlaps(&of(1.0, 2.0)));
        assert!(of(1.0, 9.0).overlaps(&of(3.0, 4.0)));
        assert!(!of(1.0, 2.0).overlaps(&of(2.1, 3.0)));
    }
}

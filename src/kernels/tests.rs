//! A test suite for every instruction set that this processor has, against the scalar kernels.

use super::scalar::{bf16_to_f32, cosine_wide, f16_to_f32};
use super::*;

/// Every length up to several chunks of the widest lane, with every tail.
const LENGTHS: std::ops::RangeInclusive<usize> = 0..=257;

/// Tolerance between two sums in different orders. A sum of `n` products in any order differs from
/// the exact one by at most about `n * 2^-24` of the sum of absolute products, and two of them by
/// twice that: 257 * 2^-24 * 2 = 3.1e-5.
const SUM_TOLERANCE: f32 = 3.1e-5;

/// Tolerance for VDPBF16PS, which treats subnormal operands as zero: an error below the smallest
/// normal f32 per element.
const SUBNORMAL_TOLERANCE: f32 = 257.0 * f32::MIN_POSITIVE;

/// A small generator (SplitMix64). The tests need variety, not statistics, and the same values on
/// every run.
pub(super) struct Values(u64);

impl Values {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Returns a number in [-1, 1).
    pub(super) fn f32(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
    /// Returns a finite half in about [-2, 2), possibly subnormal.
    fn f16(&mut self) -> u16 {
        let bits = self.next() as u16;
        if bits & 0x7fff < 0x4000 { bits } else { bits & 0xbfff }
    }
    /// Returns the upper half of a float in [-1, 1).
    fn bf16(&mut self) -> u16 {
        (self.f32().to_bits() >> 16) as u16
    }
    /// Returns any value, -128 included.
    fn i8(&mut self) -> i8 {
        self.next() as i8
    }
    pub(super) fn vec<T>(&mut self, len: usize, mut next: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..len).map(|_| next(self)).collect()
    }
}

pub(super) fn every_isa() -> impl Iterator<Item = Kernels> {
    Isa::available().filter_map(Kernels::for_isa)
}

fn scalar() -> Kernels {
    Kernels::for_isa(Isa::Scalar).expect("the scalar kernels are always there")
}

/// Checks one float type at all lengths, from unaligned starts, against the scalar kernel.
fn check_floats<E: Copy>(
    dot: impl Fn(&Kernels) -> Dot<E, f32>,
    mut next: impl FnMut(&mut Values) -> E,
    widen: impl Fn(E) -> f32,
) {
    let oracle = dot(&scalar());
    let mut values = Values(1);
    for len in LENGTHS {
        for start in [0, 1, 3] {
            let a = values.vec(start + len, &mut next);
            let b = values.vec(start + 1 + len, &mut next);
            let (a, b) = (&a[start..], &b[start + 1..]);
            let expected = oracle.pair(a, b);
            let size: f32 = a.iter().zip(b).map(|(&x, &y)| (widen(x) * widen(y)).abs()).sum();
            for kernels in every_isa() {
                let found = dot(&kernels).pair(a, b);
                let tolerance = SUM_TOLERANCE * size + SUBNORMAL_TOLERANCE;
                let isa = kernels.isa();
                assert!((found - expected).abs() <= tolerance, "{isa}, length {len}: {found}, expected {expected}");
                let norm: f32 = a.iter().map(|&x| widen(x) * widen(x)).sum::<f32>().sqrt();
                let found = dot(&kernels).norm(a);
                assert!((found - norm).abs() <= SUM_TOLERANCE * norm + 1e-18, "{isa}, length {len}: norm {found}");
            }
        }
    }
}

#[test]
fn f32_agrees_with_scalar_at_all_lengths() {
    check_floats(|k| k.dot_f32, Values::f32, |x| x);
}

#[test]
fn f16_agrees_with_scalar_at_all_lengths() {
    check_floats(|k| k.dot_f16, Values::f16, f16_to_f32);
}

#[test]
fn bf16_agrees_with_scalar_at_all_lengths() {
    check_floats(|k| k.dot_bf16, Values::bf16, bf16_to_f32);
}

#[test]
fn i8_equals_scalar_at_all_lengths() {
    let mut values = Values(2);
    for len in LENGTHS {
        for start in [0, 1, 3] {
            let a = values.vec(start + len, Values::i8);
            let b = values.vec(start + len, Values::i8);
            let (a, b) = (&a[start..], &b[start..]);
            let expected: i64 = a.iter().zip(b).map(|(&x, &y)| i64::from(x) * i64::from(y)).sum();
            for kernels in every_isa() {
                assert_eq!(i64::from(kernels.dot_i8.pair(a, b)), expected, "{}, length {len}", kernels.isa());
            }
        }
    }
}

/// Compares the scores of pairs, rows and blocks of every size around the tiles, as bits.
fn check_one_score_per_pair<E: Copy, S: Copy + PartialEq + Default + std::fmt::Debug>(
    dot: impl Fn(&Kernels) -> Dot<E, S>,
    mut next: impl FnMut(&mut Values) -> E,
    bits: impl Fn(S) -> u32,
) {
    let mut values = Values(3);
    // The last two are longer than the part of a single query that is kept, for any width.
    for dim in [1, 7, 16, 33, 64, 100, 129, 200, 1_031, 8_229] {
        let many = if dim > 200 { 12 } else { 2_000 };
        for (num_queries, num_rows) in [(1, 1), (1, 11), (2, 5), (3, 4), (4, 9), (5, 3), (9, 10), (2, many)] {
            let queries = values.vec(num_queries * dim, &mut next);
            let rows = values.vec(num_rows * dim, &mut next);
            for kernels in every_isa() {
                let dot = dot(&kernels);
                let mut block = vec![S::default(); num_queries * num_rows];
                dot.block(&queries, &rows, dim, &mut block);
                for (q, query) in queries.chunks(dim).enumerate() {
                    let mut scores = vec![S::default(); num_rows];
                    dot.rows(query, &rows, &mut scores);
                    for (r, row) in rows.chunks(dim).enumerate() {
                        let pair = bits(dot.pair(query, row));
                        let place = format!("{}, dim {dim}, query {q}, row {r} of {num_rows}", kernels.isa());
                        assert_eq!(bits(scores[r]), pair, "rows: {place}");
                        assert_eq!(bits(block[r * num_queries + q]), pair, "block: {place}");
                    }
                }
            }
        }
    }
}

#[test]
fn f32_pair_rows_and_block_are_bit_equal() {
    check_one_score_per_pair(|k| k.dot_f32, Values::f32, f32::to_bits);
}

#[test]
fn f16_pair_rows_and_block_are_bit_equal() {
    check_one_score_per_pair(|k| k.dot_f16, Values::f16, f32::to_bits);
}

#[test]
fn bf16_pair_rows_and_block_are_bit_equal() {
    check_one_score_per_pair(|k| k.dot_bf16, Values::bf16, f32::to_bits);
}

#[test]
fn i8_pair_rows_and_block_are_equal() {
    check_one_score_per_pair(|k| k.dot_i8, Values::i8, |x| x as u32);
}

#[test]
fn i8_extremes_do_not_overflow_up_to_the_longest_vector() {
    let lowest = vec![-128i8; MAX_I8_LEN];
    let highest = vec![127i8; MAX_I8_LEN];
    let len = MAX_I8_LEN as i64;
    for kernels in every_isa() {
        let dot = |a, b| i64::from(kernels.dot_i8.pair(a, b));
        assert_eq!(dot(&lowest, &lowest), len * 128 * 128, "{}", kernels.isa());
        assert_eq!(dot(&lowest, &highest), -len * 128 * 127, "{}", kernels.isa());
        assert_eq!(dot(&highest, &lowest), -len * 128 * 127, "{}", kernels.isa());
        assert_eq!(dot(&highest, &highest), len * 127 * 127, "{}", kernels.isa());
    }
}

#[test]
#[should_panic(expected = "could overflow")]
fn i8_vectors_that_could_overflow_are_refused() {
    let long = vec![0i8; MAX_I8_LEN + 1];
    Kernels::best().dot_i8.pair(&long, &long);
}

/// Checks that a special value at every position of a vector shows in the score, in any lane or
/// tail.
#[test]
fn nan_and_infinity_reach_the_score_from_every_position() {
    for len in [1, 5, 16, 31, 64, 97] {
        for at in 0..len {
            for kernels in every_isa() {
                let isa = kernels.isa();
                let mut a = vec![1.0f32; len];
                let ones = a.clone();
                a[at] = f32::NAN;
                assert!(kernels.dot_f32.pair(&a, &ones).is_nan(), "{isa} {len} {at}");
                a[at] = f32::NEG_INFINITY;
                assert_eq!(kernels.dot_f32.pair(&ones, &a), f32::NEG_INFINITY, "{isa} {len} {at}");
                for (dot, one, infinity, nan) in
                    [(kernels.dot_f16, 0x3c00, 0x7c00, 0x7e01), (kernels.dot_bf16, 0x3f80, 0x7f80, 0x7fc1)]
                {
                    let ones = vec![one; len];
                    let mut a = ones.clone();
                    a[at] = nan;
                    assert!(dot.pair(&a, &ones).is_nan(), "{isa} {len} {at}");
                    a[at] = infinity;
                    assert_eq!(dot.pair(&ones, &a), f32::INFINITY, "{isa} {len} {at}");
                }
            }
        }
    }
}

#[test]
fn values_near_the_ends_of_the_range_survive() {
    for kernels in every_isa() {
        let isa = kernels.isa();
        // Sums of 64 products just below the largest float, and of 64 subnormal products.
        let (large, small) = (vec![1.8e18f32; 64], vec![1e-21f32; 64]);
        let (sum, ones) = (kernels.dot_f32.pair(&large, &large), vec![1.0f32; 64]);
        assert!((sum / (64.0 * 3.24e36) - 1.0).abs() < SUM_TOLERANCE, "{isa}: {sum}");
        let subnormal = kernels.dot_f32.pair(&small, &small);
        assert!((subnormal - 64e-42).abs() < 1e-42, "{isa}: {subnormal}");
        assert_eq!(kernels.dot_f32.pair(&vec![f32::MAX; 64], &ones), f32::INFINITY, "{isa}");
        // The largest half (65504) and the smallest subnormal half (2^-24) are exact in f32.
        assert_eq!(kernels.dot_f16.pair(&[0x7bff; 4], &[0x3c00; 4]), 4.0 * 65504.0, "{isa}");
        assert_eq!(kernels.dot_f16.pair(&[0x0001; 4], &[0x3c00; 4]), 4.0 / (1 << 24) as f32, "{isa}");
    }
}

#[test]
fn halves_widen_exactly() {
    for bits in 0..=u16::MAX {
        let expected = half::f16::from_bits(bits).to_f32();
        let found = f16_to_f32(bits);
        assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()), "{bits:#06x}: {found}");
        for kernels in every_isa() {
            let found = kernels.dot_f16.pair(&[bits], &[0x3c00]);
            assert!(
                found == expected || (found.is_nan() && expected.is_nan()),
                "{} {bits:#06x}: {found}",
                kernels.isa()
            );
        }
        let (found, expected) = (bf16_to_f32(bits), half::bf16::from_bits(bits).to_f32());
        assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()), "{bits:#06x}: {found}");
    }
}

#[test]
fn empty_vectors_score_zero() {
    for kernels in every_isa() {
        assert_eq!(kernels.dot_f32.pair(&[], &[]), 0.0);
        let mut scores = [1, 2, 3];
        kernels.dot_i8.rows(&[], &[], &mut scores);
        assert_eq!(scores, [0, 0, 0]);
        kernels.dot_f32.block(&[], &[1.0; 6], 3, &mut []);
        kernels.dot_f32.block(&[1.0; 6], &[], 3, &mut []);
    }
}

#[test]
fn wrong_lengths_panic_before_any_memory_is_read() {
    let panics = |f: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err();
    for kernels in every_isa() {
        let dot = kernels.dot_f32;
        assert!(panics(&|| assert!(dot.pair(&[0.0; 2], &[0.0; 3]) < 1.0)));
        assert!(panics(&|| dot.rows(&[0.0; 2], &[0.0; 5], &mut [0.0; 2])));
        assert!(panics(&|| dot.rows(&[0.0; 2], &[0.0; 4], &mut [0.0; 3])));
        assert!(panics(&|| dot.block(&[0.0; 5], &[0.0; 4], 2, &mut [0.0; 4])));
        assert!(panics(&|| dot.block(&[0.0; 4], &[0.0; 4], 2, &mut [0.0; 3])));
        assert!(panics(&|| dot.rows(&[], &[0.0; 4], &mut [0.0; 3])));
    }
}

#[test]
fn the_list_of_instruction_sets_ends_with_scalar_and_starts_with_the_detected_one() {
    let available: Vec<Isa> = Isa::available().collect();
    assert_eq!(available.last(), Some(&Isa::Scalar));
    assert_eq!(available.first(), Some(&Isa::detect()));
    assert_eq!(Kernels::best().isa(), Isa::detect());
    assert!(Isa::ALL.is_sorted());
    for isa in Isa::ALL {
        assert_eq!(Kernels::for_isa(isa).map(|k| k.isa()), isa.is_available().then_some(isa), "{isa}");
    }
}

#[test]
fn cosine_wide_keeps_what_f32_squares_lose() {
    assert!((cosine_wide(&[1e-30, 1e-30], &[1e-30, 0.0]) - 0.5f32.sqrt()).abs() < 1e-6);
    assert!((cosine_wide(&[1e30, 1e30], &[0.0, 1e30]) - 0.5f32.sqrt()).abs() < 1e-6);
    assert_eq!(cosine_wide(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
    assert!(cosine_wide(&[f32::NAN, 0.0], &[1.0, 0.0]).is_nan());
}

//! Tests that the kernels refuse shapes that do not fit their slices, and sizes that overflow.

use super::tests::every_isa;
use super::*;

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let gemm = &Kernels::best().gemm_f32;
    let refused = |work: &(dyn Fn() + std::panic::RefUnwindSafe)| std::panic::catch_unwind(work).is_err();
    let run = |a: usize, b: usize, out: usize, columns: usize| {
        let (a, b, mut rows) = (vec![0.0; a], vec![0.0; b], vec![0.0; out]);
        let out = Output::plain(OutputRows::Whole(&mut rows), 16, 0..columns);
        gemm.multiply(Left { rows: &a, stride: 16, m: 2 }, Right::Packed(&b), 16, out);
    };
    run(32, 256, 32, 16);
    assert!(refused(&|| run(31, 256, 32, 16)), "a short");
    assert!(refused(&|| run(32, 255, 32, 16)), "b short");
    assert!(refused(&|| run(32, 256, 31, 16)), "out short");
    assert!(refused(&|| run(32, 256, 32, 15)), "columns not padded");
    let split = |width: usize, stride: usize, out: usize| {
        let (a, b, mut rows) = (vec![0.0; 32], vec![0.0; 512], vec![0.0; out]);
        let plain = Output::plain(OutputRows::Whole(&mut rows), 16, 0..32);
        let out = Output { split: Some(Split { width, stride }), ..plain };
        gemm.multiply(Left { rows: &a, stride: 16, m: 2 }, Right::Packed(&b), 16, out);
    };
    split(16, 32, 64);
    assert!(refused(&|| split(16, 32, 63)), "out short for two matrices");
    assert!(refused(&|| split(8, 32, 64)), "matrices not padded");
    assert!(refused(&|| split(16, 8, 64)), "matrices overlap");
}

/// Sizes for which products and sums overflow.
const ABSURD: [usize; 7] = [usize::MAX, usize::MAX - 15, 1 << 63, (1 << 62) + 16, 1 << 61, 1 << 60, (1 << 60) + 16];

/// Returns true if a call refuses its sizes, with or without overflow checks.
pub(super) fn is_refused(call: impl FnOnce()) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err()
}

/// Returns `m` rows as the left operand of a product.
pub(super) fn left<T>(rows: &[T], stride: usize, m: usize) -> Left<'_, T> {
    Left { rows, stride, m }
}

#[test]
fn absurd_sizes_of_float_products_are_refused() {
    for kernels in every_isa() {
        let gemm = &kernels.gemm_f32;
        let (a, b) = (vec![1.0; 64], vec![1.0; 16 * gemm.nr()]);
        let multiply =
            |a: Left<'_, f32>, b: Right<'_, f32>, k: usize, stride: usize, columns: usize, split: Option<Split>| {
                let mut out = vec![0.0; 4 * gemm.nr()];
                let rows = OutputRows::Whole(&mut out);
                is_refused(|| gemm.multiply(a, b, k, Output { split, ..Output::plain(rows, stride, 0..columns) }))
            };
        let (packed, nr) = (Right::Packed(&b[..]), gemm.nr());
        assert!(!multiply(left(&a, 16, 4), packed, 16, nr, nr, None));
        for absurd in ABSURD {
            let isa = kernels.isa();
            assert!(multiply(left(&a, absurd, 2), packed, 16, nr, nr, None), "{isa}: Left.stride {absurd}");
            assert!(multiply(left(&a, 0, absurd), packed, 16, 0, nr, None), "{isa}: Left.m {absurd}");
            assert!(multiply(left(&a, 16, absurd), packed, 16, nr, nr, None), "{isa}: Left.m {absurd}");
            assert!(multiply(left(&a, 16, 1), packed, absurd, nr, nr, None), "{isa}: k {absurd}");
            assert!(multiply(left(&a, 16, 2), packed, 16, absurd, nr, None), "{isa}: Output.stride {absurd}");
            assert!(multiply(left(&a, 16, 1), packed, 16, nr, absurd, None), "{isa}: columns {absurd}");
            let row_major = Right::RowMajor(&b[..], absurd);
            assert!(multiply(left(&a, 16, 2), row_major, 16, nr, nr, None), "{isa}: RowMajor {absurd}");
            for split in [Split { width: 16, stride: absurd }, Split { width: absurd, stride: absurd }] {
                let refused = multiply(left(&a, 16, 2), packed, 16, 16, 32.min(nr), Some(split));
                assert!(refused || nr == 16, "{isa}: {split:?}");
            }
            // A single row has no next one, so its stride has no meaning.
            assert!(!multiply(left(&a, absurd, 1), packed, 16, absurd, nr, None), "{isa}: one row, {absurd}");
        }
        assert!(multiply(left(&a, 16, 2), Right::RowMajor(&b, 0), 16, nr, nr, None), "rows that overlap");
    }
}

#[test]
fn absurd_sizes_of_maxima_and_transpositions_are_refused() {
    for kernels in every_isa() {
        let (gemm, ops) = (&kernels.gemm_f32, &kernels.elementwise);
        let (a, b) = (vec![1.0; 64], vec![1.0; 16 * gemm.nr()]);
        for absurd in ABSURD {
            let mut out = vec![0.0; gemm.nr()];
            assert!(is_refused(|| gemm.column_max(left(&a, absurd, 2), &b, 16, &mut out)));
            assert!(is_refused(|| gemm.column_max(left(&a, 0, absurd), &b, 16, &mut out)));
            assert!(is_refused(|| gemm.column_max(left(&a, 16, 1), &b, absurd, &mut out)));
            assert!(!is_refused(|| gemm.column_max(left(&a, 0, absurd), &b, 0, &mut out)));
            assert!(is_refused(|| ops.transpose(&a, absurd, 2, 16, &mut out)));
            assert!(is_refused(|| ops.transpose(&a, 0, absurd, 16, &mut out)));
            assert!(is_refused(|| ops.transpose(&a, 16, 2, absurd, &mut out)));
            assert!(is_refused(|| ops.transpose(&a, 16, absurd, 16, &mut out)));
        }
    }
}

#[test]
fn absurd_sizes_of_integer_products_are_refused() {
    for kernels in every_isa() {
        let gemm = &kernels.gemm_i8;
        let (rows, nr) = (vec![1.0; 64], gemm.nr());
        for absurd in ABSURD {
            let (mut codes, mut scales, mut zeros) = (vec![0; 64 * gemm.code_bytes()], vec![0.0; 4], vec![0; 4]);
            let mut quantize = |rows: Left<'_, f32>, k: usize, codes: &mut [u8]| {
                is_refused(|| gemm.quantize_rows(rows, k, codes, &mut scales, &mut zeros))
            };
            assert!(quantize(left(&rows, 0, absurd), 16, &mut []), "m {absurd}");
            assert!(quantize(left(&rows, 16, absurd), 16, &mut codes), "m {absurd}");
            assert!(quantize(left(&rows, absurd, 2), 16, &mut codes), "stride {absurd}");
            assert!(quantize(left(&rows, 16, 1), absurd, &mut codes), "k {absurd}");
            assert!(quantize(left(&[], 0, absurd), 0, &mut []), "m {absurd} of nothing");
            let (panels, sums, column_scales) = (vec![1; 16 * nr], vec![0; nr], vec![1.0; nr]);
            for shape in [Shape { n: nr, k: absurd }, Shape { n: absurd, k: 16 }, Shape { n: absurd, k: absurd }] {
                let packed = PackedI8 { panels: &panels, scales: &column_scales, sums: &sums, shape };
                let quantized = QuantizedRows { codes: &codes, scales: &scales[..1], zeros: &zeros[..1] };
                let mut out = vec![0.0; nr];
                let out = Output::plain(OutputRows::Whole(&mut out), nr, 0..nr);
                assert!(is_refused(|| gemm.multiply(quantized, packed, out)), "{shape:?}");
                let mut panels = panels.clone();
                assert!(is_refused(|| _ = gemm.pack_column(&[1.0], 0, shape, &mut panels)), "{shape:?}");
                let mut floats = vec![0.0; panels.len()];
                let ones = [1.0f32].into_iter();
                assert!(is_refused(|| kernels.gemm_f32.pack_column(ones, 0, shape, &mut floats)), "{shape:?}");
                assert!(shape.len() > panels.len());
            }
            assert!(gemm.max_code(absurd) >= 0);
        }
        assert_eq!(padded_len(usize::MAX), usize::MAX);
        assert_eq!(padded_len(usize::MAX - 15), usize::MAX - 15);
        assert_eq!(Shape::padded(usize::MAX, 1).len(), usize::MAX);
    }
}

#[test]
fn absurd_lengths_of_rows_are_refused_or_hold_nothing() {
    for kernels in every_isa() {
        for absurd in ABSURD {
            // Without queries and rows there is nothing to read, for any length.
            kernels.dot_f32.block(&[], &[], absurd, &mut []);
            kernels.dot_f16.block(&[], &[], absurd, &mut []);
            kernels.dot_bf16.block(&[], &[], absurd, &mut []);
            assert!(is_refused(|| kernels.dot_i8.block(&[], &[], absurd, &mut [])));
            assert!(is_refused(|| kernels.dot_f32.block(&[1.0], &[1.0], absurd, &mut [0.0])));
            let ops = &kernels.elementwise;
            assert!(is_refused(|| ops.layer_norm(&mut [0.0; 16], &[1.0; 16], &[0.0; 16], absurd, 1e-5)));
            assert!(is_refused(|| ops.rms_norm(&mut [0.0; 16], &[1.0; 16], absurd, 1e-5)));
        }
        assert!(is_refused(|| kernels.elementwise.exp_rows(&mut [0.0; 16], &mut [])));
        assert!(is_refused(|| kernels.elementwise.layer_norm(&mut [0.0; 16], &[], &[], 0, 1e-5)));
        assert!(is_refused(|| kernels.elementwise.rms_norm(&mut [0.0; 16], &[1.0; 15], 15, 1e-5)));
        assert!(is_refused(|| kernels.elementwise.rms_norm(&mut [0.0; 15], &[1.0; 16], 16, 1e-5)));
        assert!(is_refused(|| kernels.elementwise.multiply(&mut [0.0; 16], &[0.0; 32])));
        assert!(is_refused(|| kernels.elementwise.to_bf16(&[0.0; 16], &mut [0; 32])));
        assert!(is_refused(|| kernels.elementwise.activate(Activation::Gelu, &mut [0.0; 15])));
        assert!(is_refused(|| _ = kernels.dot_f32.pair(&[0.0; 3], &[0.0; 4])));
    }
}

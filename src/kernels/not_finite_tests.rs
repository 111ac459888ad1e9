//! NaN must survive every operation of the engine: rounding, clamping, comparing and quantising
//! must not turn it into a number.

use super::*;

/// Quiet and signalling NaNs of both signs. A carry turns the first two into zeros.
const NANS: [u32; 6] = [0x7fff_ffff, 0xffff_ffff, 0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xff80_0001];

fn every_isa() -> impl Iterator<Item = Kernels> {
    Isa::available().map(|isa| Kernels::for_isa(isa).unwrap())
}

/// Returns rows of ordinary numbers with one NaN, at every position of a row of 48.
fn rows_with_nan() -> impl Iterator<Item = (usize, Vec<f32>)> {
    (0..48).flat_map(|at| {
        NANS.map(|bits| {
            let mut row: Vec<f32> = (0..48).map(|i| i as f32 / 7.0 - 3.0).collect();
            row[at] = f32::from_bits(bits);
            (at, row)
        })
    })
}

#[test]
fn activations_of_nan_are_nan() {
    let functions = [Activation::None, Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu];
    for kernels in every_isa() {
        for (at, row) in rows_with_nan() {
            for function in functions {
                let mut found = row.clone();
                kernels.elementwise.activate(function, &mut found);
                let bad: Vec<usize> = (0..48).filter(|&i| found[i].is_nan()).collect();
                assert_eq!(bad, [at], "{} {function:?}", kernels.isa());
            }
        }
    }
}

#[test]
fn a_softmax_over_nan_or_infinity_has_a_sum_that_is_nan() {
    for kernels in every_isa() {
        let ordinary: Vec<f32> = (0..48).map(|i| i as f32 / 7.0).collect();
        let infinite = (0..48).map(|at| {
            let mut row = ordinary.clone();
            row[at] = f32::INFINITY;
            (at, row)
        });
        for (at, row) in rows_with_nan().chain(infinite) {
            let (mut rows, mut sums) = ([row, ordinary.clone()].concat(), [0.0; 2]);
            kernels.elementwise.exp_rows(&mut rows, &mut sums);
            assert!(sums[0].is_nan(), "{} at {at}: {}", kernels.isa(), sums[0]);
            assert!(sums[1].is_finite(), "{} at {at}: the neighbour", kernels.isa());
        }
    }
}

#[test]
fn a_norm_over_nan_is_nan() {
    for kernels in every_isa() {
        for (_, mut row) in rows_with_nan() {
            kernels.elementwise.layer_norm(&mut row, &[1.0; 48], &[0.0; 48], 48, 1e-12);
            assert!(row.iter().all(|x| x.is_nan()), "{}", kernels.isa());
        }
        for (_, mut row) in rows_with_nan() {
            kernels.elementwise.rms_norm(&mut row, &[1.0; 48], 48, 1e-6);
            assert!(row.iter().all(|x| x.is_nan()), "{}: an RMS norm", kernels.isa());
        }
    }
}

#[test]
fn rounding_to_bfloat16_makes_no_number_of_nan() {
    for kernels in every_isa() {
        for (at, row) in rows_with_nan() {
            let mut found = vec![0; 48];
            kernels.elementwise.to_bf16(&row, &mut found);
            let bad: Vec<usize> = (0..48).filter(|&i| !half::bf16::from_bits(found[i]).is_finite()).collect();
            assert_eq!(bad, [at], "{}: {:x}", kernels.isa(), row[at].to_bits());
        }
    }
}

#[test]
fn a_quantised_row_with_nan_or_infinity_has_nan_as_its_scale() {
    for kernels in every_isa() {
        let infinities = [f32::INFINITY, f32::NEG_INFINITY].map(|infinity| {
            let mut row = vec![1.0; 48];
            row[47] = infinity;
            (47, row)
        });
        for (at, row) in rows_with_nan().chain(infinities) {
            let rows = [vec![0.5; 48], row, vec![0.0; 48]].concat();
            let mut codes = vec![0; 3 * 48 * kernels.gemm_i8.code_bytes()];
            let (mut scales, mut zeros) = ([0.0; 3], [0; 3]);
            let left = Left { rows: &rows, stride: 48, m: 3 };
            kernels.gemm_i8.quantize_rows(left, 48, &mut codes, &mut scales, &mut zeros);
            assert!(scales[1].is_nan(), "{} at {at}: {}", kernels.isa(), scales[1]);
            assert!(scales[0] > 0.0 && scales[2].to_bits() == 0, "{}: {scales:?}", kernels.isa());
        }
    }
}

//! Tests of the operations on rows between the products, for every instruction set that this
//! processor has, against their definitions in f64.

use super::engine_tests::bf16;
use super::tests::{Values, every_isa};
use super::*;

/// Computes `erf` by its Taylor series, exact to 1e-12 for `|x| < 5`.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn exact_activation(activation: Activation, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::None => x,
        Activation::Gelu => x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => x * sigmoid(2.0 * (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))),
        Activation::Relu => x.max(0.0),
        Activation::Silu => x * sigmoid(x),
    }
}

#[test]
fn activations_agree_with_their_definitions() {
    let functions = [Activation::None, Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu];
    let xs: Vec<f32> =
        (0..6400).map(|i| (i as f32 - 3200.0) / 256.0).chain((0..16).map(|i| 1e3 * (i as f32 - 8.0))).collect();
    for kernels in every_isa() {
        for activation in functions {
            let mut found = xs.clone();
            kernels.elementwise.activate(activation, &mut found);
            for (x, y) in xs.iter().zip(found) {
                let expected = exact_activation(activation, f64::from(*x));
                let error = (f64::from(y) - expected).abs();
                // The polynomial's own error is 1.3e-6; beyond it f32's rounding of large numbers
                // counts.
                let tolerance = 2e-6 + 4e-7 * f64::from(x.abs());
                assert!(error <= tolerance, "{}: {activation:?}({x}) = {y}, expected {expected}", kernels.isa());
            }
        }
    }
}

#[test]
fn layer_norms_agree_with_their_definition_whatever_the_padding() {
    let mut values = Values::new(10);
    for len in [1, 15, 16, 24, 33, 384, 1000] {
        let padded = padded_len(len);
        let pad = |mut row: Vec<f32>| {
            row.resize(padded, 0.0);
            row
        };
        let gamma = pad(values.vec(len, Values::f32));
        let beta = pad(values.vec(len, Values::f32));
        let rows = [pad(values.vec(len, Values::f32)), pad(vec![3.0; len]), pad(values.vec(len, |v| v.f32() + 100.0))]
            .concat();
        for kernels in every_isa() {
            let mut found = rows.clone();
            kernels.elementwise.layer_norm(&mut found, &gamma, &beta, len, 1e-5);
            for (row, found) in rows.chunks(padded).zip(found.chunks(padded)) {
                let mean = row[..len].iter().map(|x| f64::from(*x)).sum::<f64>() / len as f64;
                let variance = row[..len].iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / len as f64;
                let scale = 1.0 / (variance + 1e-5).sqrt();
                for at in 0..len {
                    let expected = (f64::from(row[at]) - mean) * scale * f64::from(gamma[at]) + f64::from(beta[at]);
                    // The mean of numbers around 100 is off by up to 1e-5, and so is every
                    // difference from it.
                    let tolerance = 2e-6 + 2e-5 * scale * f64::from(row[at].abs()) / 10.0;
                    let error = (f64::from(found[at]) - expected).abs();
                    assert!(error <= tolerance, "{}, length {len}: error {error}", kernels.isa());
                }
                assert!(found[len..].iter().all(|x| *x == 0.0), "{}, length {len}: padding", kernels.isa());
            }
        }
    }
}

#[test]
fn rms_norms_agree_with_their_definition_whatever_the_padding() {
    let mut values = Values::new(14);
    for len in [1, 12, 16, 24, 33, 128, 1000] {
        let padded = padded_len(len);
        let pad = |mut row: Vec<f32>| {
            row.resize(padded, 0.0);
            row
        };
        let gamma = pad(values.vec(len, Values::f32));
        let rows = [pad(values.vec(len, Values::f32)), pad(vec![0.0; len]), pad(values.vec(len, |v| v.f32() - 300.0))];
        for kernels in every_isa() {
            let mut found = rows.concat();
            kernels.elementwise.rms_norm(&mut found, &gamma, len, 1e-6);
            for (row, found) in rows.iter().zip(found.chunks(padded)) {
                let mean = row[..len].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / len as f64;
                for at in 0..len {
                    let expected = f64::from(row[at]) / (mean + 1e-6).sqrt() * f64::from(gamma[at]);
                    let error = (f64::from(found[at]) - expected).abs();
                    assert!(error <= 2e-6 + 1e-6 * expected.abs(), "{}, length {len}: error {error}", kernels.isa());
                }
                assert!(found[len..].iter().all(|x| *x == 0.0), "{}, length {len}: padding", kernels.isa());
            }
        }
    }
}

#[test]
fn exponentials_of_rows_agree_and_minus_infinity_counts_as_nothing() {
    let mut values = Values::new(11);
    for (len, rows) in [(1, 1), (16, 2), (31, 5), (80, 9), (257, 4)] {
        let padded = padded_len(len);
        let row = |values: &mut Values| {
            let mut row: Vec<f32> = values.vec(len, Values::f32).iter().map(|x| x * 40.0).collect();
            row.resize(padded, f32::NEG_INFINITY);
            row
        };
        let given: Vec<f32> = (0..rows).flat_map(|_| row(&mut values)).collect();
        for kernels in every_isa() {
            let (mut found, mut sums) = (given.clone(), vec![0.0; rows]);
            kernels.elementwise.exp_rows(&mut found, &mut sums);
            for ((row, found), sum) in given.chunks(padded).zip(found.chunks(padded)).zip(sums) {
                check_exponentials(kernels.isa(), row, found, sum);
                // A row has the same bits alone and among others.
                let (mut alone, mut alone_sum) = (row.to_vec(), [0.0]);
                kernels.elementwise.exp_rows(&mut alone, &mut alone_sum);
                assert_eq!((alone.as_slice(), alone_sum[0]), (found, sum), "{}", kernels.isa());
            }
        }
    }
}

fn check_exponentials(isa: Isa, row: &[f32], found: &[f32], sum: f32) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exact: f64 = row.iter().map(|x| f64::from(x - largest).exp()).sum();
    assert!((f64::from(sum) - exact).abs() <= 1e-6 * exact, "{isa}: {sum}, expected {exact}");
    for (x, y) in row.iter().zip(found) {
        let expected = f64::from(x - largest).exp();
        assert!((f64::from(*y) - expected).abs() <= 3e-7 * expected + 2e-38, "{isa}: e^{x} = {y}");
    }
}

#[test]
fn transposes_of_all_shapes_are_padded_with_zeros() {
    let mut values = Values::new(12);
    for num_rows in 0..=40 {
        for num_columns in [16, 32, 64] {
            let stride = num_columns + 7;
            let rows = values.vec(num_rows * stride, Values::f32);
            let padded = padded_len(num_rows);
            for kernels in every_isa() {
                let mut out = vec![f32::NAN; num_columns * padded];
                kernels.elementwise.transpose(&rows, stride, num_rows, num_columns, &mut out);
                for (at, x) in out.iter().enumerate() {
                    let (column, row) = (at / padded, at % padded);
                    let expected = if row < num_rows { rows[row * stride + column] } else { 0.0 };
                    assert_eq!(*x, expected, "{}: {num_rows} x {num_columns}, at {at}", kernels.isa());
                }
            }
        }
    }
}

#[test]
fn bf16_rounds_to_nearest_even_and_products_of_rows_multiply() {
    let halves = [1.0, 1.003_906_2, 1.011_718_8, -1.003_906_2, 1.5e-39, 3.0e38, 0.0, -0.0];
    let mut values = Values::new(13);
    let xs: Vec<f32> = halves.into_iter().chain((0..40).map(|_| values.f32())).collect();
    for kernels in every_isa() {
        let mut found = vec![0; xs.len()];
        kernels.elementwise.to_bf16(&xs, &mut found);
        assert_eq!(found, xs.iter().map(|x| bf16(*x)).collect::<Vec<_>>(), "{}", kernels.isa());
        let mut product = xs.clone();
        kernels.elementwise.multiply(&mut product, &xs);
        assert_eq!(product, xs.iter().map(|x| x * x).collect::<Vec<_>>(), "{}", kernels.isa());
    }
}

/// Returns the row operations of this processor, if it has some, and the emulated ones.
fn every_bf16_rows() -> impl Iterator<Item = (Isa, Bf16Rows)> {
    let emulated = Kernels::emulating_bf16_rows();
    let kernels = every_isa().map(|kernels| (kernels.isa(), kernels.bf16_rows));
    kernels.chain([(emulated.isa(), emulated.bf16_rows)]).filter_map(|(isa, rows)| Some((isa, rows?)))
}

#[test]
fn softmaxes_in_bf16_agree_and_minus_infinity_counts_as_nothing() {
    let mut values = Values::new(15);
    for (len, rows) in [(1, 1), (16, 2), (31, 5), (80, 9), (257, 4)] {
        let padded = padded_len(len);
        let row = |values: &mut Values| {
            let mut row: Vec<f32> = values.vec(len, Values::f32).iter().map(|x| x * 20.0).collect();
            row.resize(padded, f32::NEG_INFINITY);
            row
        };
        let given: Vec<f32> = (0..rows).flat_map(|_| row(&mut values)).collect();
        for (isa, ops) in every_bf16_rows() {
            let (mut found, mut sums) = (vec![0; given.len()], vec![0.0; rows]);
            ops.softmax(&given, &mut found, &mut sums);
            for ((row, found), sum) in given.chunks(padded).zip(found.chunks(padded)).zip(sums) {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exact: f64 = row.iter().map(|x| f64::from(x - largest).exp()).sum();
                assert!((f64::from(sum) - exact).abs() <= 1e-4 * exact, "{isa}: {sum}, expected {exact}");
                for (x, y) in row.iter().zip(found) {
                    let (expected, y) = (f64::from(x - largest).exp(), half::bf16::from_bits(*y).to_f64());
                    assert!((y - expected).abs() <= 4e-3 * expected + 3e-38, "{isa}: e^{x} = {y}");
                }
                // A row has the same bits alone and among others.
                let (mut alone, mut alone_sum) = (vec![0; padded], [0.0]);
                ops.softmax(row, &mut alone, &mut alone_sum);
                assert_eq!((alone.as_slice(), alone_sum[0]), (found, sum), "{isa}");
            }
        }
    }
}

#[test]
fn rows_of_bf16_are_rounded_and_packed_in_pairs() {
    let mut values = Values::new(16);
    for (isa, ops) in every_bf16_rows() {
        for (rows, dim, nr) in [(0, 32, 16), (1, 32, 32), (5, 64, 32), (8, 48, 16)] {
            let numbers = values.vec(rows * dim, Values::f32);
            let mut rounded = vec![0; numbers.len()];
            ops.round(&numbers, &mut rounded);
            assert_eq!(rounded, numbers.iter().map(|x| bf16(*x)).collect::<Vec<_>>(), "{isa}");
            let pairs = rows.div_ceil(2);
            let mut packed = vec![0x7fc0; 2 * pairs * dim];
            ops.pack_rows(&rounded, dim, nr, &mut packed);
            for (at, x) in packed.iter().enumerate() {
                let (panel, pair, column, half) = (at / (2 * pairs * nr), at / (2 * nr) % pairs, at / 2 % nr, at % 2);
                let row = 2 * pair + half;
                let expected = if row < rows { rounded[row * dim + panel * nr + column] } else { 0 };
                assert_eq!(*x, expected, "{isa}: {rows} x {dim} in panels of {nr}, at {at}");
            }
        }
    }
}

#[test]
fn transposes_of_pairs_are_padded_with_zeros() {
    let rows: Vec<u16> = (0..5 * 64).collect();
    for kernels in every_isa() {
        let mut out = vec![0x7fc0; 64 * 16];
        kernels.elementwise.transpose_pairs(&rows, 32, &mut out);
        for (at, x) in out.iter().enumerate() {
            let (pair, row, half) = (at / 32, at / 2 % 16, at % 2);
            let expected = if row < 5 { rows[row * 64 + 2 * pair + half] } else { 0 };
            assert_eq!(*x, expected, "{}: at {at}", kernels.isa());
        }
    }
}

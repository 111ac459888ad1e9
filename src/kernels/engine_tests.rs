//! Tests of the engine's kernels, for every instruction set that this processor has, against plain
//! loops in f64 and i64.

use super::refusal_tests::{is_refused, left};
use super::tests::{Values, every_isa};
use super::*;

/// Returns the tolerance of a sum of `k` products. In f32, in any order and with or without fusing,
/// the sum is within `k * 2^-24` of the sum of absolute products. Numbers that are added to it cost
/// a few more roundings.
fn sum_tolerance(k: usize) -> f64 {
    (k + 8) as f64 * 2f64.powi(-24)
}

/// All numbers of rows around the tiles: 1, 2, 4, 6, 8 and 12 rows, and all sums of them below 26.
const ROWS: std::ops::RangeInclusive<usize> = 0..=25;

/// A product of padded shape with all operands that an output can have.
pub(super) struct Case {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) a: Vec<f32>,
    /// Column by column: a linear layer's weights.
    pub(super) b: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) residual: Vec<f32>,
}

impl Case {
    pub(super) fn new(m: usize, n: usize, k: usize, values: &mut Values) -> Self {
        let mut vec = |len: usize| values.vec(len, Values::f32);
        Self { m, n, k, a: vec(m * k), b: vec(n * k), bias: vec(n), residual: vec(m * n) }
    }

    /// Returns the exact product of these operands, and the sum of absolute products.
    fn exact(&self, a: &[f32], b: &[f32], row: usize, column: usize) -> (f64, f64) {
        let products = a[row * self.k..][..self.k].iter().zip(&b[column * self.k..][..self.k]);
        products.fold((0.0, 0.0), |(sum, size), (x, y)| {
            let product = f64::from(*x) * f64::from(*y);
            (sum + product, size + product.abs())
        })
    }

    fn output<'a>(&'a self, rows: &'a mut [f32], add: bool) -> Output<'a> {
        Output { bias: &self.bias, add, ..Output::plain(OutputRows::Whole(rows), self.n, 0..self.n) }
    }

    /// Checks a result that was added to the residual.
    pub(super) fn check(&self, what: &str, a: &[f32], b: &[f32], found: &[f32]) {
        for row in 0..self.m {
            for column in 0..self.n {
                let (sum, size) = self.exact(a, b, row, column);
                let at = row * self.n + column;
                let expected = sum + f64::from(self.bias[column]) + f64::from(self.residual[at]);
                let tolerance = sum_tolerance(self.k) * (size + 2.0);
                let error = (f64::from(found[at]) - expected).abs();
                assert!(error <= tolerance, "{what}: row {row}, column {column}: {} for {expected}", found[at]);
            }
        }
    }
}

/// Returns all shapes of the product tests.
fn cases() -> impl Iterator<Item = Case> {
    let mut values = Values::new(4);
    let shapes = ROWS.flat_map(|m| [(m, 16, 16), (m, 48, 32), (m, 80, 144)]);
    shapes.map(move |(m, n, k)| Case::new(m, n, k, &mut values))
}

fn packed_f32(gemm: &Gemm<f32>, case: &Case) -> Vec<f32> {
    let shape = Shape::padded(case.n, case.k);
    let mut packed = vec![0.0; shape.len()];
    for (column, weights) in case.b.chunks(case.k).enumerate() {
        gemm.pack_column(weights.iter().copied(), column, shape, &mut packed);
    }
    packed
}

#[test]
fn f32_products_agree_with_exact_sums() {
    for case in cases() {
        for kernels in every_isa() {
            let gemm = &kernels.gemm_f32;
            let packed = packed_f32(gemm, &case);
            let left = Left { rows: &case.a, stride: case.k, m: case.m };
            let mut found = case.residual.clone();
            gemm.multiply(left, Right::Packed(&packed), case.k, case.output(&mut found, true));
            case.check(&format!("{}, {} rows", kernels.isa(), case.m), &case.a, &case.b, &found);
        }
    }
}

#[test]
fn row_major_operands_row_scales_and_strides_give_the_same_product() {
    let mut values = Values::new(5);
    for (m, n, k) in [(1, 16, 3), (5, 32, 7), (13, 48, 80)] {
        let case = Case::new(m, n, k, &mut values);
        let (b_stride, a_stride, out_stride) = (n + 5, k + 3, n + 16);
        let mut b = vec![f32::NAN; k * b_stride];
        let mut a = vec![f32::NAN; m * a_stride];
        for row in 0..k {
            (0..n).for_each(|column| b[row * b_stride + column] = case.b[column * k + row]);
        }
        case.a.chunks(k).enumerate().for_each(|(row, from)| a[row * a_stride..][..k].copy_from_slice(from));
        let scales: Vec<f32> = (0..m).map(|row| 0.5 + row as f32).collect();
        for kernels in every_isa() {
            let mut found = vec![7.0; m * out_stride];
            let out = Output { stride: out_stride, bias: &[], row_scales: &scales, ..case.output(&mut found, false) };
            let left = Left { rows: &a, stride: a_stride, m };
            kernels.gemm_f32.multiply(left, Right::RowMajor(&b, b_stride), k, out);
            for (row, found) in found.chunks(out_stride).enumerate() {
                for column in 0..n {
                    let (sum, size) = case.exact(&case.a, &case.b, row, column);
                    let error = (f64::from(found[column]) - sum * f64::from(scales[row])).abs();
                    let tolerance = sum_tolerance(k) * size * f64::from(scales[row]) + 1e-7;
                    assert!(error <= tolerance, "{}: {row}, {column}: error {error}", kernels.isa());
                }
                assert!(found[n..].iter().all(|x| *x == 7.0), "{}: written beyond the columns", kernels.isa());
            }
        }
    }
}

#[test]
fn column_maxima_are_the_maxima_of_the_product() {
    for case in cases() {
        for kernels in every_isa() {
            let gemm = &kernels.gemm_f32;
            let packed = packed_f32(gemm, &case);
            let left = || Left { rows: &case.a, stride: case.k, m: case.m };
            let mut product = vec![0.0; case.m * case.n];
            let out = Output { bias: &[], activation: Activation::None, ..case.output(&mut product, false) };
            gemm.multiply(left(), Right::Packed(&packed), case.k, out);
            let mut found = vec![f32::NAN; case.n];
            gemm.column_max(left(), &packed, case.k, &mut found);
            for (column, found) in found.iter().enumerate() {
                let largest = product.chunks(case.n).map(|row| row[column]).fold(f32::NEG_INFINITY, f32::max);
                // The same sums in the same order have the same bits.
                assert_eq!(found.to_bits(), largest.to_bits(), "{}, {} rows, column {column}", kernels.isa(), case.m);
            }
        }
    }
}

/// Returns the nearest bfloat16 as bits, halves to even.
pub(super) fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn widened(bits: &[u16]) -> Vec<f32> {
    bits.iter().map(|bits| f32::from_bits(u32::from(*bits) << 16)).collect()
}

#[test]
fn bf16_products_agree_with_exact_sums_of_the_rounded_operands() {
    for case in cases() {
        let rounded = |values: &[f32]| values.iter().map(|x| bf16(*x)).collect::<Vec<u16>>();
        let (a, b) = (rounded(&case.a), rounded(&case.b));
        for kernels in every_isa() {
            let gemm = &kernels.gemm_bf16;
            let shape = Shape::padded(case.n, case.k);
            let mut packed = vec![0; shape.len()];
            for (column, weights) in b.chunks(case.k).enumerate() {
                gemm.pack_column(weights.iter().copied(), column, shape, &mut packed);
            }
            let left = Left { rows: &a, stride: case.k, m: case.m };
            let mut found = case.residual.clone();
            gemm.multiply(left, Right::Packed(&packed), case.k, case.output(&mut found, true));
            case.check(&format!("{}, {} rows", kernels.isa(), case.m), &widened(&a), &widened(&b), &found);
        }
    }
}

/// The operands of a case as i8 kernels read them.
struct Quantized {
    codes: Vec<u8>,
    row_scales: Vec<f32>,
    zeros: Vec<i32>,
    panels: Vec<i8>,
    scales: Vec<f32>,
    sums: Vec<i32>,
    shape: Shape,
}

impl Quantized {
    fn new(gemm: &GemmI8, case: &Case) -> Self {
        let shape = Shape::padded(case.n, case.k);
        let mut new = Self {
            codes: vec![0; case.m * case.k * gemm.code_bytes()],
            row_scales: vec![0.0; case.m],
            zeros: vec![0; case.m],
            panels: vec![0; shape.len()],
            scales: vec![0.0; shape.n],
            sums: vec![0; shape.n],
            shape,
        };
        let rows = Left { rows: &case.a, stride: case.k, m: case.m };
        gemm.quantize_rows(rows, case.k, &mut new.codes, &mut new.row_scales, &mut new.zeros);
        for (column, weights) in case.b.chunks(case.k).enumerate() {
            (new.scales[column], new.sums[column]) = gemm.pack_column(weights, column, shape, &mut new.panels);
        }
        new
    }

    fn multiply(&self, gemm: &GemmI8, out: Output<'_>) {
        let left = QuantizedRows { codes: &self.codes, scales: &self.row_scales, zeros: &self.zeros };
        let packed = PackedI8 { panels: &self.panels, scales: &self.scales, sums: &self.sums, shape: self.shape };
        gemm.multiply(left, packed, out);
    }
}

/// Returns the codes of an element and of a weight, by the documented layout and definitions.
fn code(gemm: &GemmI8, x: f32, scale: f32, zero: i32) -> i32 {
    // The kernel's shift of signed codes changes the zero point, which cancels here.
    let shift = if gemm.code_bytes() == 1 && zero < 0 { 128 } else { 0 };
    let zero = zero + shift;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    ((x * inverse).round_ties_even() as i32 + zero) - zero
}

#[test]
fn i8_products_are_the_products_of_the_rounded_operands() {
    for case in cases() {
        for kernels in every_isa() {
            let gemm = &kernels.gemm_i8;
            let quantized = Quantized::new(gemm, &case);
            let mut found = case.residual.clone();
            quantized.multiply(gemm, case.output(&mut found, true));
            for row in 0..case.m {
                for column in 0..case.n {
                    let (sx, sw) = (f64::from(quantized.row_scales[row]), f64::from(quantized.scales[column]));
                    // Rounding a code may go either way at a half: half a step in each element
                    // bounds the difference.
                    let (exact, _) = case.exact(&case.a, &case.b, row, column);
                    let size: f64 = case.a[row * case.k..][..case.k].iter().map(|x| f64::from(x.abs())).sum();
                    let weight: f64 = case.b[column * case.k..][..case.k].iter().map(|w| f64::from(w.abs())).sum();
                    let bound = 0.501 * (sx * weight + sw * size + sx * sw * case.k as f64) + 1e-5;
                    let at = row * case.n + column;
                    let expected = exact + f64::from(case.bias[column]) + f64::from(case.residual[at]);
                    let error = (f64::from(found[at]) - expected).abs();
                    assert!(error <= bound, "{}: {row}, {column}: error {error}, bound {bound}", kernels.isa());
                }
            }
        }
    }
}

#[test]
fn i8_sums_are_exact() {
    // Weights and elements are whole numbers within the codes' range, and scales are powers of two,
    // so that nothing is rounded.
    let mut values = Values::new(6);
    for kernels in every_isa() {
        let gemm = &kernels.gemm_i8;
        for (m, n, k) in [(1, 16, 16), (7, 48, 64), (25, 32, 400)] {
            let top = gemm.max_code(k);
            let mut case = Case::new(m, n, k, &mut values);
            case.b.iter_mut().for_each(|w| *w = (*w * 127.0).round());
            case.b.chunks_mut(k).for_each(|column| column[0] = 127.0);
            let half = (top / 2) as f32;
            case.a.iter_mut().for_each(|x| *x = (*x * half).round());
            // The row's range is exactly that of the codes.
            case.a.chunks_mut(k).for_each(|row| (row[1], row[2]) = (-half, top as f32 - half));
            let quantized = Quantized::new(gemm, &case);
            assert!(
                quantized.row_scales.iter().chain(&quantized.scales).all(|scale| *scale == 1.0),
                "{}",
                kernels.isa()
            );
            assert!(case.a.iter().all(|x| code(gemm, *x, 1.0, 0) == *x as i32));
            let mut found = vec![0.0; m * n];
            let out = Output { bias: &[], ..case.output(&mut found, false) };
            quantized.multiply(gemm, out);
            for row in 0..m {
                for column in 0..n {
                    let (exact, _) = case.exact(&case.a, &case.b, row, column);
                    assert_eq!(found[row * n + column], exact as f32, "{}: {row}, {column}, k {k}", kernels.isa());
                }
            }
        }
    }
}

#[test]
fn i8_extremes_do_not_overflow_for_long_rows() {
    for k in [16, 1536, 4096, 16_384] {
        for kernels in every_isa() {
            let gemm = &kernels.gemm_i8;
            // All elements have the largest code, except one with the other end of the range; all
            // weights are the largest.
            let mut a = vec![1.0; k];
            a[0] = -1e-3;
            for sign in [1.0, -1.0] {
                let zeros = || vec![0.0; 16];
                let case =
                    Case { m: 1, n: 16, k, a: a.clone(), b: vec![sign; 16 * k], bias: zeros(), residual: zeros() };
                let mut found = vec![0.0; 16];
                Quantized::new(gemm, &case).multiply(gemm, case.output(&mut found, false));
                let expected = sign * (k - 1) as f32;
                let near = found.iter().all(|y| (y - expected).abs() <= 0.01 * k as f32);
                assert!(near, "{}, k {k}: {found:?} for {expected}", kernels.isa());
            }
        }
    }
}

/// Checks that the bits of a product are the same for the rows `first..first + m` alone and for
/// columns in parts.
fn check_independence(multiply: impl Fn(&Kernels, &Case, std::ops::Range<usize>, std::ops::Range<usize>) -> Vec<u32>) {
    let mut values = Values::new(7);
    let case = Case::new(25, 80, 144, &mut values);
    for kernels in every_isa() {
        let whole = multiply(&kernels, &case, 0..25, 0..80);
        for rows in [0..1, 3..5, 11..17, 24..25, 0..12, 1..25] {
            let part = multiply(&kernels, &case, rows.clone(), 0..80);
            assert_eq!(part, whole[rows.start * 80..rows.end * 80], "{}, rows {rows:?}", kernels.isa());
        }
        let nr = kernels.gemm_f32.nr();
        let columns = multiply(&kernels, &case, 0..25, nr..80);
        for (row, found) in columns.chunks(80).enumerate() {
            assert_eq!(found[nr..], whole[row * 80..][nr..80], "{}, row {row}", kernels.isa());
        }
    }
}

#[test]
fn a_row_of_a_product_has_the_same_bits_in_every_tile_and_part() {
    check_independence(|kernels, case, rows, columns| {
        let packed = packed_f32(&kernels.gemm_f32, case);
        let left = Left { rows: &case.a[rows.start * case.k..], stride: case.k, m: rows.len() };
        let mut found = vec![0.0; rows.len() * case.n];
        let out = Output { columns, ..case.output(&mut found, false) };
        kernels.gemm_f32.multiply(left, Right::Packed(&packed), case.k, out);
        found.into_iter().map(f32::to_bits).collect()
    });
    check_independence(|kernels, case, rows, columns| {
        let a = case.a[rows.start * case.k..rows.end * case.k].to_vec();
        let part = Case { m: rows.len(), a, b: case.b.clone(), bias: case.bias.clone(), residual: vec![], ..*case };
        let mut found = vec![0.0; rows.len() * case.n];
        let out = Output { columns, ..part.output(&mut found, false) };
        Quantized::new(&kernels.gemm_i8, &part).multiply(&kernels.gemm_i8, out);
        found.into_iter().map(f32::to_bits).collect()
    });
}

#[test]
fn quantised_rows_are_within_half_a_step_and_zero_is_exact() {
    let mut values = Values::new(8);
    for kernels in every_isa() {
        let gemm = &kernels.gemm_i8;
        for k in [16, 48, 1536] {
            for offset in [0.0, 0.9, -0.9] {
                let mut row: Vec<f32> = values.vec(k, Values::f32).iter().map(|x| x + offset).collect();
                row[k / 2] = 0.0;
                let mut codes = vec![0; k * gemm.code_bytes()];
                let (mut scales, mut zeros) = ([0.0], [0]);
                let rows = Left { rows: &row, stride: k, m: 1 };
                gemm.quantize_rows(rows, k, &mut codes, &mut scales, &mut zeros);
                let code = |at: usize| match gemm.code_bytes() {
                    2 => i32::from(i16::from_ne_bytes([codes[2 * at], codes[2 * at + 1]])),
                    // Only signed codes are shifted, and a shifted zero point is never positive.
                    _ if kernels.isa() == Isa::NeonDot => i32::from(codes[at] as i8),
                    _ => i32::from(codes[at]),
                };
                for (at, x) in row.iter().enumerate() {
                    let back = scales[0] * (code(at) - zeros[0]) as f32;
                    assert!((back - x).abs() <= 0.501 * scales[0] + 1e-6, "{}: {x} came back as {back}", kernels.isa());
                }
                assert_eq!(code(k / 2), zeros[0], "{}: zero is not exact", kernels.isa());
            }
        }
        let (mut codes, mut scales, mut zeros) = (vec![1; 32], [1.0], [1]);
        gemm.quantize_rows(Left { rows: &[0.0; 16], stride: 16, m: 1 }, 16, &mut codes, &mut scales, &mut zeros);
        assert_eq!(scales, [0.0], "{}: a row of zeros", kernels.isa());
    }
}

#[test]
fn an_activation_in_a_product_is_the_same_function() {
    let mut values = Values::new(9);
    let case = Case::new(13, 48, 32, &mut values);
    for kernels in every_isa() {
        let packed = packed_f32(&kernels.gemm_f32, &case);
        let run = |activation| {
            let mut found = vec![0.0; case.m * case.n];
            let left = Left { rows: &case.a, stride: case.k, m: case.m };
            let out = Output { activation, ..case.output(&mut found, false) };
            kernels.gemm_f32.multiply(left, Right::Packed(&packed), case.k, out);
            found
        };
        let mut expected = run(Activation::None);
        kernels.elementwise.activate(Activation::Gelu, &mut expected);
        assert_eq!(run(Activation::Gelu), expected, "{}", kernels.isa());
    }
}

#[test]
fn columns_split_into_matrices_are_the_same_numbers() {
    for case in cases() {
        for kernels in every_isa() {
            let packed = packed_f32(&kernels.gemm_f32, &case);
            let quantized = Quantized::new(&kernels.gemm_i8, &case);
            let multiply = |quantised: bool, out: Output<'_>| {
                let left = Left { rows: &case.a, stride: case.k, m: case.m };
                match quantised {
                    true => quantized.multiply(&kernels.gemm_i8, out),
                    false => kernels.gemm_f32.multiply(left, Right::Packed(&packed), case.k, out),
                }
            };
            for (quantised, add) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut whole = vec![0.5; case.m * case.n];
                multiply(quantised, case.output(&mut whole, add));
                let mut found = vec![0.5; case.m * case.n];
                let split = Some(Split { width: 16, stride: case.m * 16 });
                multiply(quantised, Output { stride: 16, split, ..case.output(&mut found, add) });
                for (at, x) in whole.iter().enumerate() {
                    let (row, column) = (at / case.n, at % case.n);
                    let place = (column / 16 * case.m + row) * 16 + column % 16;
                    assert_eq!(found[place].to_bits(), x.to_bits(), "{}: {row}, {column}", kernels.isa());
                }
            }
        }
    }
}

#[test]
fn columns_in_parts_have_the_codes_of_rows_that_hold_the_parts() {
    let mut values = Values::new(9);
    for kernels in every_isa() {
        let gemm = &kernels.gemm_i8;
        for k in [16, 48, 400] {
            let rows = values.vec(3 * k, Values::f32);
            let mut factors = vec![1.0; k];
            (factors[1], factors[k - 1]) = (0.25, 0.5);
            let copies: Vec<u32> = (0..16).map(|copy| if copy < 9 { 1 } else { k as u32 - 1 }).collect();
            let spelled: Vec<f32> = rows
                .chunks(k)
                .flat_map(|row| {
                    let whole: Vec<f32> = row.iter().zip(&factors).map(|(x, factor)| x * factor).collect();
                    let copied: Vec<f32> = copies.iter().map(|&column| whole[column as usize]).collect();
                    [whole, copied].concat()
                })
                .collect();
            let width = k + copies.len();
            let quantized = |rows: &[f32], k: usize, parts: ColumnParts<'_>| {
                let mut codes = vec![0; 3 * width * gemm.code_bytes()];
                let (mut scales, mut zeros) = ([0.0; 3], [0; 3]);
                gemm.quantize_parts(left(rows, k, 3), k, parts, &mut codes, &mut scales, &mut zeros);
                (codes, scales, zeros)
            };
            let found = quantized(&rows, k, ColumnParts { factors: &factors, copies: &copies });
            assert_eq!(found, quantized(&spelled, width, ColumnParts::default()), "{}, {k}", kernels.isa());
        }
        let refused = |parts: ColumnParts<'_>| {
            let (mut codes, mut scales, mut zeros) = (vec![0; 96], [0.0], [0]);
            is_refused(|| gemm.quantize_parts(left(&[1.0; 16], 16, 1), 16, parts, &mut codes, &mut scales, &mut zeros))
        };
        let ones = [1.0; 16];
        assert!(!refused(ColumnParts { factors: &ones, copies: &[15; 16] }));
        assert!(refused(ColumnParts { factors: &ones, copies: &[16; 16] }), "a column that is not there");
        assert!(refused(ColumnParts { factors: &ones, copies: &[1; 8] }), "copies that are not padded");
        assert!(refused(ColumnParts { factors: &ones[1..], copies: &[] }), "fewer factors than columns");
    }
}

#[test]
fn a_packed_column_lies_where_its_panel_says_whatever_its_length() {
    let mut values = Values::new(10);
    for kernels in every_isa() {
        let gemm = &kernels.gemm_i8;
        for k in [1, 3, 16, 255, 256, 258, 784] {
            let shape = Shape::padded(2 * gemm.nr(), k);
            let column = gemm.nr() + 5;
            let weights = values.vec(k, Values::f32);
            let mut panels = vec![0; shape.len()];
            let (scale, sum) = gemm.pack_column(&weights, column, shape, &mut panels);
            assert_eq!(scale, weights.iter().fold(0.0f32, |largest, w| largest.max(w.abs())) / 127.0);
            let mut expected = vec![0; shape.len()];
            for (at, w) in weights.iter().enumerate() {
                let (step, within) = (at / gemm.k_step, at % gemm.k_step);
                let place = (gemm.nr() * shape.k) + (step * gemm.nr() + 5) * gemm.k_step + within;
                expected[place] = (w / scale).round_ties_even() as i8;
            }
            let differ = panels.iter().zip(&expected).filter(|(a, b)| (**a - **b).abs() > 1).count();
            assert_eq!(differ, 0, "{}, {k}", kernels.isa());
            assert_eq!(sum, panels.iter().map(|&q| i32::from(q)).sum::<i32>());
            let moved = panels.iter().zip(&expected).filter(|(a, b)| (**a == 0) != (**b == 0)).count();
            assert!(moved <= k / 20, "{}, {k}: {moved} elsewhere", kernels.isa());
        }
    }
}

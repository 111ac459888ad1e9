//! Tests of tiles against plain loops in f64 and i64: the emulated unit on every machine, AMX if
//! there is one.

use super::super::engine_tests::Case;
use super::super::simd::exp2;
use super::super::simd::portable::Portable;
use super::super::tests::Values;
use super::super::{Activation, Isa, Kernels, Output, OutputRows, SharedRows};
use super::*;

/// Returns every unit that is available here, by name.
fn units() -> Vec<(&'static str, Tiles)> {
    let amx = Kernels::for_isa(Isa::Amx).and_then(|kernels| kernels.tiles).map(|tiles| ("amx", tiles));
    amx.into_iter().chain([("emulated", Tiles::emulated())]).collect()
}

fn bf16(x: f32) -> u16 {
    half::bf16::from_f32(x).to_bits()
}

fn f32_of(bits: u16) -> f32 {
    half::bf16::from_bits(bits).to_f32()
}

/// Returns cases with rows around the tiles and the blocks, widths around panels, and `k` of one
/// line, of several, and beyond a chunk of 12. The operands are numbers of bfloat16.
fn cases() -> Vec<Case> {
    let mut values = Values::new(11);
    let shapes = [0, 1, 15, 16, 17, 31, 32, 33, 64, 65].map(|m| [(m, 16, 16), (m, 48, 80)]);
    let large: [(usize, usize, usize); 3] = [(5, 32, 400), (40, 80, 416), (400, 32, 800)];
    let case = |(m, n, k): (usize, usize, usize)| {
        let mut case = Case::new(m, n, k, &mut values);
        [&mut case.a, &mut case.b].into_iter().flatten().for_each(|x| *x = f32_of(bf16(*x)));
        case.bias.resize(n.next_multiple_of(BLOCK), 0.0);
        case
    };
    shapes.into_iter().flatten().chain(large).map(case).collect()
}

impl Case {
    fn shape(&self, k: usize) -> Shape {
        Shape { n: self.n.next_multiple_of(BLOCK), k }
    }

    fn packed(&self, tiles: &Tiles) -> Vec<u16> {
        let shape = self.shape(lines_len(self.k));
        let mut packed = vec![0; shape.len()];
        for (column, weights) in self.b.chunks(self.k).enumerate() {
            tiles.pack_bf16(weights.iter().map(|w| bf16(*w)), column, shape, &mut packed);
        }
        packed
    }

    /// Rounds `a` to tiles, with NaN in the rows behind the last, because their values must not
    /// matter.
    fn rounded(&self, tiles: &Tiles) -> Vec<u16> {
        let mut rounded = vec![0x7fc0; tiles_len(self.m, lines_len(self.k))];
        tiles.round_rows(&self.a, self.k, &mut rounded);
        rounded
    }

    /// Computes the product with bias, added to the residual if `add`.
    fn product(&self, tiles: &Tiles, add: bool, columns: Range<usize>) -> Vec<f32> {
        let mut found = self.residual.clone();
        let out = Output { bias: &self.bias, add, ..Output::plain(OutputRows::Whole(&mut found), self.n, columns) };
        let (a, b) = (self.rounded(tiles), self.packed(tiles));
        let b = PackedBf16::whole(&b, self.shape(lines_len(self.k)));
        tiles.multiply_bf16(&a, self.m, b, TileOutput::Rows(out));
        found
    }
}

#[test]
fn products_agree_with_exact_sums_and_units_with_each_other_bit_for_bit() {
    for case in cases() {
        let mut bits: Option<Vec<u32>> = None;
        for (name, tiles) in units() {
            let found = case.product(&tiles, true, 0..case.n);
            case.check(&format!("{name}: {} x {} x {}", case.m, case.n, case.k), &case.a, &case.b, &found);
            let found: Vec<u32> = found.iter().map(|x| x.to_bits()).collect();
            assert!(bits.get_or_insert_with(|| found.clone()) == &found, "{name} differs: {} {}", case.m, case.k);
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_a_panel_by_itself() {
    for (name, tiles) in units() {
        for case in cases().into_iter().filter(|case| case.m > 1) {
            let whole = case.product(&tiles, false, 0..case.n);
            for row in [0, case.m / 2, case.m - 1] {
                let alone = Case {
                    m: 1,
                    a: case.a[row * case.k..][..case.k].to_vec(),
                    residual: vec![0.0; case.n],
                    b: case.b.clone(),
                    bias: case.bias.clone(),
                    ..case
                };
                assert_eq!(alone.product(&tiles, false, 0..case.n), whole[row * case.n..][..case.n], "{name}: {row}");
            }
            let last = (case.n - 1) / BLOCK * BLOCK;
            let part = case.product(&tiles, false, last..case.n);
            for (at, found) in part.iter().enumerate() {
                let expected = if at % case.n < last { case.residual[at] } else { whole[at] };
                assert_eq!(*found, expected, "{name}: a panel by itself writes its own columns");
            }
        }
    }
}

#[test]
fn parts_of_both_products_in_turn_have_the_bits_of_the_whole() {
    // The layer in the middle has 416 numbers, computed and added in parts of whole panels and
    // lines.
    let mut values = Values::new(12);
    let mut weights = |n: usize, k: usize| {
        let mut case = Case::new(33, n, k, &mut values);
        case.bias.resize(n.next_multiple_of(BLOCK), 0.0);
        case
    };
    let (up, down) = (weights(416, 64), weights(48, 416));
    for (name, tiles) in units() {
        let (a, up_panels, down_panels) = (up.rounded(&tiles), up.packed(&tiles), down.packed(&tiles));
        let in_parts = |step: usize| {
            let (mut middle, mut found) = (vec![0u16; tiles_len(33, 416)], down.residual.clone());
            for first in (0..416).step_by(step) {
                let columns = first..416.min(first + step);
                // SAFETY: used at once, by this thread.
                let numbers = unsafe { SharedRows::new(&mut middle) };
                let (inputs, width) = (columns.clone(), columns.len());
                let out = Bf16Output { numbers, first, width, columns, bias: &up.bias, activation: Activation::Gelu };
                let whole = PackedBf16::whole(&up_panels, up.shape(64));
                tiles.multiply_bf16(&a, 33, whole, TileOutput::Tiles(out));
                let out = Output { add: true, ..Output::plain(OutputRows::Whole(&mut found), 48, 0..48) };
                let part = PackedBf16 { panels: &down_panels, shape: down.shape(416), inputs };
                tiles.multiply_bf16(&middle, 33, part, TileOutput::Rows(out));
            }
            found.iter().map(|x| x.to_bits()).collect::<Vec<u32>>()
        };
        let whole = in_parts(416);
        assert!(in_parts(384) == whole && in_parts(32) == whole && in_parts(160) == whole, "{name}");
    }
}

#[test]
fn tiles_and_panels_are_the_rounded_product_in_their_own_order() {
    let activations = [Activation::None, Activation::Gelu, Activation::GeluTanh, Activation::Relu, Activation::Silu];
    for (name, tiles) in units() {
        for case in cases().into_iter().filter(|case| case.k <= 80) {
            let shape = case.shape(lines_len(case.k));
            let plain = case.product(&tiles, false, 0..case.n);
            for activation in activations {
                let mut expected = plain.clone();
                Kernels::for_isa(Isa::Scalar).unwrap().elementwise.activate(activation, &mut expected);
                let lines = shape.n / LINE;
                let mut found = [vec![0; tiles_len(case.m, shape.n)], vec![0; panel_rows(case.m) * shape.n]];
                for (index, numbers) in found.iter_mut().enumerate() {
                    // SAFETY: used at once, by this thread.
                    let numbers = unsafe { SharedRows::new(numbers) };
                    let out = Bf16Output {
                        numbers,
                        first: 0,
                        width: shape.n,
                        columns: 0..shape.n,
                        bias: &case.bias,
                        activation,
                    };
                    let out = if index == 0 { TileOutput::Tiles(out) } else { TileOutput::Panels(out) };
                    let b = case.packed(&tiles);
                    tiles.multiply_bf16(&case.rounded(&tiles), case.m, PackedBf16::whole(&b, shape), out);
                }
                for (row, column) in (0..case.m).flat_map(|row| (0..shape.n).map(move |column| (row, column))) {
                    let in_tiles = Lines::tiles(lines).place(row, column / LINE) + column % LINE;
                    let in_panels = (column / BLOCK * panel_rows(case.m) + row) * LINE + column % LINE;
                    let of = |at| if column < case.n { expected[row * case.n + at] } else { 0.0 };
                    let error = (f32_of(found[0][in_tiles]) - of(column)).abs();
                    assert!(error <= 2e-4 + of(column).abs() / 128.0, "{name} {activation:?}: {row}, {column}");
                    let unchanged = if column < case.n { plain[row * case.n + column] } else { 0.0 };
                    assert_eq!(found[1][in_panels], bf16(unchanged), "{name}: panels have no activation");
                }
            }
        }
    }
}

#[test]
fn integer_products_are_exact() {
    let mut values = Values::new(12);
    for (m, n, k, copies) in [(1, 16, 16, 0), (17, 48, 80, 16), (33, 32, 784, 0)] {
        let rows: Vec<f32> = values.vec(m * k, |values| 3.0 * values.f32());
        let copied: Vec<u32> = (0..copies as u32).map(|at| at * 5).collect();
        let factors: Vec<f32> = (0..k).map(|at| if at % 5 == 0 { 0.5 } else { 1.0 }).collect();
        let weights: Vec<f32> = values.vec(n * (k + copies), Values::f32);
        let width = code_lines_len(k + copies);
        let shape = Shape { n: n.next_multiple_of(BLOCK), k: width };
        for (name, tiles) in units() {
            let mut panels = vec![0i8; shape.len()];
            let (mut scales, mut sums) = (vec![0.0; shape.n], vec![0; shape.n]);
            for (column, weights) in weights.chunks(k + copies).enumerate() {
                (scales[column], sums[column]) = tiles.pack_i8(weights, column, shape, &mut panels);
            }
            let mut codes = vec![0; tiles_len(m, width)];
            let (mut row_scales, mut zeros) = (vec![0.0; m], vec![0; m]);
            let to = Codes {
                codes: &mut codes,
                scales: &mut row_scales,
                zeros: &mut zeros,
                numbers: &mut vec![0.0; k],
                row: &mut vec![0; width],
            };
            tiles.quantize(TileSource::Rows(&rows), k, ColumnParts { factors: &factors, copies: &copied }, to);
            let mut found = vec![0.0; m * n];
            let out = Output::plain(OutputRows::Whole(&mut found), n, 0..n);
            let left = QuantizedRows { codes: &codes, scales: &row_scales, zeros: &zeros };
            let right = PackedI8 { panels: &panels, scales: &scales, sums: &sums, shape };
            tiles.multiply_i8(left, right, TileOutput::Rows(out));
            for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
                let code = |at: usize| i64::from(codes[rows::code_place(row, at, width / ROW_BYTES)]);
                (0..copies).for_each(|at| assert_eq!(code(k + at), code(copied[at] as usize), "{name}: a copy"));
                let weight = |at: usize| {
                    i64::from(panels[column / BLOCK * BLOCK * width + at / 4 * 128 + column % BLOCK * 4 + at % 4])
                };
                let sum: i64 = (0..width).map(|at| code(at) * weight(at)).sum();
                let sum = sum - i64::from(zeros[row]) * i64::from(sums[column]);
                let expected = sum as i32 as f32 * (row_scales[row] * scales[column]);
                assert_eq!(found[row * n + column], expected, "{name}: {m} x {n} x {k}: {row}, {column}");
                let number = row_scales[row] * (code(column % k) - i64::from(zeros[row])) as f32;
                let error = (number - rows[row * k + column % k] * factors[column % k]).abs();
                assert!(error <= 0.51 * row_scales[row] + 1e-6, "{name}: a code is the nearest: {error}");
            }
        }
    }
}

#[test]
fn codes_of_tiles_are_codes_of_their_rounded_rows() {
    let (m, len) = (19, 48);
    let rows: Vec<f32> = Values::new(13).vec(m * len, |values| f32_of(bf16(values.f32())));
    for (name, tiles) in units() {
        let mut rounded = vec![0; tiles_len(m, lines_len(len))];
        tiles.round_rows(&rows, len, &mut rounded);
        let codes = |source: TileSource<'_>| {
            let mut codes = vec![0; tiles_len(m, 64)];
            let (mut scales, mut zeros) = (vec![0.0; m], vec![0; m]);
            let (numbers, row) = (&mut [0.0; 48][..], &mut [0; 64][..]);
            let to = Codes { codes: &mut codes, scales: &mut scales, zeros: &mut zeros, numbers, row };
            tiles.quantize(source, len, ColumnParts::default(), to);
            (codes, scales, zeros)
        };
        assert_eq!(codes(TileSource::Tiles(&rounded, m)), codes(TileSource::Rows(&rows)), "{name}");
    }
}

#[test]
fn a_number_that_is_none_stays_one() {
    for (name, tiles) in units() {
        for bad in [f32::NAN, -f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0x7fff_ffff)] {
            let mut rows = vec![0.5f32; 3 * 48];
            rows[48 + 47] = bad;
            let mut rounded = vec![0; tiles_len(3, 64)];
            tiles.round_rows(&rows, 48, &mut rounded);
            let lost = |row: usize| !f32_of(rounded[Lines::tiles(2).place(row, 1) + 15]).is_finite();
            assert_eq!([lost(0), lost(1), lost(2)], [false, true, false], "{name}: rounded");
            let mut scales = [0.0; 3];
            let to = Codes {
                codes: &mut [0; 32 * 64],
                scales: &mut scales,
                zeros: &mut [0; 3],
                numbers: &mut [0.0; 48],
                row: &mut [0; 64],
            };
            tiles.quantize(TileSource::Rows(&rows), 48, ColumnParts::default(), to);
            assert_eq!(scales.map(f32::is_nan), [false, true, false], "{name}: a scale");
            // A key is NaN or infinite, and so is the context of the tokens that attend to it.
            let mut heads = vec![bf16(0.25); 3 * panel_rows(40) * 32];
            heads[(panel_rows(40) + 7) * 32] = bf16(bad);
            let mut context = vec![0; tiles_len(40, 32)];
            // SAFETY: used at once, by this thread.
            let shared = unsafe { SharedRows::new(&mut context) };
            let attention = TileAttention {
                heads: &heads,
                count: 1,
                kv_count: 1,
                dim: 32,
                cu_seqlens: &[0, 20, 40],
                attended: &[20, 20],
                before: usize::MAX,
                after: usize::MAX,
                context: shared,
            };
            tiles.attend(&attention, 0..1, &mut AttentionBuffers::new());
            for row in 0..40 {
                let x = f32_of(context[Lines::tiles(1).place(row, 0)]);
                assert_eq!(!x.is_finite(), row < 20, "{name}: context of row {row}: {x}");
            }
        }
    }
}

#[test]
fn powers_of_two_are_within_their_error() {
    for step in 0..=60_000 {
        let x = -(step as f32) / 480.0;
        // SAFETY: plain Rust.
        let found = unsafe { exp2::<Portable>([x; 8])[0] };
        let exact = f64::from(x).exp2();
        assert!((f64::from(found) - exact).abs() <= 8e-5 * exact, "2^{x}: {found}");
    }
    // SAFETY: plain Rust.
    let nothing = unsafe { exp2::<Portable>([f32::NEG_INFINITY; 8])[0] };
    assert!((0.0..1e-37).contains(&nothing), "{nothing}");
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let tiles = Tiles::emulated();
    let refused = |work: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
    let shape = Shape { n: 32, k: 32 };
    let multiply = |a: usize, b: usize, out: usize, columns: Range<usize>| {
        let mut rows = vec![0.0; out];
        let out = TileOutput::Rows(Output::plain(OutputRows::Whole(&mut rows), 32, columns));
        tiles.multiply_bf16(&vec![0; a], 3, PackedBf16::whole(&vec![0; b], shape), out);
    };
    assert!(!refused(&|| multiply(32 * 32, 32 * 32, 96, 0..32)));
    assert!(refused(&|| multiply(3 * 32, 32 * 32, 96, 0..32)), "rows without the padding of a block");
    assert!(refused(&|| multiply(32 * 32, 31 * 32, 96, 0..32)));
    assert!(refused(&|| multiply(32 * 32, 32 * 32, 95, 0..32)));
    assert!(refused(&|| multiply(32 * 32, 32 * 32, 96, 16..32)), "not at a panel");
    assert!(refused(&|| multiply(32 * 32, 32 * 32, 200, 0..64)), "more columns than there are");
    assert!(refused(&|| tiles.round_rows(&[0.0; 96], 48, &mut [0; 32 * 48])), "lines are whole");
    assert!(refused(&|| tiles.round_heads(&[0.0; 96], 48, 1, &mut [0; 10_000])), "heads have whole lines");
}

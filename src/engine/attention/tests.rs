//! Tests of attention against plain loops, in all shapes.

use super::*;
use crate::kernels::{Isa, Kernels};

/// Returns heads with keys and values of their own.
fn heads(count: usize, dim: usize, window: Option<usize>) -> Heads {
    Heads { count, kv_count: count, dim, window, causal: false }
}

/// Returns the number of a head's matrix of queries, keys or values.
fn matrix(heads: &Heads, part: usize, head: usize) -> usize {
    let shared = head * heads.kv_count / heads.count;
    [head, heads.count + shared, heads.count + heads.kv_count + shared][part]
}

/// Returns numbers between -1 and 1.
fn numbers(count: usize) -> Vec<f32> {
    (0..count as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// Returns the offsets of sequences of these lengths.
fn offsets(lengths: &[usize]) -> Vec<usize> {
    let mut cu_seqlens = vec![0];
    lengths.iter().for_each(|len| cu_seqlens.push(cu_seqlens[cu_seqlens.len() - 1] + len));
    cu_seqlens
}

/// Computes row `token` of a head's context by plain loops. `number` gives number `d` of a
/// token in `[query, key, value]`.
fn plain(attended: usize, token: usize, heads: &Heads, number: impl Fn(usize, usize, usize) -> f64) -> Vec<f64> {
    let window = heads.window.unwrap_or(usize::MAX / 2);
    let last = if heads.causal { token } else { token + window };
    let seen = token.saturating_sub(window)..(last + 1).min(attended);
    if seen.is_empty() {
        return vec![0.0; heads.dim];
    }
    let score = |key: usize| (0..heads.dim).map(|d| number(0, token, d) * number(1, key, d)).sum::<f64>().exp();
    let scores: Vec<f64> = seen.clone().map(score).collect();
    let sum: f64 = scores.iter().sum();
    let weighted = |d| seen.clone().zip(&scores).map(|(key, score)| score * number(2, key, d)).sum::<f64>() / sum;
    (0..heads.dim).map(weighted).collect()
}

fn check(kernels: &'static Kernels, heads: &Heads, lengths: &[usize], threads: usize) {
    check_hidden(kernels, heads, lengths, lengths, threads);
}

/// Does [`check`] for sequences of which only the first `attended` tokens are attended to.
fn check_hidden(kernels: &'static Kernels, heads: &Heads, lengths: &[usize], attended: &[usize], threads: usize) {
    let cu_seqlens = offsets(lengths);
    let qkv = numbers(heads.matrices() * cu_seqlens[lengths.len()] * heads.dim);
    check_rows(kernels, heads, (&cu_seqlens, attended), (&qkv, None), threads, 2e-5);
}

/// Does [`check_hidden`] with products of bfloat16, where the numbers and all weights are rounded.
fn check_bf16(kernels: &'static Kernels, heads: &Heads, lengths: &[usize], attended: &[usize], threads: usize) {
    let cu_seqlens = offsets(lengths);
    let count = heads.matrices() * cu_seqlens[lengths.len()] * heads.dim;
    let qkv: Vec<f32> = numbers(count).into_iter().map(|x| half::bf16::from_f32(x).to_f32()).collect();
    let bf16 = kernels.bf16_rows.as_ref();
    assert!(bf16.is_some());
    check_rows(kernels, heads, (&cu_seqlens, attended), (&qkv, bf16), threads, 8e-3);
}

/// Checks every number of the context of `qkv`.
fn check_rows(
    kernels: &'static Kernels,
    heads: &Heads,
    (cu_seqlens, attended): (&[usize], &[usize]),
    (qkv, bf16): (&[f32], Option<&Bf16Rows>),
    threads: usize,
    tolerance: f64,
) {
    let lengths: Vec<usize> = cu_seqlens.windows(2).map(|edges| edges[1] - edges[0]).collect();
    let tokens = cu_seqlens[lengths.len()];
    let batch = Batch { kernels, ids: &[], cu_seqlens, second_parts: &[], attended, threads, call: None };
    let mut context = vec![f32::NAN; tokens * heads.width()];
    attend(&batch, (heads, None), bf16, qkv, &mut context, &BufferPool::new());
    for (sequence, head) in (0..lengths.len()).flat_map(|s| (0..heads.count).map(move |head| (s, head))) {
        let number = |part: usize, token: usize, d: usize| {
            let row = matrix(heads, part, head) * tokens + cu_seqlens[sequence] + token;
            f64::from(qkv[row * heads.dim + d])
        };
        for token in 0..lengths[sequence] {
            let expected = plain(attended[sequence], token, heads, number);
            let at = (cu_seqlens[sequence] + token) * heads.width() + head * heads.dim;
            for (found, expected) in context[at..][..heads.dim].iter().zip(expected) {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error < tolerance,
                    "{}: {heads:?}, {lengths:?}, {attended:?}, token {token}: {found}",
                    kernels.isa()
                );
            }
        }
    }
}

#[test]
fn context_agrees_with_plain_loops_in_all_shapes() {
    for isa in Isa::available() {
        let kernels: &'static Kernels = Box::leak(Box::new(Kernels::for_isa(isa).unwrap()));
        for (count, dim) in [(2, 16), (3, 32), (1, 48), (1, 64)] {
            for window in [None, Some(0), Some(3), Some(20), Some(64)] {
                let heads = heads(count, dim, window);
                check(kernels, &heads, &[1, 0, 5, 16, 17, 40, 0], 1);
                check(kernels, &heads, &[131, 49], 2);
                check_hidden(kernels, &heads, &[32, 5, 17, 4, 90], &[7, 5, 1, 0, 34], 1);
                check_hidden(kernels, &heads, &[60, 131], &[59, 16], 2);
            }
        }
    }
}

#[test]
fn causal_heads_that_share_keys_agree_with_plain_loops() {
    for isa in Isa::available() {
        let kernels: &'static Kernels = Box::leak(Box::new(Kernels::for_isa(isa).unwrap()));
        for (count, kv_count, dim) in [(4, 2, 16), (6, 2, 32), (3, 3, 16), (2, 1, 64)] {
            for (window, causal) in [(None, true), (Some(20), true), (Some(0), true), (Some(20), false)] {
                let heads = Heads { count, kv_count, dim, window, causal };
                check(kernels, &heads, &[1, 0, 5, 16, 17, 40, 0], 1);
                check(kernels, &heads, &[131, 49], 2);
                check(kernels, &heads, &[300], 1);
                check_hidden(kernels, &heads, &[32, 5, 17, 4, 90], &[7, 5, 1, 0, 34], 1);
            }
        }
    }
}

/// Returns the kernels with products of bfloat16: this processor's, if it has some, and plain
/// loops.
fn with_bf16() -> impl Iterator<Item = &'static Kernels> {
    let native = Isa::available().filter_map(Kernels::for_isa).filter(|kernels| kernels.bf16_rows.is_some());
    native.chain([Kernels::emulating_bf16_rows()]).map(|kernels| &*Box::leak(Box::new(kernels)))
}

#[test]
fn context_in_bf16_agrees_with_plain_loops_in_all_shapes() {
    for kernels in with_bf16() {
        for (count, dim) in [(3, 32), (1, 64), (1, 96)] {
            for window in [None, Some(0), Some(3), Some(20), Some(64)] {
                let heads = heads(count, dim, window);
                check_bf16(kernels, &heads, &[1, 0, 5, 16, 17, 40, 0], &[1, 0, 5, 16, 17, 40, 0], 1);
                check_bf16(kernels, &heads, &[32, 5, 17, 4, 90], &[7, 5, 1, 0, 34], 1);
                check_bf16(kernels, &heads, &[60, 131], &[59, 16], 2);
            }
        }
        for (window, causal) in [(None, true), (Some(20), true), (Some(20), false)] {
            let heads = Heads { count: 4, kv_count: 2, dim: 32, window, causal };
            check_bf16(kernels, &heads, &[1, 0, 5, 33, 17, 40], &[1, 0, 5, 33, 17, 40], 1);
            check_bf16(kernels, &heads, &[300], &[299], 2);
        }
    }
}

/// Does [`check_hidden`] on a matrix unit, where the numbers and all weights are rounded to
/// bfloat16.
fn check_in_tiles(tiles: &Tiles, heads: &Heads, lengths: &[usize], attended: &[usize], threads: usize) {
    let cu_seqlens = offsets(lengths);
    let tokens = cu_seqlens[lengths.len()];
    let kernels = Kernels::best();
    let batch = Batch { kernels, ids: &[], cu_seqlens: &cu_seqlens, second_parts: &[], attended, threads, call: None };
    let rounded = |x: f32| half::bf16::from_f32(x).to_f32();
    let qkv: Vec<f32> = numbers(heads.matrices() * tokens * heads.dim).into_iter().map(rounded).collect();
    let mut panels = vec![0x7fc0; heads.matrices() * kernels::panel_rows(tokens) * heads.dim];
    tiles.round_heads(&qkv, heads.dim, heads.matrices(), &mut panels);
    let mut context = vec![0x7fc0; kernels::tiles_len(tokens, heads.width())];
    attend_in_tiles(tiles, &batch, heads, &panels, &mut context, &BufferPool::new());
    for (sequence, head) in (0..lengths.len()).flat_map(|s| (0..heads.count).map(move |head| (s, head))) {
        let number = |part: usize, token: usize, d: usize| {
            let row = matrix(heads, part, head) * tokens + cu_seqlens[sequence] + token;
            // The matrix unit computes powers of two.
            f64::from(qkv[row * heads.dim + d]) * if part == 0 { std::f64::consts::LN_2 } else { 1.0 }
        };
        for token in 0..lengths[sequence] {
            let expected = plain(attended[sequence], token, heads, number);
            for (d, expected) in expected.into_iter().enumerate() {
                let (row, column) = (cu_seqlens[sequence] + token, head * heads.dim + d);
                let tile = (row / 16 * heads.width() / 32 + column / 32) * 512;
                let found = half::bf16::from_bits(context[tile + row % 16 * 32 + column % 32]).to_f32();
                let error = (f64::from(found) - expected).abs();
                assert!(error < 8e-3, "{heads:?}, {lengths:?}, {attended:?}, token {token}: {found}, {expected}");
            }
        }
    }
}

#[test]
fn context_of_a_matrix_unit_agrees_with_plain_loops_in_all_shapes() {
    let amx = Kernels::for_isa(Isa::Amx).and_then(|kernels| kernels.tiles);
    for tiles in amx.into_iter().chain([Tiles::emulated()]) {
        for (count, dim) in [(2, 32), (1, 64)] {
            for window in [None, Some(0), Some(3), Some(20), Some(64)] {
                let heads = heads(count, dim, window);
                check_in_tiles(&tiles, &heads, &[1, 0, 5, 16, 17, 40, 0], &[1, 0, 5, 16, 17, 40, 0], 1);
                check_in_tiles(&tiles, &heads, &[32, 5, 17, 4, 90], &[7, 5, 1, 0, 34], 1);
                check_in_tiles(&tiles, &heads, &[60, 131], &[59, 16], 2);
            }
            // These have more keys than fit in memory at once.
            check_in_tiles(&tiles, &heads(count, dim, None), &[300], &[290], 1);
            check_in_tiles(&tiles, &heads(count, dim, Some(150)), &[420], &[420], 1);
        }
    }
}

#[test]
fn causal_heads_that_share_keys_agree_with_plain_loops_on_a_matrix_unit() {
    let amx = Kernels::for_isa(Isa::Amx).and_then(|kernels| kernels.tiles);
    for tiles in amx.into_iter().chain([Tiles::emulated()]) {
        for (count, kv_count, dim) in [(4, 2, 32), (3, 1, 64)] {
            let heads = |window, causal| Heads { count, kv_count, dim, window, causal };
            check_in_tiles(&tiles, &heads(None, true), &[1, 0, 5, 33, 17, 40], &[1, 0, 5, 33, 17, 40], 1);
            check_in_tiles(&tiles, &heads(None, true), &[60, 131], &[59, 16], 2);
            check_in_tiles(&tiles, &heads(Some(20), true), &[131], &[131], 1);
            check_in_tiles(&tiles, &heads(Some(20), false), &[131], &[131], 1);
            // This has more keys than fit in memory at once.
            check_in_tiles(&tiles, &heads(None, true), &[300], &[300], 1);
        }
    }
}

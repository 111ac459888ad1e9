//! Finds NaN and infinity in the bytes of tensors, for every type that has them.

use safetensors::tensor::Dtype;

/// Number of elements checked together. Without a branch per element, a scan is as fast as memory.
const BLOCK: usize = 4096;

/// Returns the position of the first element that is NaN or infinite. `None` for integers, and for
/// floats that have neither.
pub(crate) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<usize> {
    match dtype {
        Dtype::F64 => first(bytes, |b: [u8; 8]| u64::from_le_bytes(b) << 1 >= 0x7ff << 53),
        Dtype::F32 | Dtype::C64 => first(bytes, |b: [u8; 4]| u32::from_le_bytes(b) << 1 >= 0xff << 24),
        Dtype::BF16 => first(bytes, |b: [u8; 2]| u16::from_le_bytes(b) << 1 >= 0xff << 8),
        Dtype::F16 => first(bytes, |b: [u8; 2]| u16::from_le_bytes(b) << 1 >= 0x1f << 11),
        Dtype::F8_E5M2 => first(bytes, |[b]: [u8; 1]| b << 1 >= 0x1f << 3),
        Dtype::F8_E4M3 => first(bytes, |[b]: [u8; 1]| b << 1 == 0xfe),
        Dtype::F8_E8M0 => first(bytes, |[b]: [u8; 1]| b == 0xff),
        Dtype::F8_E4M3FNUZ | Dtype::F8_E5M2FNUZ => first(bytes, |[b]: [u8; 1]| b == 0x80),
        _ => None,
    }
}

fn first<const N: usize>(bytes: &[u8], is_bad: impl Fn([u8; N]) -> bool) -> Option<usize> {
    let (elements, _) = bytes.as_chunks::<N>();
    let block = elements.chunks(BLOCK).position(|block| block.iter().fold(false, |any, &b| any | is_bad(b)))?;
    let within = elements[block * BLOCK..].iter().position(|&b| is_bad(b))?;
    Some(block * BLOCK + within)
}

/// Returns true if all numbers are finite.
pub(crate) fn all_finite(numbers: &[f32]) -> bool {
    // Finite numbers times 0 are 0. Each lane has its own sum; in a single sum, each addition would
    // wait for the one before.
    let (blocks, rest) = numbers.as_chunks::<16>();
    let mut zeros = [0.0; 16];
    for block in blocks {
        zeros.iter_mut().zip(block).for_each(|(zero, x)| *zero += x * 0.0);
    }
    zeros.iter().all(|zero| *zero == 0.0) && rest.iter().all(|x| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    /// Searches `count` ones that have one other number among them.
    fn found<const N: usize>(dtype: Dtype, one: [u8; N], other: [u8; N], at: usize) -> Option<usize> {
        let mut numbers = [one; BLOCK + 100];
        numbers[at] = other;
        first_not_finite(dtype, numbers.as_flattened())
    }

    #[test]
    fn the_first_number_that_is_none_is_found_in_every_type() {
        for at in [0, 7, BLOCK - 1, BLOCK, BLOCK + 99] {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let single = bad as f32;
                assert_eq!(found(Dtype::F64, 1f64.to_le_bytes(), bad.to_le_bytes(), at), Some(at));
                assert_eq!(found(Dtype::F32, 1f32.to_le_bytes(), single.to_le_bytes(), at), Some(at));
                let (one, other) = (f16::from_f32(1.0), f16::from_f32(single));
                assert_eq!(found(Dtype::F16, one.to_le_bytes(), other.to_le_bytes(), at), Some(at));
                let (one, other) = (bf16::from_f32(1.0), bf16::from_f32(single));
                assert_eq!(found(Dtype::BF16, one.to_le_bytes(), other.to_le_bytes(), at), Some(at));
            }
            for (dtype, bad) in [(Dtype::F8_E5M2, 0xfc), (Dtype::F8_E5M2, 0x7f), (Dtype::F8_E4M3, 0xff)] {
                assert_eq!(found(dtype, [0x38], [bad], at), Some(at), "{dtype:?}");
            }
        }
    }

    #[test]
    fn the_largest_and_the_smallest_numbers_are_finite() {
        for number in [f32::MAX, f32::MIN, -0.0, 1e-45] {
            assert_eq!(found(Dtype::F32, 1f32.to_le_bytes(), number.to_le_bytes(), 3), None);
            assert!(all_finite(&[1.0, number]));
        }
        assert_eq!(found(Dtype::F64, 1f64.to_le_bytes(), f64::MAX.to_le_bytes(), 3), None);
        assert_eq!(found(Dtype::F16, [0, 0x3c], f16::MIN.to_le_bytes(), 3), None);
        assert_eq!(found(Dtype::BF16, [0x80, 0x3f], bf16::MIN.to_le_bytes(), 3), None);
        assert_eq!(found(Dtype::F8_E5M2, [0x38], [0xfb], 3), None);
        assert_eq!(found(Dtype::F8_E4M3, [0x38], [0xfe], 3), None);
        assert_eq!(first_not_finite(Dtype::I32, &[0xff; 16]), None);
        assert!(!all_finite(&[1.0, f32::NAN]) && !all_finite(&[f32::NEG_INFINITY]) && all_finite(&[]));
    }
}

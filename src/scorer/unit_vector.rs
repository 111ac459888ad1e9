//! The direction of an embedding.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An embedding scaled to length 1, `[dim]` in f32. Clones share the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitVector(Arc<[f32]>);

impl UnitVector {
    /// Scales a vector to length 1. `None` for an empty vector or one of zeros, which has no
    /// direction. NaN or infinity in the vector leads to NaN in the result.
    pub fn new(vector: &[f32]) -> Option<Self> {
        let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        let unit = |&x: &f32| (f64::from(x) / norm) as f32;
        (norm != 0.0).then(|| Self(vector.iter().map(unit).collect()))
    }

    /// Returns the numbers, `[dim]`.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }
}

impl Serialize for UnitVector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UnitVector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|numbers| Self(numbers.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_scaled_to_length_one_and_zeros_have_no_direction() {
        assert_eq!(UnitVector::new(&[3.0, 4.0]).unwrap().as_slice(), [0.6, 0.8]);
        assert_eq!(UnitVector::new(&[1e30, 0.0]).unwrap().as_slice(), [1.0, 0.0]);
        assert_eq!((UnitVector::new(&[0.0, -0.0]), UnitVector::new(&[])), (None, None));
        for vector in [[f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
            assert!(UnitVector::new(&vector).unwrap().as_slice()[0].is_nan());
        }
    }
}

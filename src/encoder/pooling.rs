//! Pooling: makes one vector of the hidden states of a text's tokens.

use std::fmt;
use std::str::FromStr;

use ndarray::ArrayView2;

use crate::{Error, Result};

/// The operation that makes one vector of token vectors. The names are sentence-transformers'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The vector of the first token.
    Cls,
    /// The mean over all tokens, special ones included.
    Mean,
    /// The vector of the last token.
    LastToken,
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pooling::Cls => "cls",
            Pooling::Mean => "mean",
            Pooling::LastToken => "lasttoken",
        })
    }
}

impl FromStr for Pooling {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Pooling::ALL.into_iter().find(|pooling| pooling.to_string() == text);
        known
            .ok_or_else(|| Error::InvalidArgument(format!("unknown pooling '{text}'; expected cls, mean or lasttoken")))
    }
}

impl Pooling {
    /// All values.
    pub const ALL: [Pooling; 3] = [Pooling::Cls, Pooling::Mean, Pooling::LastToken];

    /// Pools `hidden`, `[tokens, hidden_size]`; zeros when there is no token.
    pub fn pool(self, hidden: ArrayView2<'_, f32>) -> Vec<f32> {
        let tokens = hidden.nrows();
        if tokens == 0 {
            return vec![0.0; hidden.ncols()];
        }
        match self {
            Pooling::Cls => hidden.row(0).to_vec(),
            Pooling::LastToken => hidden.row(tokens - 1).to_vec(),
            Pooling::Mean => {
                let mut sum = hidden.row(0).to_owned();
                for row in hidden.rows().into_iter().skip(1) {
                    sum += &row;
                }
                (sum / tokens as f32).to_vec()
            }
        }
    }
}

/// Scales `vector` to length 1; a zero vector stays zero, as in sentence-transformers.
pub(crate) fn normalize(vector: &mut [f32]) {
    // Summed in f64: the rounding of a sum of squares over 1,024 components would reach the seventh
    // digit.
    let norm = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let scale = (1.0 / norm) as f32;
    if scale.is_normal() {
        vector.iter_mut().for_each(|x| *x *= scale);
    } else if norm > 0.0 {
        // The norm is so small or so large that f32 has no such factor.
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn each_mode_pools_what_its_name_says() {
        let hidden = array![[1.0, 2.0], [3.0, 4.0], [8.0, 0.0]];
        assert_eq!(Pooling::Cls.pool(hidden.view()), [1.0, 2.0]);
        assert_eq!(Pooling::LastToken.pool(hidden.view()), [8.0, 0.0]);
        assert_eq!(Pooling::Mean.pool(hidden.view()), [4.0, 2.0]);
    }

    #[test]
    fn names_are_read_as_they_are_printed() {
        for pooling in Pooling::ALL {
            assert_eq!(pooling.to_string().parse::<Pooling>().unwrap(), pooling);
        }
        assert!("max".parse::<Pooling>().unwrap_err().to_string().contains("expected cls, mean or lasttoken"));
    }

    #[test]
    fn no_token_gives_zeros_and_zeros_stay_zeros() {
        let mut vector = Pooling::Mean.pool(ArrayView2::from_shape((0, 3), &[]).unwrap());
        assert_eq!(vector, [0.0; 3]);
        normalize(&mut vector);
        assert_eq!(vector, [0.0; 3]);
    }

    #[test]
    fn a_normalised_vector_has_length_one() {
        let mut vector = vec![3.0, -4.0];
        normalize(&mut vector);
        assert_eq!(vector, [0.6, -0.8]);
        for size in [1e-42, 1e-30, 1e38] {
            let mut vector = vec![3.0 * size, -2.0 * size];
            normalize(&mut vector);
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            assert!((length - 1.0).abs() < 1e-3 && vector[1] < 0.0, "{size}: {vector:?}");
        }
        for bad in [f32::NAN, f32::INFINITY] {
            let mut vector = vec![1.0, bad];
            normalize(&mut vector);
            assert!(vector.iter().any(|x| !x.is_finite()), "{vector:?}");
        }
    }
}

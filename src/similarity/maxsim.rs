//! Late interaction: scores from the vectors of single tokens.
//!
//! In MaxSim (Khattab and Zaharia, ColBERT, SIGIR 2020) each token of the query finds the most
//! similar token of the document. The score is the mean of these similarities instead of their sum,
//! so that it is in [-1, 1] for any query length.
//!
//! # Floor
//! The cost is `2 x query tokens x document tokens x dim` operations. For 16 x 150 tokens of 384
//! these are 2 million, some 30 us on one core at its f32 peak, against 20 ms of forward pass for
//! the document. Therefore f32 is fast enough. The product is never stored: a kernel keeps the
//! running maxima in registers.

use ndarray::ArrayView2;

use crate::kernels::{Kernels, Left, Shape, padded_len};

/// The normalised token vectors of a document, with rows padded for the kernels.
pub struct DocumentTokens {
    rows: Vec<f32>,
    tokens: usize,
    /// Elements of a row.
    width: usize,
    finite: bool,
}

impl DocumentTokens {
    /// Normalises `vectors`, `[tokens, dim]`. A vector of zeros stays zero, and has a cosine of 0
    /// with every other vector.
    pub fn new(vectors: ArrayView2<'_, f32>) -> Self {
        let dot = Kernels::best().dot_f32;
        let (tokens, width) = (vectors.nrows(), padded_len(vectors.ncols()));
        let mut rows = vec![0.0; tokens.saturating_mul(width)];
        let mut finite = true;
        for (row, vector) in rows.chunks_exact_mut(width.max(1)).zip(vectors.rows()) {
            row.iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
            let norm = dot.norm(row);
            finite &= norm.is_finite();
            if norm > 0.0 {
                row.iter_mut().for_each(|x| *x /= norm);
            }
        }
        Self { rows, tokens, width, finite }
    }

    /// Creates `tokens` vectors of `dim` components. `fill` writes each of them, with length 1,
    /// into zeros.
    pub(crate) fn from_unit_rows(tokens: usize, dim: usize, fill: impl Fn(usize, &mut [f32])) -> Self {
        let width = padded_len(dim);
        let mut rows = vec![0.0; tokens.saturating_mul(width)];
        for (token, row) in rows.chunks_exact_mut(width.max(1)).enumerate() {
            fill(token, &mut row[..dim]);
        }
        Self { rows, tokens, width, finite: true }
    }

    /// Returns the number of tokens.
    pub fn len(&self) -> usize {
        self.tokens
    }

    /// Returns true if there is no token.
    pub fn is_empty(&self) -> bool {
        self.tokens == 0
    }

    fn row(&self, token: usize) -> &[f32] {
        &self.rows[token * self.width..][..self.width]
    }
}

/// The normalised token vectors of a query, packed for the product with documents.
pub struct QueryTokens {
    rows: DocumentTokens,
    panels: Vec<f32>,
    shape: Shape,
}

impl QueryTokens {
    /// Normalises and packs `vectors`, `[tokens, dim]`.
    pub fn new(vectors: ArrayView2<'_, f32>) -> Self {
        let rows = DocumentTokens::new(vectors);
        let shape = Shape::padded(rows.tokens, rows.width);
        let mut panels = vec![0.0; shape.len()];
        for token in 0..rows.tokens {
            Kernels::best().gemm_f32.pack_column(rows.row(token).iter().copied(), token, shape, &mut panels);
        }
        Self { rows, panels, shape }
    }

    /// Returns true if all components were finite.
    pub(crate) fn is_finite(&self) -> bool {
        self.rows.finite
    }

    /// Computes MaxSim, in [-1, 1]: the mean over the query's tokens of the largest cosine with a
    /// token of the document. 0 for a query without tokens, -1 for a document without tokens, NaN
    /// if a vector is not finite.
    ///
    /// # Panics
    /// If the document's vectors have another dimension.
    pub fn maxsim(&self, document: &DocumentTokens) -> f32 {
        assert_eq!(self.rows.width, document.width, "query and document must come from one model");
        if !(self.rows.finite && document.finite) {
            return f32::NAN;
        }
        if self.rows.is_empty() || document.is_empty() {
            return if self.rows.is_empty() { 0.0 } else { -1.0 };
        }
        let mut largest = vec![0.0; self.shape.n];
        let left = Left { rows: &document.rows, stride: document.width, m: document.tokens };
        Kernels::best().gemm_f32.column_max(left, &self.panels, document.width, &mut largest);
        let sum: f32 = largest[..self.rows.tokens].iter().sum();
        (sum / self.rows.tokens as f32).clamp(-1.0, 1.0)
    }

    /// Returns, for each of the query's tokens, the most similar token of the document (the first
    /// of equals) and their cosine. [`QueryTokens::maxsim`] is the mean of these cosines. Empty for
    /// a document without tokens.
    pub fn matches(&self, document: &DocumentTokens) -> Vec<(usize, f32)> {
        let dot = Kernels::best().dot_f32;
        let best = |token: usize| {
            let cosines = (0..document.tokens).map(|other| dot.pair(self.rows.row(token), document.row(other)));
            let found = cosines.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
            found.map(|(other, cosine)| (other, cosine.clamp(-1.0, 1.0)))
        };
        (0..self.rows.tokens).filter_map(best).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::matrix as vectors;
    use super::*;
    use ndarray::{Array2, array};

    /// Computes MaxSim in f64, straight from the definition.
    fn plain_maxsim(query: &Array2<f32>, document: &Array2<f32>) -> f64 {
        let cosine = |a: ndarray::ArrayView1<'_, f32>, b: ndarray::ArrayView1<'_, f32>| {
            let dot = |a: ndarray::ArrayView1<'_, f32>, b: ndarray::ArrayView1<'_, f32>| {
                a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>()
            };
            dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
        };
        let largest = |q| document.rows().into_iter().map(|d| cosine(q, d)).fold(f64::NEG_INFINITY, f64::max);
        query.rows().into_iter().map(largest).sum::<f64>() / query.nrows() as f64
    }

    #[test]
    fn maxsim_agrees_with_its_definition_at_all_sizes() {
        for (query_tokens, document_tokens, dim) in [(1, 1, 1), (1, 5, 7), (3, 17, 16), (17, 6, 40), (33, 130, 384)] {
            let (query, document) = (vectors(query_tokens, dim, 3), vectors(document_tokens, dim, 8));
            let (packed, tokens) = (QueryTokens::new(query.view()), DocumentTokens::new(document.view()));
            let (found, expected) = (f64::from(packed.maxsim(&tokens)), plain_maxsim(&query, &document));
            // This is the rounding of a cosine of 384 products in f32.
            assert!((found - expected).abs() < 1e-5, "{query_tokens} x {document_tokens} x {dim}: {found} {expected}");
            let matches = packed.matches(&tokens);
            let mean = matches.iter().map(|(_, cosine)| f64::from(*cosine)).sum::<f64>() / query_tokens as f64;
            assert!((mean - expected).abs() < 1e-5, "matches: {mean} {expected}");
        }
    }

    #[test]
    fn the_order_of_a_documents_tokens_does_not_matter() {
        let (query, document) = (vectors(5, 24, 1), vectors(9, 24, 2));
        let mut reversed = document.clone();
        reversed.invert_axis(ndarray::Axis(0));
        let packed = QueryTokens::new(query.view());
        let score = |vectors: &Array2<f32>| packed.maxsim(&DocumentTokens::new(vectors.view()));
        assert_eq!(score(&document).to_bits(), score(&reversed).to_bits());
    }

    #[test]
    fn edges_are_as_documented() {
        let (some, none) = (array![[1.0, 0.0], [0.0, 2.0]], Array2::zeros((0, 2)));
        let score = |query: &Array2<f32>, document: &Array2<f32>| {
            QueryTokens::new(query.view()).maxsim(&DocumentTokens::new(document.view()))
        };
        assert_eq!(score(&some, &some), 1.0);
        assert_eq!(score(&none, &some), 0.0);
        assert_eq!(score(&some, &none), -1.0);
        assert_eq!(score(&some, &array![[0.0, 0.0]]), 0.0);
        assert!(score(&some, &array![[1.0, 0.0], [f32::NAN, 0.0]]).is_nan());
        assert!(QueryTokens::new(some.view()).matches(&DocumentTokens::new(none.view())).is_empty());
    }
}

//! The head of a causal model that is asked a question: the log odds of one next token against
//! another.

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayView2;

use super::weights::{Tensors, WeightsFile};
use crate::Result;
use crate::kernels::Kernels;

/// The table of input embeddings, which every checkpoint has.
const WORDS: &str = "embed_tokens.weight";
/// The table of outputs, if it is a table of its own.
const OUTPUTS: &str = "lm_head.weight";

/// Two rows of a causal model's output layer, in f32.
pub struct AnswerHead {
    kernels: &'static Kernels,
    yes: Vec<f32>,
    no: Vec<f32>,
}

impl AnswerHead {
    /// Reads the rows of the tokens `yes` and `no` from a table of `vocab_size` rows of
    /// `hidden_size` numbers. `folder` is for messages.
    ///
    /// # Errors
    /// [`crate::Error::ModelFile`] when the weights have no table of this size.
    pub fn load(
        files: Vec<Arc<dyn WeightsFile>>,
        folder: &Path,
        (vocab_size, hidden_size): (usize, usize),
        (yes, no): (u32, u32),
        kernels: &'static Kernels,
    ) -> Result<Self> {
        let tensors = Tensors::open(files, folder.join("model.safetensors"), WORDS, false)?;
        let shape = [vocab_size, hidden_size];
        let table = match tensors.contains_exactly(OUTPUTS) {
            true => tensors.get_exactly(OUTPUTS, &shape)?,
            false => tensors.get(WORDS, &shape)?,
        };
        if yes.max(no) as usize >= vocab_size {
            return Err(tensors.unusable(format!("no row for the answers {yes} and {no} among {vocab_size}")));
        }
        let row = |token: u32| {
            let mut row = vec![0.0; hidden_size];
            table.read_row(token as usize, &mut row);
            tensors.check_finite(&format!("the output of the token {token}"), &row)?;
            Ok::<_, crate::Error>(row)
        };
        Ok(Self { kernels, yes: row(yes)?, no: row(no)? })
    }

    /// Returns the logit of "yes" minus that of "no" after a sequence, from its last hidden states,
    /// `[tokens, hidden_size]`. Its sigmoid is the softmax of the two. 0 for a sequence without
    /// tokens.
    pub fn log_odds(&self, hidden: ArrayView2<'_, f32>) -> f32 {
        let Some(last) = hidden.nrows().checked_sub(1).map(|last| hidden.row(last).to_vec()) else { return 0.0 };
        let logit = |row: &[f32]| {
            let mut logit = [0.0];
            self.kernels.dot_f32.rows(&last, row, &mut logit);
            logit[0]
        };
        logit(&self.yes) - logit(&self.no)
    }
}

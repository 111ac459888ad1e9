//! The prediction of a cross-encoder for pairs of texts, as a classifier's answer.

use super::{Loaded, Model};
use crate::call::{Call, Usage};
use crate::scorer::sigmoid;
use crate::{Error, Result};

/// The predictions of a cross-encoder for pairs of texts: the result of [`Model::predict`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Predicted {
    /// The model's one label, as its config.json names it; `LABEL_0` if it names none.
    pub label: String,
    /// The label's probability for each pair, in [0, 1].
    pub probabilities: Vec<f32>,
    /// The logits behind the probabilities, of any size; higher is better.
    pub logits: Vec<f32>,
    /// The usage of the call.
    pub usage: Usage,
}

impl Model {
    /// Returns the probability of a cross-encoder's label for each pair of texts, in their order. A
    /// pair's numbers do not depend on the other pairs.
    ///
    /// ```no_run
    /// use nearsort::{Call, Model, ModelOptions};
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// let model = Model::load("cross-encoder/ms-marco-MiniLM-L6-v2", ModelOptions::default())?;
    /// let predicted = model.predict(&[("Where is it?", "In Paris."), ("Where is it?", "Yes.")], &Call::new())?;
    /// println!("{}: {:?}", predicted.label, predicted.probabilities);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model that is not a cross-encoder: classifiers of single
    /// texts are not supported; [`Error::NotANumber`] naming the pair; [`Error::TooLong`];
    /// [`Error::Cancelled`]; [`Error::DeadlineExceeded`]; the model's errors.
    pub fn predict(&self, pairs: &[(&str, &str)], call: &Call<'_>) -> Result<Predicted> {
        let Loaded::CrossEncoder(model) = &self.loaded else {
            return Err(Error::InvalidArgument(format!(
                "{} is not a cross-encoder; only cross-encoders predict from pairs, and classifiers of single texts are not supported",
                self.name
            )));
        };
        let (queries, texts): (Vec<&str>, Vec<&str>) = pairs.iter().copied().unzip();
        let places: Vec<(usize, usize)> = (0..pairs.len()).map(|at| (at, at)).collect();
        let logits = model.logits(&queries, &texts, &places, call)?.logits;
        if let Some(index) = logits.iter().position(|logit| logit.is_nan()) {
            return Err(Error::NotANumber { index });
        }
        let probabilities = logits.iter().map(|&logit| sigmoid(logit)).collect();
        Ok(Predicted { label: model.contract().label().to_owned(), probabilities, logits, usage: call.usage() })
    }
}

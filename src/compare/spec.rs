//! A model with its settings, as one text: `all-MiniLM-L6-v2+cosine+none`.

use std::path::Path;
use std::str::FromStr;

use crate::blend::{Blend, Normalize};
use crate::model::RankOptions;
use crate::scorer::{Feedback, LongText, Scoring};
use crate::{Error, Result};

/// A model with its ranking options.
///
/// ```
/// use nearsort::{Blend, LongText, RankOptions, Scoring, compare::RankedModel};
/// let found = RankedModel::parse("org/name@main+cosine+none+window", RankOptions::default())?;
/// assert_eq!((&*found.model, found.options.scoring), ("org/name@main", Some(Scoring::Cosine)));
/// assert_eq!((found.options.blend, found.options.long_text), (Some(Blend::None), Some(LongText::Window)));
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RankedModel {
    /// The text that was parsed.
    pub text: String,
    /// The model's name.
    pub model: String,
    /// The ranking options.
    pub options: RankOptions,
}

/// The setting behind one `+`.
enum SpecWord {
    Scoring(Scoring),
    Blend(Blend),
    Feedback(Feedback),
    Long(LongText),
}

impl SpecWord {
    fn parse(word: &str) -> Option<Self> {
        let scoring = Scoring::from_str(word).ok().map(Self::Scoring);
        let normalize = Normalize::default();
        let blend = || match word {
            "none" => Some(Self::Blend(Blend::None)),
            "linear" => Some(Self::Blend(Blend::Linear { weight: Blend::linear_weight(normalize), normalize })),
            "rrf" => Some(Self::Blend(Blend::Rrf { weight: Blend::RRF_WEIGHT })),
            _ => None,
        };
        let feedback = || match word {
            "feedback" => Some(Self::Feedback(Feedback::Weight(Feedback::WEIGHT))),
            "no-feedback" => Some(Self::Feedback(Feedback::Off)),
            _ => None,
        };
        scoring.or_else(blend).or_else(feedback).or_else(|| LongText::from_str(word).ok().map(Self::Long))
    }
}

impl RankedModel {
    /// Parses a model and its settings, each after a `+`. They replace options of `base`: a
    /// scoring, a blend (`none`, `linear`, `rrf`, with its default weight), feedback (`feedback`,
    /// `no-feedback`) or the mode for long texts. A `+` in the name of an existing folder is part
    /// of the name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown word, listing the known ones, and for a text
    /// without a model.
    pub fn parse(text: &str, base: RankOptions) -> Result<Self> {
        let (mut options, mut model) = (base, text);
        while let Some((before, word)) = model.rsplit_once('+') {
            match SpecWord::parse(word) {
                Some(SpecWord::Scoring(chosen)) => options.scoring = Some(chosen),
                Some(SpecWord::Long(chosen)) => options.long_text = Some(chosen),
                Some(SpecWord::Feedback(chosen)) => options.feedback = chosen,
                Some(SpecWord::Blend(chosen)) => options.blend = Some(chosen),
                None if Path::new(model).exists() => break,
                None => return Err(unknown(word, text)),
            }
            model = before;
        }
        if model.trim().is_empty() {
            return Err(Error::InvalidArgument(format!("'{text}' names no model")));
        }
        Ok(Self { text: text.to_owned(), model: model.to_owned(), options })
    }
}

fn unknown(word: &str, text: &str) -> Error {
    Error::InvalidArgument(format!(
        "unknown setting '{word}' in '{text}'; expected cosine, maxsim, hybrid (scoring), none, linear, rrf (blend), feedback, no-feedback, truncate or window (long texts)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> RankOptions {
        RankOptions::default().blend(Blend::Linear { weight: 0.5, normalize: Normalize::ZScore })
    }

    #[test]
    fn words_stand_in_for_options_and_the_rest_stays() {
        let linear = RankedModel::parse("name+linear", base()).unwrap();
        assert_eq!(linear.options.blend, Some(Blend::default()), "with its own weight");
        let feedback = ["name+feedback", "name+no-feedback", "name"]
            .map(|text| RankedModel::parse(text, base().feedback(Feedback::Weight(0.1))).unwrap().options.feedback);
        assert_eq!(feedback, [Feedback::Weight(0.5), Feedback::Off, Feedback::Weight(0.1)]);
        let plain = RankedModel::parse("openai:gpt-4o-mini", base()).unwrap();
        assert_eq!((&*plain.model, plain.options), ("openai:gpt-4o-mini", base()));
    }

    #[test]
    fn a_word_that_nobody_knows_is_an_error() {
        let message = |text| RankedModel::parse(text, base()).unwrap_err().to_string();
        assert!(message("model+cosin").contains("'cosin'"), "{}", message("model+cosin"));
        assert!(message("+cosine").contains("names no model"));
    }
}

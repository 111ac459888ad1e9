//! A model as `--models` names it: `all-MiniLM-L6-v2+cosine+none`.

use std::path::Path;
use std::str::FromStr;

use clap::ValueEnum;
use nearsort::{LongText, Scoring};

use crate::Failure;
use crate::args::{BlendMethod, ScoringArgs};

/// A model with how it scores.
#[derive(Debug)]
pub struct Spec {
    /// As it was asked for.
    pub text: String,
    pub model: String,
    pub scoring: ScoringArgs,
}

/// What a word after a plus asks for.
enum Word {
    Scoring(Scoring),
    Blend(BlendMethod),
    Long(LongText),
}

impl Word {
    fn parse(word: &str) -> Option<Self> {
        let scoring = Scoring::from_str(word).ok().map(Self::Scoring);
        let blend = || BlendMethod::from_str(word, false).ok().map(Self::Blend);
        scoring.or_else(blend).or_else(|| LongText::from_str(word).ok().map(Self::Long))
    }
}

impl Spec {
    /// Reads a model and the words behind it, which stand in for the options of all models, `base`.
    pub fn parse(text: &str, base: &ScoringArgs) -> Result<Self, Failure> {
        let mut scoring = base.clone();
        let mut model = text;
        while let Some((before, word)) = model.rsplit_once('+') {
            match Word::parse(word) {
                Some(Word::Scoring(chosen)) => scoring.scoring = Some(chosen),
                Some(Word::Long(chosen)) => scoring.long = Some(chosen),
                Some(Word::Blend(chosen)) => {
                    (scoring.blend, scoring.blend_weight, scoring.normalize) = (Some(chosen), None, None);
                }
                None if Path::new(model).exists() => break,
                None => return Err(unknown(word, text)),
            }
            model = before;
        }
        if model.trim().is_empty() {
            return Err(Failure::Error(format!("'{text}' in --models names no model")));
        }
        Ok(Self { text: text.to_owned(), model: model.to_owned(), scoring })
    }
}

fn unknown(word: &str, text: &str) -> Failure {
    Failure::Error(format!(
        "'{word}' in '{text}' is no word for a model; known are cosine, maxsim, hybrid (scoring), none, linear, rrf (blend), truncate, window (long texts)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> ScoringArgs {
        ScoringArgs {
            scoring: None,
            blend: Some(BlendMethod::Linear),
            blend_weight: Some(0.5),
            normalize: None,
            long: None,
        }
    }

    #[test]
    fn words_stand_in_for_options() {
        let Ok(spec) = Spec::parse("org/name@main+cosine+none+window", &base()) else { panic!("it is a model") };
        assert_eq!((&*spec.model, &*spec.text), ("org/name@main", "org/name@main+cosine+none+window"));
        assert_eq!((spec.scoring.scoring, spec.scoring.long), (Some(Scoring::Cosine), Some(LongText::Window)));
        assert_eq!((spec.scoring.blend, spec.scoring.blend_weight), (Some(BlendMethod::None), None));
        let Ok(plain) = Spec::parse("openai:gpt-4o-mini", &base()) else { panic!("it is a model") };
        assert_eq!((&*plain.model, plain.scoring.blend_weight), ("openai:gpt-4o-mini", Some(0.5)));
    }

    #[test]
    fn a_word_that_nobody_knows_is_an_error() {
        let message = |text| match Spec::parse(text, &base()) {
            Err(Failure::Error(message)) => message,
            _ => panic!("{text} is no model"),
        };
        assert!(message("model+cosin").contains("'cosin'"), "{}", message("model+cosin"));
        assert!(message("+cosine").contains("names no model"));
    }
}

//! The contract for one request: the model's own, changed by a [`Reading`]. No file is read.

use super::contract::checked_limit;
use super::late_interaction::{LEAST_LENGTH, trim_start};
use super::modules::ended;
use super::reading::{Prompt, Reading};
use super::{Contract, Role};
use crate::{Error, Result};

impl Contract {
    /// Returns the contract with the options of `reading`. `name` is the model's name.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an option that does not apply to the model, and for a value out
    /// of range.
    pub(super) fn reading(&self, reading: &Reading, name: &str) -> Result<Self> {
        self.check_reading(reading, name)?;
        let mut contract = self.clone();
        contract.caps = reading.caps(self.caps, self.tokenizer.cuts_left())?;
        if let Some(tokens) = reading.max_tokens {
            contract.max_tokens = self.checked_max_tokens(tokens)?;
        }
        for (role, wanted) in [(Role::Query, &reading.query_prompt), (Role::Document, &reading.document_prompt)] {
            let Some(wanted) = wanted else { continue };
            let prompt = self.prompt(role, wanted)?;
            let kept = if self.late_interaction.is_some() { trim_start(prompt) } else { prompt };
            match role {
                Role::Query => contract.query_prompt = kept.to_owned(),
                Role::Document => contract.document_prompt = kept.to_owned(),
            }
        }
        if reading.dim.is_some() || reading.normalize.is_some() {
            let dim = reading.dim.filter(|&dim| dim < self.dim);
            let normalize = reading.normalize.unwrap_or(self.normalize || dim.is_some());
            contract.modules = ended(contract.modules, dim, normalize);
            contract.dim = dim.unwrap_or(self.dim);
            contract.normalize = normalize;
        }
        Ok(contract)
    }

    fn check_reading(&self, reading: &Reading, name: &str) -> Result<()> {
        reading.refuse(&["instruction"], |_| {
            format!("is for rerankers that are asked a question, and {name} is an embedding model: leave it out")
        })?;
        if self.late_interaction.is_some() {
            let late = format!("{name} is a late-interaction (ColBERT) model");
            reading.refuse(&["dim", "normalize"], |_| {
                format!("is for models that give a vector of a text, and {late}: leave it out")
            })?;
            if reading.truncate == Some(super::Truncate::Start) {
                let why =
                    format!("is start, and {late}, of which only the end of a text is cut; expected end or never");
                return Err(Error::InvalidOption { option: "truncate", why });
            }
        }
        match reading.dim {
            Some(dim) if dim == 0 || dim > self.dim => {
                let why = format!("{dim}: the model's vectors have 1 to {} components", self.dim);
                Err(Error::InvalidOption { option: "dim", why })
            }
            _ => Ok(()),
        }
    }

    fn checked_max_tokens(&self, tokens: usize) -> Result<usize> {
        match self.late_interaction {
            Some(_) if tokens < LEAST_LENGTH => {
                let why = format!("{tokens}: this model needs at least {LEAST_LENGTH}, its prefix included");
                Err(Error::InvalidOption { option: "max_tokens", why })
            }
            _ => checked_limit(&self.config, tokens),
        }
    }

    fn prompt<'a>(&'a self, role: Role, wanted: &'a Prompt) -> Result<&'a str> {
        let name = match wanted {
            Prompt::Text(text) => return Ok(text),
            Prompt::Named(name) => name,
        };
        self.prompts.get(name).map(String::as_str).ok_or_else(|| {
            let known: Vec<&str> = self.prompts.keys().map(String::as_str).collect();
            let known = match known.is_empty() {
                true => "the model's files name no prompts; give its text".to_owned(),
                false => format!("the model's files name {}", known.join(", ")),
            };
            let option = if role == Role::Query { "query_prompt" } else { "document_prompt" };
            Error::InvalidOption { option, why: format!("'{name}' is not known: {known}") }
        })
    }
}

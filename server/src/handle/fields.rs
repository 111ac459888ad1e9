//! Request fields that control how texts are read, as the library's [`Reading`].

use std::num::NonZeroU32;

use nearsort::{Error, Model, Prompt, Reading, Role, Truncate};

use crate::models::Served;
use crate::wire::{EmbedRequest, PredictRequest, RerankRequest, ScoreRequest, Side, WireError};

/// The fields of a request that control how texts are read.
#[derive(Debug, Default)]
pub(super) struct ReadingFields<'a> {
    pub instruction: Option<&'a str>,
    pub prompt_name: Option<&'a str>,
    pub max_document_tokens: Option<NonZeroU32>,
    pub max_query_tokens: Option<NonZeroU32>,
    pub max_tokens: Option<NonZeroU32>,
    pub truncation: Option<bool>,
    pub side: Option<Side>,
    pub dimensions: Option<usize>,
    pub normalize: Option<bool>,
}

/// The library's options and the fields of requests that set them.
const OPTIONS: [(&str, &str); 9] = [
    ("instruction", "instruction"),
    ("query_prompt", "prompt_name"),
    ("document_prompt", "prompt_name"),
    ("max_document_tokens", "max_tokens_per_doc"),
    ("max_query_tokens", "max_tokens_per_query"),
    ("max_tokens", "truncate_prompt_tokens"),
    ("truncate", "truncation"),
    ("dim", "dimensions"),
    ("normalize", "normalize"),
];

impl<'a> From<&'a RerankRequest> for ReadingFields<'a> {
    fn from(request: &'a RerankRequest) -> Self {
        Self {
            instruction: request.instruction.as_deref(),
            prompt_name: request.prompt_name.as_deref(),
            max_document_tokens: request.max_tokens_per_doc,
            max_query_tokens: request.max_tokens_per_query,
            max_tokens: request.max_tokens_per_pair,
            truncation: request.truncation,
            side: request.truncation_side,
            ..Self::default()
        }
    }
}

impl<'a> From<&'a ScoreRequest> for ReadingFields<'a> {
    fn from(request: &'a ScoreRequest) -> Self {
        Self {
            instruction: request.instruction.as_deref(),
            prompt_name: request.prompt_name.as_deref(),
            max_tokens: request.max_tokens_per_pair,
            truncation: request.truncation,
            side: request.truncation_side,
            ..Self::default()
        }
    }
}

impl From<&PredictRequest> for ReadingFields<'_> {
    fn from(request: &PredictRequest) -> Self {
        Self { truncation: request.truncation, ..Self::default() }
    }
}

impl<'a> From<&'a EmbedRequest> for ReadingFields<'a> {
    fn from(request: &'a EmbedRequest) -> Self {
        Self {
            // The two that name roles are not prompts of a model.
            prompt_name: request.prompt_name.as_deref().filter(|name| role_named(name).is_none()),
            truncation: request.truncation,
            side: request.truncation_side,
            dimensions: request.dimensions.map(Into::into),
            normalize: request.normalize,
            ..Self::default()
        }
    }
}

/// Returns the role for Voyage's `input_type` and for names of prompts that mean a role.
pub(super) fn role_named(name: &str) -> Option<Role> {
    match name {
        "query" => Some(Role::Query),
        "document" | "passage" => Some(Role::Document),
        _ => None,
    }
}

impl ReadingFields<'_> {
    /// Returns the reading for these fields. `prompted` is the role whose prompt `prompt_name`
    /// names.
    ///
    /// A limit beyond the model's own changes nothing and is left out, because Cohere's clients
    /// send 4096 to every model.
    fn reading(&self, served: &Served, prompted: Role) -> Reading {
        let longest = served.max_tokens();
        let below =
            |cap: Option<NonZeroU32>| cap.map(|cap| cap.get() as usize).filter(|cap| longest == 0 || *cap < longest);
        let mut reading = Reading::new();
        reading.instruction = self.instruction.map(str::to_owned);
        if let Some(name) = self.prompt_name {
            reading = reading.prompt(prompted, Prompt::Named(name.to_owned()));
        }
        reading.max_document_tokens = below(self.max_document_tokens);
        reading.max_query_tokens = below(self.max_query_tokens);
        reading.max_tokens = below(self.max_tokens);
        reading.truncate = match (self.truncation, self.side) {
            (Some(false), _) => Some(Truncate::Never),
            (_, Some(Side::Left)) => Some(Truncate::Start),
            _ => None,
        };
        reading.dim = self.dimensions;
        reading.normalize = self.normalize;
        reading
    }

    /// Returns the model with the reading of these fields; `None` if they change nothing.
    ///
    /// # Errors
    /// A field that the model does not support, or a value that it does not accept, by the field's
    /// name.
    pub fn model(&self, served: &Served, prompted: Role) -> Result<Option<Model>, WireError> {
        let reading = self.reading(served, prompted);
        if reading == Reading::default() {
            return Ok(None);
        }
        match &served.model {
            Some(model) => model.reading(&reading).map(Some).map_err(|error| refused(&error)),
            None => Err(WireError::NotSupported {
                key: self.first_given().to_owned(),
                reason: format!(
                    "{} is a cascade, and its stages read texts as they were loaded; leave it out",
                    served.name
                ),
            }),
        }
    }

    /// Returns the first field that is given, by its name in requests.
    fn first_given(&self) -> &'static str {
        let given = [
            ("instruction", self.instruction.is_some()),
            ("prompt_name", self.prompt_name.is_some()),
            ("max_tokens_per_doc", self.max_document_tokens.is_some()),
            ("max_tokens_per_query", self.max_query_tokens.is_some()),
            ("truncate_prompt_tokens", self.max_tokens.is_some()),
            ("truncation", self.truncation == Some(false)),
            ("truncation_side", self.side.is_some()),
            ("dimensions", self.dimensions.is_some()),
        ];
        given.iter().find(|(_, is_given)| *is_given).map_or("normalize", |(name, _)| name)
    }
}

/// Converts the library's refusal of an option, with the name of the field that set it.
fn refused(error: &Error) -> WireError {
    match error {
        Error::InvalidOption { option, why } => {
            let field = OPTIONS.iter().find(|(known, _)| known == option).map_or(*option, |(_, field)| field);
            WireError::NotSupported { key: field.to_owned(), reason: why.clone() }
        }
        error => WireError::NotSupported { key: "model".to_owned(), reason: error.to_string() },
    }
}

/// Replaces "query" and "documents" in a refusal by the request's own names.
pub(super) fn renamed(error: WireError, query: &str, documents: &str) -> WireError {
    let WireError::TooLong { key, tokens, limit } = error else { return error };
    WireError::TooLong { key: key.replace("documents", documents).replace("query", query), tokens, limit }
}

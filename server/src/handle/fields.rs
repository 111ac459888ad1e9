//! Fields that a request has and the library cannot follow yet: refused by name where they would change something.

use std::num::NonZeroU32;

use crate::models::Served;
use crate::wire::{OnDeadline, RerankRequest, ScoreRequest, Side, WireError};

/// Refuses what a ranking cannot follow.
pub(super) fn check_rerank(request: &RerankRequest, served: &Served) -> Result<(), WireError> {
    let fields = Fields {
        instruction: request.instruction.as_deref(),
        prompt_name: request.prompt_name.as_deref(),
        caps: [
            ("max_tokens_per_doc", request.max_tokens_per_doc),
            ("max_tokens_per_query", request.max_tokens_per_query),
            ("truncate_prompt_tokens", request.max_tokens_per_pair),
        ],
        truncation: request.truncation,
        side: request.truncation_side,
    };
    fields.check(served)?;
    match request.on_deadline {
        OnDeadline::Partial => Err(unsupported("on_deadline", "partial answers are not there yet; leave it out")),
        OnDeadline::Error => Ok(()),
    }
}

/// Refuses what a score of pairs cannot follow.
pub(super) fn check_score(request: &ScoreRequest, served: &Served) -> Result<(), WireError> {
    let fields = Fields {
        instruction: request.instruction.as_deref(),
        prompt_name: request.prompt_name.as_deref(),
        caps: [("truncate_prompt_tokens", request.max_tokens_per_pair), ("", None), ("", None)],
        truncation: request.truncation,
        side: request.truncation_side,
    };
    fields.check(served)
}

/// The fields that say how texts are read.
pub(super) struct Fields<'a> {
    pub instruction: Option<&'a str>,
    pub prompt_name: Option<&'a str>,
    pub caps: [(&'static str, Option<NonZeroU32>); 3],
    pub truncation: Option<bool>,
    pub side: Option<Side>,
}

impl Fields<'_> {
    pub fn check(&self, served: &Served) -> Result<(), WireError> {
        if self.instruction.is_some() {
            return Err(unsupported("instruction", "instructions per request are not there yet; leave it out"));
        }
        if self.prompt_name.is_some() {
            return Err(unsupported("prompt_name", "prompts per request are not there yet; leave it out"));
        }
        // A cap beyond the model's own limit changes nothing: Cohere's clients send 4096.
        let longest = served.max_tokens();
        let cuts = |cap: NonZeroU32| longest == 0 || (cap.get() as usize) < longest;
        if let Some((key, _)) = self.caps.iter().find(|(_, cap)| cap.is_some_and(cuts)) {
            return Err(unsupported(key, "token limits per request are not there yet; leave it out"));
        }
        if self.truncation == Some(false) {
            return Err(unsupported("truncation", "long texts are always cut or read in windows; leave it out"));
        }
        match self.side {
            Some(Side::Left) => Err(unsupported("truncation_side", "only the end of a text is cut; leave it out")),
            _ => Ok(()),
        }
    }
}

fn unsupported(key: &str, reason: &str) -> WireError {
    WireError::NotSupported { key: key.to_owned(), reason: reason.to_owned() }
}

//! OpenAI's models in Azure: OpenAI's bodies under other addresses.

use serde_json::Value;

use super::chat::Chats;
use super::kind::ServiceKind;
use super::openai::OpenAi;
use super::wire::{Embeds, ErrorWords, Facts, Wire};
use crate::call::ServiceTokens;

/// Default version of Azure's API.
pub const AZURE_API_VERSION: &str = "2024-10-21";

static FACTS: Facts = Facts {
    name: "azure",
    title: "Azure",
    base_url: None,
    missing_base_url: "azure: models need the address of your resource; give `base_url=https://NAME.openai.azure.com` or set AZURE_OPENAI_ENDPOINT",
    base_url_variable: "AZURE_OPENAI_ENDPOINT",
    key_variables: &["AZURE_OPENAI_API_KEY"],
    always_needs_key: true,
    domains: &[
        "openai.azure.com",
        "cognitiveservices.azure.com",
        "services.ai.azure.com",
        "openai.azure.us",
        "openai.azure.cn",
    ],
    prices_of: "openai",
    // Deployments have names of the user's own; those named like OpenAI's models count as these.
    has_openai_tokens: true,
    results: &[],
    errors: ErrorWords {
        no_credit: &[],
        about_texts: &["ResponsibleAIPolicyViolation"],
        about_texts_messages: &["content management policy"],
    },
};

pub(crate) struct Azure;

impl Wire for Azure {
    fn facts(&self) -> &Facts {
        &FACTS
    }

    fn guess_kind(&self, model: &str) -> ServiceKind {
        OpenAi.guess_kind(model)
    }

    /// Puts the deployment into the path. The newer form of the base URL is OpenAI's own and has
    /// the model in the body.
    fn url(&self, base: &str, path: &str, model: &str, api_version: Option<&str>) -> String {
        if base.ends_with("/v1") {
            return format!("{base}{path}");
        }
        let version = api_version.unwrap_or(AZURE_API_VERSION);
        let deployment = match base.contains("/openai/deployments/") {
            true => String::new(),
            false => format!("/openai/deployments/{model}"),
        };
        format!("{base}{deployment}{path}?api-version={version}")
    }

    fn headers(&self, key: Option<&str>, _: Option<&str>) -> Vec<(&'static str, String)> {
        key.map(|key| ("api-key", key.to_owned())).into_iter().collect()
    }

    fn usage(&self, body: &Value) -> Option<ServiceTokens> {
        OpenAi.usage(body)
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(&OpenAi)
    }

    fn chats(&self) -> Option<&dyn Chats> {
        Some(&OpenAi)
    }
}

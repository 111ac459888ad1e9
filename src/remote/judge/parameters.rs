//! Optional parameters of a model's requests.
//!
//! Services refuse a whole request for one parameter that a model does not take. Parameters that a
//! family of models is known to refuse are not sent. Others are dropped for the rest of the run
//! after the first refusal.

use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::Value;

use crate::provider::{Chats, Parameter};
use crate::service::ServiceError;

/// The parameters that a model takes, as far as is known. All threads share it.
pub(super) struct AcceptedParameters {
    wire: &'static dyn Chats,
    refused: AtomicU8,
    reasons: bool,
}

impl AcceptedParameters {
    /// Returns the known parameters of a model's family, by the model's name.
    pub fn of_model(wire: &'static dyn Chats, model: &str) -> Self {
        // Gateways prefix the organisation: openai/gpt-5.
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let bits = wire.refused(&name).iter().fold(0, |bits, parameter| bits | parameter.bit());
        Self { wire, refused: AtomicU8::new(bits), reasons: wire.reasons(&name) }
    }

    /// Returns true if the model thinks before it answers, in tokens that count as output.
    pub fn reasons(&self) -> bool {
        self.reasons
    }

    pub fn takes(&self, parameter: Parameter) -> bool {
        self.refused.load(Ordering::Relaxed) & parameter.bit() == 0
    }

    /// Records the parameter of a request's body that a service refuses. Returns `None` if the
    /// error is about something else.
    pub fn learn(&self, error: &ServiceError, body: &Value) -> Option<Parameter> {
        let ServiceError::Refused { status: 400 | 422, param, message, .. } = error else { return None };
        let is_named = |name: &str| match param {
            Some(param) => param.split(['.', '[']).next() == Some(name),
            None => message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| word == name),
        };
        let is_refused = |parameter: &Parameter| {
            let names = self.wire.names(*parameter);
            names.iter().any(|name| is_named(name)) && names.iter().any(|name| body.get(name).is_some())
        };
        let parameter = Parameter::ALL.into_iter().find(is_refused)?;
        self.refused.fetch_or(parameter.bit(), Ordering::Relaxed);
        Some(parameter)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::Provider;

    fn of_model(model: &str) -> AcceptedParameters {
        AcceptedParameters::of_model(Provider::OpenAi.chats().unwrap(), model)
    }

    #[test]
    fn an_organisation_and_capitals_do_not_hide_the_family() {
        for model in ["gpt-5", "openai/gpt-5.1", "GPT-5"] {
            let parameters = of_model(model);
            assert!(parameters.reasons() && !parameters.takes(Parameter::Temperature), "{model}");
        }
        assert!(of_model("gpt-4o").takes(Parameter::Temperature));
    }

    fn error(status: u16, param: Option<&str>, message: &str) -> ServiceError {
        let (host, param, message) = ("h".into(), param.map(str::to_owned), message.to_owned());
        ServiceError::Refused { host, status, code: None, param, message }
    }

    #[test]
    fn a_parameter_that_is_refused_is_learnt() {
        let body = json!({ "temperature": 0, "response_format": {}, "logprobs": true, "top_logprobs": 20 });
        for (param, message, learnt) in [
            (Some("temperature"), "Unsupported parameter", Some(Parameter::Temperature)),
            (None, "temperature: Extra inputs are not permitted", Some(Parameter::Temperature)),
            (None, "`temperature` is deprecated for this model.", Some(Parameter::Temperature)),
            (Some("response_format.json_schema"), "no", Some(Parameter::Format)),
            (Some("top_logprobs"), "no", Some(Parameter::Logprobs)),
            (Some("messages"), "temperature in the message is nothing", None),
            (None, "reasoning_effort was not sent", None),
            (None, "my_temperature", None),
        ] {
            let parameters = of_model("m");
            assert_eq!(parameters.learn(&error(400, param, message), &body), learnt, "{message}");
            assert!(learnt.is_none_or(|learnt| !parameters.takes(learnt)));
        }
        let parameters = of_model("m");
        assert_eq!(parameters.learn(&error(401, Some("temperature"), ""), &body), None);
        assert!(parameters.takes(Parameter::Temperature));
    }
}

//! Reads settings from the environment.

use std::path::PathBuf;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::settings::Settings;

/// Variables of text-embeddings-inference, and the keys with the same meaning here. They are read
/// if `NEARSORT_TEI_ENV` is true, as in the image. On many machines, names such as HOSTNAME and
/// PORT have other meanings.
const TEI: &[(&str, &str)] = &[
    ("API_KEY", "api_key"),
    ("CORS_ALLOW_ORIGIN", "cors_origin"),
    ("MAX_CLIENT_BATCH_SIZE", "max_texts"),
    ("PAYLOAD_LIMIT", "max_body_bytes"),
];

impl Settings {
    /// Completes these settings by those of the environment, then by those of a file. The settings
    /// or the environment (`NEARSORT_CONFIG`) name the file.
    ///
    /// # Errors
    /// As [`Settings::read`]; a variable with a value that cannot be used.
    pub fn complete(self) -> Result<Self> {
        let environment = read(&|name| std::env::var(name).ok())?;
        let all = self.or(environment)?;
        match all.config.clone().or_else(|| std::env::var_os("NEARSORT_CONFIG").map(PathBuf::from)) {
            Some(path) => all.or(Self::read(&path)?),
            None => Ok(all),
        }
    }
}

/// Reads the variables. `NEARSORT_` and a key's name in capitals sets the key.
fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings> {
    let mut all = Table::new();
    for key in keys()? {
        let name = format!("NEARSORT_{}", key.to_uppercase());
        if let Some(text) = variable(&name) {
            all.insert(key.clone(), value(&name, &key, &text)?);
        }
    }
    if variable("NEARSORT_TEI_ENV").is_some_and(|text| matches!(text.as_str(), "1" | "true")) {
        for (key, found) in of_tei(variable)? {
            all.entry(key).or_insert(found);
        }
    }
    all.try_into().map_err(|error: toml::de::Error| Error::Setting(error.to_string()))
}

/// Returns the keys that a variable can set.
fn keys() -> Result<Vec<String>> {
    let all = serde_json::to_value(Settings::default()).map_err(|error| Error::Setting(error.to_string()))?;
    let keys = all.as_object().into_iter().flatten().map(|(key, _)| key.clone());
    Ok(keys.filter(|key| key != "cascade").collect())
}

/// Converts a variable's text to the first type that the key takes.
fn value(name: &str, key: &str, text: &str) -> Result<Value> {
    let list = || text.split(',').map(|part| Value::String(part.trim().to_owned())).collect();
    let kinds = [
        text.parse().ok().map(Value::Integer),
        text.parse().ok().map(Value::Float),
        match text {
            "1" | "true" => Some(Value::Boolean(true)),
            "0" | "false" => Some(Value::Boolean(false)),
            _ => None,
        },
        Some(Value::Array(list())),
        Some(Value::String(text.to_owned())),
    ];
    let fits = |value: &Value| Table::from_iter([(key.to_owned(), value.clone())]).try_into::<Settings>().is_ok();
    kinds.into_iter().flatten().find(fits).ok_or_else(|| {
        // A variable can hold a secret, so its text is not repeated.
        Error::Setting(format!("{name} has a value that '{key}' does not take; see `nearsort serve --help`"))
    })
}

fn of_tei(variable: &dyn Fn(&str) -> Option<String>) -> Result<Table> {
    let mut all = Table::new();
    for (name, key) in TEI {
        if let Some(text) = variable(name) {
            all.insert((*key).to_owned(), value(name, key, &text)?);
        }
    }
    if let Some(model) = variable("MODEL_ID") {
        let revision = variable("REVISION").map(|revision| format!("@{revision}")).unwrap_or_default();
        let alias = variable("SERVED_MODEL_NAME").map(|alias| format!("={alias}")).unwrap_or_default();
        all.insert("model".to_owned(), Value::Array(vec![Value::String(format!("{model}{revision}{alias}"))]));
    }
    if variable("PORT").is_some() || variable("HOSTNAME").is_some() {
        let host = variable("HOSTNAME").unwrap_or_else(|| "0.0.0.0".to_owned());
        let port = variable("PORT").unwrap_or_else(|| "3000".to_owned());
        all.insert("listen".to_owned(), Value::String(format!("{host}:{port}")));
    }
    if variable("JSON_OUTPUT").is_some_and(|text| text == "true") {
        all.insert("log_format".to_owned(), Value::String("json".to_owned()));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Settings> {
        read(&|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn a_variable_becomes_the_kind_of_value_that_its_key_takes() {
        let found = of(&[
            ("NEARSORT_MODEL", "a, b=c"),
            ("NEARSORT_API_KEY", "12345"),
            ("NEARSORT_MAX_TEXTS", "9"),
            ("NEARSORT_IDLE_TIMEOUT", "1.5"),
            ("NEARSORT_BODY_TIMEOUT", "3"),
            ("NEARSORT_LAZY", "1"),
            ("NEARSORT_LISTEN", "127.0.0.1:9"),
            ("MODEL_ID", "not read"),
        ]);
        let found = found.unwrap();
        assert_eq!(found.model.unwrap(), ["a", "b=c"]);
        assert_eq!(found.api_key.unwrap(), ["12345"]);
        assert_eq!((found.max_texts, found.idle_timeout, found.body_timeout), (Some(9), Some(1.5), Some(3.0)));
        assert_eq!((found.lazy, found.listen.as_deref()), (Some(true), Some("127.0.0.1:9")));
    }

    #[test]
    fn a_wrong_value_names_the_variable_and_not_the_value() {
        let error = of(&[("NEARSORT_MAX_TEXTS", "s3cret")]).unwrap_err().to_string();
        assert!(error.contains("NEARSORT_MAX_TEXTS") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn teis_variables_count_where_that_is_asked_for_and_ours_before_them() {
        let tei = [
            ("NEARSORT_TEI_ENV", "true"),
            ("MODEL_ID", "org/name"),
            ("REVISION", "abc"),
            ("PORT", "80"),
            ("API_KEY", "key"),
            ("MAX_CLIENT_BATCH_SIZE", "64"),
            ("PAYLOAD_LIMIT", "2000"),
            ("NEARSORT_MAX_TEXTS", "8"),
        ];
        let found = of(&tei).unwrap();
        assert_eq!(found.model.unwrap(), ["org/name@abc"]);
        assert_eq!((found.listen.as_deref(), found.max_texts), (Some("0.0.0.0:80"), Some(8)));
        assert_eq!((found.api_key.unwrap(), found.max_body_bytes), (vec!["key".to_owned()], Some(2000)));
    }
}

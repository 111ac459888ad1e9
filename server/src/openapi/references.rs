//! Schemas by their names.

use serde_json::{Value, json};

pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Returns a reference to one schema, or to any of several.
pub(super) fn any_of(names: &[&str]) -> Value {
    match names {
        [one] => reference(one),
        many => json!({ "anyOf": many.iter().map(|name| reference(name)).collect::<Vec<_>>() }),
    }
}

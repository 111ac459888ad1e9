//! Fields that are passed through from the input to the output.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// With at most this many fields, names are found by linear search.
const FEW: usize = 32;

/// The other fields of a row, in their order, each with its value as JSON text.
///
/// Values are kept as text so that a number keeps its digits and its spelling:
/// `123456789012345678901234567890`, `1e400` and `1.10` are written as they were read. The text has
/// no blanks between its parts, and its strings have JSON's shortest spelling.
///
/// ```
/// use std::io::Cursor;
/// let input = Cursor::new(r#"{"text": "a", "price": 1.10, "tags": ["x", "y"]}"#);
/// let row = nearsort::io::Rows::new(input, "a.jsonl", &Default::default())?.next().unwrap()?;
/// assert_eq!(row.extra.get("price"), Some("1.10"));
/// assert_eq!(row.extra.value("tags").unwrap()[1], "y");
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Returns the JSON text of a field's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, json)| json.as_str())
    }

    /// Returns a field's value; `None` if there is no field of this name, or if its number is
    /// beyond the range of 64 bits.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.get(name).and_then(|json| serde_json::from_str(json).ok())
    }

    /// Returns the names and JSON texts, in the input's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), json.as_str()))
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Creates the fields. If a name is repeated, the last value counts, in the place of the first,
    /// as everywhere in JSON.
    pub(super) fn of(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut all: Vec<(String, String)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (name, json) in fields {
            if all.len() == FEW {
                places = all.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
            }
            let earlier = match all.len() < FEW {
                true => all.iter().position(|(field, _)| *field == name),
                false => places.get(&name).copied(),
            };
            match earlier {
                Some(at) => all[at].1 = json,
                None => {
                    if all.len() >= FEW {
                        places.insert(name.clone(), all.len());
                    }
                    all.push((name, json));
                }
            }
        }
        Self(all)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

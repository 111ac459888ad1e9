//! Fields that are passed through.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Up to so many fields a name is looked for one by one.
const FEW: usize = 32;

/// The fields of a row that have no meaning here, in their order, each with its value as JSON text.
///
/// Texts and not values, because a number keeps its digits and its spelling: `123456789012345678901234567890`, `1e400` and `1.10` are written as
/// they were read. The text has no blanks between its parts, and its strings are spelled as short as JSON allows.
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
    /// The JSON text of a field's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, json)| json.as_str())
    }

    /// A field's value; `None` where there is no such field, or its number is beyond the range of 64 bits.
    pub fn value(&self, name: &str) -> Option<Value> {
        self.get(name).and_then(|json| serde_json::from_str(json).ok())
    }

    /// Names and JSON texts, in the input's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), json.as_str()))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of fields with one name the last one counts, in the first one's place, as everywhere in JSON.
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

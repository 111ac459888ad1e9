//! `nearsort index delete`.

use std::collections::HashSet;

use nearsort::io::{InputFormat, ReadOptions, Rows};

use crate::args::{DeleteArgs, Talk};
use crate::hints::say;
use crate::{Failure, Outcome, Run};

pub fn delete(args: &DeleteArgs, talk: Talk) -> Run {
    let mut ids = args.id.clone();
    if let Some(file) = &args.ids {
        // A small file may unpack to countless equal lines.
        let mut seen: HashSet<String> = ids.iter().cloned().collect();
        let options = ReadOptions { format: Some(InputFormat::Text), ..ReadOptions::default() };
        for row in Rows::open(file, &options)? {
            let row = row?;
            let id = row.text.trim();
            if !id.is_empty() && !seen.contains(id) {
                seen.insert(id.to_owned());
                ids.push(id.to_owned());
            }
        }
    }
    if ids.is_empty() {
        return Err(Failure::Error("there are no ids to delete".into()));
    }
    let deleted = nearsort::index::delete(&args.index, &ids)?;
    if talk == Talk::Verbose {
        say(format_args!("{deleted} rows deleted"));
    }
    Ok(Outcome::Done)
}

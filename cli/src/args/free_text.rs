//! Texts that begin with a hyphen, as values of options that take any text.
//!
//! clap takes a value that begins with a hyphen for another option. If it may accept hyphens, it
//! reads `--query --top-k 3` as the query `--top-k`. So `--query "-40 degrees"` becomes
//! `--query="-40 degrees"` before clap sees it, unless the text is close to the name of an option.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Command, CommandFactory, Parser};

use super::Cli;
use crate::hints;
use nearsort_report::visible;

/// Options whose values are texts that people write.
const FREE_TEXT: [&str; 8] =
    ["query", "instruction", "query-prompt", "document-prompt", "text-field", "id-field", "title-field", "score-field"];

/// Maximum number of wrong letters in a misspelled option.
const MAX_TYPOS: usize = 2;

/// Parses the command line, or prints an error and ends the process.
///
/// `args`: the program's name first.
pub fn parse(args: Vec<OsString>) -> Cli {
    let mut command = Cli::command();
    command.build();
    let args = joined(args, &command);
    Cli::try_parse_from(&args).unwrap_or_else(|error| refuse(&args, error))
}

/// Prints the error or the requested help, and ends the process. The message quotes the arguments,
/// so their control characters are escaped first.
fn refuse(args: &[OsString], error: clap::Error) -> ! {
    let shown = args.iter().map(|word| visible(&word.to_string_lossy()).into_owned());
    match Cli::try_parse_from(shown) {
        Err(same) if same.kind() == error.kind() => with_tip(same).exit(),
        _ => {
            let error = with_tip(error);
            hints::say_help(&visible(&error.render().to_string()));
            std::process::exit(error.exit_code())
        }
    }
}

/// Joins free texts that begin with a hyphen to their options. Nothing behind `--` is touched.
fn joined(args: Vec<OsString>, command: &Command) -> Vec<OsString> {
    let verb = verb(&args, command);
    let mut joined: Vec<OsString> = Vec::with_capacity(args.len());
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        let is_end = arg == "--";
        let text = args.peek().filter(|text| takes_text(verb, &arg) && is_text(verb, text)).is_some();
        joined.push(arg);
        if let (true, Some(option)) = (text, joined.last_mut()) {
            option.push("=");
            option.extend(args.next());
        }
        if is_end {
            joined.extend(args);
            break;
        }
    }
    joined
}

/// Returns the command whose options are given: the verb, or the verb of a verb.
fn verb<'a>(args: &[OsString], command: &'a Command) -> &'a Command {
    let names = args.iter().skip(1).filter_map(|arg| arg.to_str());
    names.fold(command, |command, name| command.find_subcommand(name).unwrap_or(command))
}

fn takes_text(verb: &Command, arg: &OsString) -> bool {
    let name = arg.to_str().and_then(|arg| arg.strip_prefix("--"));
    name.is_some_and(|name| FREE_TEXT.contains(&name) && verb.get_arguments().any(|arg| arg.get_long() == Some(name)))
}

/// Returns true if a value that begins with a hyphen is a text, not an option.
fn is_text(verb: &Command, value: &OsString) -> bool {
    let value = value.to_string_lossy();
    match value.strip_prefix('-') {
        None | Some("" | "-") => false,
        Some(rest) => match rest.strip_prefix('-') {
            Some(long) => !is_long(verb, long),
            None => !rest.chars().all(|letter| verb.get_arguments().any(|arg| arg.get_short() == Some(letter))),
        },
    }
}

/// Returns true for the name of an option, a misspelled one, or one with `=VALUE`.
fn is_long(verb: &Command, text: &str) -> bool {
    let name = text.split('=').next().unwrap_or(text);
    if name.contains(char::is_whitespace) {
        return false;
    }
    let is_near = |known: &str| {
        let typos = strsim::damerau_levenshtein(known, name);
        typos == 0 || typos <= MAX_TYPOS && typos * 3 <= name.chars().count()
    };
    verb.get_arguments().any(|arg| {
        let aliases = arg.get_all_aliases().unwrap_or_default();
        arg.get_long().into_iter().chain(aliases).any(is_near)
    })
}

/// Adds a tip on how to give a text that reads like an option.
fn with_tip(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return error };
    let has_no_value =
        matches!(error.get(ContextKind::InvalidValue), Some(ContextValue::String(value)) if value.is_empty());
    let name = option.split([' ', '=']).next().unwrap_or_default().to_owned();
    if has_no_value && FREE_TEXT.contains(&name.trim_start_matches('-')) {
        let tip = format!("a text that reads like an option is given with an equals sign: {name}=TEXT");
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined_of(args: &[&str]) -> Vec<String> {
        let mut command = Cli::command();
        command.build();
        let args = ["nearsort"].iter().chain(args).map(OsString::from).collect();
        joined(args, &command).iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn texts_that_begin_with_a_hyphen_are_joined_to_their_options() {
        for text in ["-40 degrees", "--verbose and --quiet in cargo", "-Xmx2g", "---", "-1", "--frobnicate", "–5 °C"]
        {
            for (verb, option) in [("rerank", "--query"), ("search", "--query"), ("rerank", "--instruction")] {
                let expected = if text.starts_with('-') {
                    vec![format!("{option}={text}")]
                } else {
                    vec![option.into(), text.into()]
                };
                assert_eq!(joined_of(&[verb, option, text, "c.txt"])[1..expected.len() + 1], expected);
            }
        }
        assert_eq!(joined_of(&["index", "build", "--document-prompt", "- "])[2], "--document-prompt=- ");
        assert_eq!(joined_of(&["embed", "--text-field", "-body"])[1], "--text-field=-body");
    }

    #[test]
    fn options_stay_options() {
        for option in
            ["--top-k", "--topk", "--top-k=3", "--queries", "-q", "-v", "-qv", "-h", "--help", "-", "--", "-o"]
        {
            let args = ["rerank", "--query", option, "3"];
            assert_eq!(joined_of(&args), args, "{option}");
        }
        let behind = ["index", "delete", "--index", "i", "--", "--query", "-1"];
        assert_eq!(joined_of(&behind), behind);
        let other = ["rerank", "--run", "-40", "--query=-1"];
        assert_eq!(joined_of(&other), other);
    }
}

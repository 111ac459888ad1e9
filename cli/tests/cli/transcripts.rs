//! What a user of each verb sees, whole: `cli/tests/transcripts/VERB.txt` is a session in a copy of
//! examples/. Numbers may differ a little, because scores depend on the processor.

use std::fs;
use std::path::PathBuf;
use std::thread;

use crate::docs::transcript::Shell;
use crate::support::{root, run};

fn path(verb: &str) -> PathBuf {
    root().join("cli/tests/transcripts").join(format!("{verb}.txt"))
}

/// The verbs of the help, `help` left out.
fn verbs() -> Vec<String> {
    let help = run(&["--help"]).quietly();
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let named = listed.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    named.filter_map(|line| line.split(' ').next()).filter(|verb| *verb != "help").map(str::to_owned).collect()
}

/// Follows the session of a verb. One that shows something else is written anew.
fn follow(verb: &str) -> Result<(), String> {
    let path = path(verb);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    match Shell::new().as_it_goes(&lines)? {
        None => Ok(()),
        Some((complaint, session)) => {
            fs::write(&path, session).map_err(|error| format!("{}: {error}", path.display()))?;
            Err(format!("{complaint}\n{} is written anew: look at the change, then commit it", path.display()))
        }
    }
}

#[test]
fn every_verb_has_a_transcript_and_shows_what_it_says() {
    let verbs = verbs();
    assert!(verbs.len() >= 13, "{verbs:?}");
    let complaints: Vec<String> = thread::scope(|scope| {
        let sessions: Vec<_> = verbs.iter().map(|verb| scope.spawn(|| follow(verb))).collect();
        sessions.into_iter().filter_map(|session| session.join().unwrap().err()).collect()
    });
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

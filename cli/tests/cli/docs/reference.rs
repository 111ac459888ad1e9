//! Pages that are generated from the program.

use std::fmt::Write;
use std::fs;

use serde_json::Value;

use crate::support::{command as nearsort, finish, root, run};

/// Compares a page with what it should be. One that is out of date is written anew, for a look at
/// what changed before it is committed.
pub fn check(name: &str, expected: &str) {
    let path = root().join(name);
    if fs::read_to_string(&path).unwrap_or_default() != expected {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
        panic!("{name} was out of date and is written anew: look at the change, then commit it");
    }
}

/// The help of every verb.
pub fn command() -> String {
    let mut page = "# Command line\n\nGenerated from `nearsort --help`; `-h` prints a summary. See the chapters for explanations.\n".to_owned();
    describe(&[], &mut page);
    page
}

fn describe(verbs: &[&str], page: &mut String) {
    let mut command = nearsort(&[verbs, &["--help"]].concat());
    command.env_remove("COLUMNS");
    let help = finish(command.spawn().unwrap()).quietly();
    let title = [&["nearsort"], verbs].concat().join(" ");
    let text: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(page, "\n## {title}\n\n```text\n{}\n```\n", text.join("\n").trim_end()).unwrap();
    for verb in verbs_of(&text) {
        describe(&[verbs, &[verb]].concat(), page);
    }
}

/// The verbs that a help text lists, `help` itself left out.
fn verbs_of<'a>(help: &[&'a str]) -> Vec<&'a str> {
    let listed = help.iter().skip_while(|line| **line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let name = |line: &&&'a str| line.starts_with("  ") && !line.starts_with("   ");
    listed.filter(name).filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect()
}

/// The registered models.
pub fn models() -> String {
    let list = run(&["models", "list", "--json"]).quietly();
    let models: Vec<Value> = serde_json::from_str(&list).unwrap();
    let mut page = "\
# Registered models

Generated from `nearsort models list --json`. `--model` takes these names, any `org/name[@revision]` of the hub, and folders.
\"pinned\": commit and checksum of the weights are known. See [Models](../models.md).

| name | repository | licence | size | pinned | query prompt | document prompt |
|---|---|---|---|---|---|---|
"
    .to_owned();
    for model in &models {
        let text = |key: &str| model[key].as_str().unwrap_or_default().replace('\n', "\\n");
        let code = |key: &str| if text(key).is_empty() { String::new() } else { format!("`{}`", text(key)) };
        let size =
            model["size_bytes"].as_f64().map_or("not known".to_owned(), |bytes| format!("{:.0} MB", bytes / 1e6));
        let pinned = if model["pinned"] == true { "yes" } else { "no" };
        let (name, repo, licence) = (code("name"), text("repo"), text("licence"));
        let (query, document) = (code("query_prompt"), code("document_prompt"));
        let repo = format!("[{repo}](https://huggingface.co/{repo})");
        writeln!(page, "| {name} | {repo} | {licence} | {size} | {pinned} | {query} | {document} |").unwrap();
    }
    page
}

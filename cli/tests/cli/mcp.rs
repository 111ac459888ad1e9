//! `nearsort mcp` with the official client, and with lines written by hand.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde_json::{Value, json};

use crate::support::{EIFFEL, command};

/// A folder with a file of candidates.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("texts.txt"), "The Louvre is a museum.\nThe Eiffel Tower is located in Paris.\n")
        .unwrap();
    folder
}

async fn ranks_by_file(lifecycle: ClientLifecycleMode) {
    let folder = folder();
    let mut program = command(&["mcp", "--root", folder.path().to_str().unwrap()]);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(program).spawn().unwrap();
    let transport = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let client = ().serve_with_lifecycle(transport, lifecycle).await.unwrap();
    let names: Vec<String> = client.list_all_tools().await.unwrap().iter().map(|tool| tool.name.to_string()).collect();
    assert_eq!(names, ["models", "rerank", "search"]);
    let arguments = json!({ "query": EIFFEL, "file": "texts.txt" }).as_object().unwrap().clone();
    let ranked = client.call_tool(CallToolRequestParams::new("rerank").with_arguments(arguments)).await.unwrap();
    let ranked = ranked.structured_content.unwrap();
    assert_eq!((&ranked["results"][0]["index"], &ranked["results"][0]["id"]), (&json!(1), &json!("2")));
    assert_eq!(ranked["model"], "all-MiniLM-L6-v2");
    client.cancel().await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("Eiffel") && !said.contains("error"), "{said}");
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

#[test]
fn the_official_client_ranks_with_a_handshake() {
    block_on(ranks_by_file(ClientLifecycleMode::Initialize));
}

#[test]
fn the_official_client_ranks_without_a_handshake() {
    block_on(ranks_by_file(ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }));
}

/// Sends lines and closes stdin; gives the lines of stdout as JSON.
fn talk(lines: &[Value]) -> Vec<Value> {
    let mut program = command(&["mcp"]);
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in lines {
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn stdout_has_nothing_but_the_protocol_and_the_end_of_stdin_is_the_end() {
    let said = talk(&[
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "rerank", "arguments": { "query": "q", "documents": ["a"], "file": "b" } } }),
    ]);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0]["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(said[0]["result"]["serverInfo"]["name"], "nearsort");
    assert_eq!((&said[1]["id"], &said[1]["result"]["isError"]), (&json!(2), &json!(true)));
}

#[test]
fn a_root_that_is_no_folder_ends_the_start() {
    let output = command(&["mcp", "--root", "no/such/folder"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("root no/such/folder"), "{said}");
}

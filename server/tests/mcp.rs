//! `/mcp` with the official client, a real model, files and an index, at both generations of the
//! protocol.

use std::fs;
use std::path::Path;

use nearsort::index::{BuildOptions, Dtype, IndexBuilder, IndexModel};
use nearsort::io::{ReadOptions, Rows};
use nearsort::{Call, DEFAULT_MODEL, Model, ModelOptions};
use nearsort_server::{Options, Server, Settings};
use rmcp::model::{CallToolRequestParams, CallToolResult, ProtocolVersion};
use rmcp::service::RunningService;
use rmcp::transport::{StreamableHttpClientTransport, UnixSocketHttpClient};
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const QUERY: &str = "Where does the Eiffel Tower stand?";
const TEXTS: [&str; 3] = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris.", "Bananas are yellow."];

type Client = RunningService<RoleClient, ()>;

/// A server on a Unix socket in a folder of its own, with a file of candidates and an index.
struct Running {
    folder: tempfile::TempDir,
    end: oneshot::Sender<()>,
    serving: JoinHandle<nearsort_server::Result<()>>,
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let lines: Vec<String> =
            TEXTS.iter().zip(["l", "e", "b"]).map(|(text, id)| json!({ "id": id, "text": text }).to_string()).collect();
        fs::write(root.join("texts.jsonl"), lines.join("\n")).unwrap();
        fs::write(folder.path().join("secret.txt"), "secret\n").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret.txt"), root.join("link.txt")).unwrap();
        let index = folder.path().join("facts");
        build_index(&root.join("texts.jsonl"), &index);
        let settings = Settings {
            listen: Some(format!("unix:{}", folder.path().join("socket").display())),
            index: Some(vec![index.display().to_string()]),
            mcp_root: Some(vec![root]),
            ..Settings::default()
        };
        let server = Server::bind(Options::new(settings).unwrap()).await.unwrap();
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(server.run(async { drop(ended.await) }));
        let server = Self { folder, end, serving };
        // The self-test counts as a running request.
        while !server.get("/readyz").await.starts_with("HTTP/1.1 200") {
            tokio::task::yield_now().await;
        }
        server
    }

    fn socket(&self) -> String {
        self.folder.path().join("socket").display().to_string()
    }

    async fn client(&self, lifecycle: ClientLifecycleMode) -> Client {
        let transport = StreamableHttpClientTransport::<UnixSocketHttpClient>::from_unix_socket(
            &self.socket(),
            "http://localhost/mcp",
        );
        ().serve_with_lifecycle(transport, lifecycle).await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = UnixStream::connect(self.socket()).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// A line of /metrics, without its name.
    async fn metric(&self, name: &str) -> String {
        let answer = self.get("/metrics").await;
        let line = answer.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
    }

    /// Waits until a metric has a value.
    async fn until(&self, name: &str, value: &str) {
        while self.metric(name).await != value {
            tokio::task::yield_now().await;
        }
    }

    async fn stop(self) {
        self.end.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }
}

fn build_index(texts: &Path, folder: &Path) {
    let encoder = Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default()).unwrap();
    let options = BuildOptions { dtype: Dtype::F32, tokens: false, replace: false, restart: false };
    let mut builder = IndexBuilder::build(folder, &IndexModel::of(&encoder).unwrap(), options).unwrap();
    let rows: Vec<_> = Rows::open(texts, &ReadOptions::default()).unwrap().collect::<Result<_, _>>().unwrap();
    let rows: Vec<(&str, &str)> = rows.iter().map(|row| (row.id.as_str(), row.text.as_str())).collect();
    builder.push_chunk(&encoder, &rows, &Call::new()).unwrap();
    builder.finish().unwrap();
}

fn discover() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

async fn call(client: &Client, tool: &str, arguments: Value) -> CallToolResult {
    let arguments = arguments.as_object().unwrap().clone();
    client.call_tool(CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments)).await.unwrap()
}

async fn answer(client: &Client, tool: &str, arguments: Value) -> Value {
    let result = call(client, tool, arguments).await;
    assert_ne!(result.is_error, Some(true), "{result:?}");
    result.structured_content.unwrap()
}

async fn refusal(client: &Client, tool: &str, arguments: Value) -> String {
    let result = call(client, tool, arguments).await;
    assert_eq!(result.is_error, Some(true), "{result:?}");
    result.content[0].as_text().unwrap().text.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tools_answer_shortly_at_both_generations_of_the_protocol() {
    let server = Running::start().await;
    for lifecycle in [ClientLifecycleMode::Initialize, discover()] {
        let client = server.client(lifecycle).await;

        let tools = client.list_all_tools().await.unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        assert_eq!(names, ["models", "rerank", "search"]);
        for tool in &tools {
            let hints = tool.annotations.as_ref().unwrap();
            assert_eq!((hints.read_only_hint, hints.open_world_hint), (Some(true), Some(false)), "{}", tool.name);
            assert_eq!(tool.output_schema.as_ref().unwrap()["type"], "object", "{}", tool.name);
        }

        let listed = answer(&client, "models", json!({})).await;
        assert_eq!(listed, json!({ "models": [DEFAULT_MODEL], "indexes": ["facts"] }));

        let given = answer(&client, "rerank", json!({ "query": QUERY, "documents": TEXTS, "top_k": 2 })).await;
        assert_eq!((&given["candidates"], given["results"].as_array().unwrap().len()), (&json!(3), 2));
        assert_eq!((&given["results"][0]["index"], &given["results"][0]["best_window"]), (&json!(1), &json!(TEXTS[1])));
        assert!(given["results"][0].get("id").is_none());

        let of_file = answer(&client, "rerank", json!({ "query": QUERY, "file": "texts.jsonl", "top_k": 1 })).await;
        assert_eq!(of_file["results"][0]["id"], "e");
        assert_eq!(of_file["results"][0]["score"], given["results"][0]["score"]);

        let found = answer(&client, "search", json!({ "query": QUERY, "top_k": 1 })).await;
        assert_eq!((&found["index"], &found["results"][0]["id"]), (&json!("facts"), &json!("e")));

        client.cancel().await.unwrap();
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_document_comes_back_as_its_best_window() {
    let server = Running::start().await;
    let client = server.client(discover()).await;
    let sand = "Rivers carry sand to the sea and leave it on the shore. ".repeat(60);
    let long = format!("{sand}The Eiffel Tower stands on the Champ de Mars in Paris. {sand}");
    let ranked = answer(&client, "rerank", json!({ "query": QUERY, "documents": [long] })).await;
    let window = ranked["results"][0]["best_window"].as_str().unwrap();
    assert!(window.chars().count() <= 301 && window.ends_with('…'), "{window}");
    assert!(!long.starts_with(&window[..40]), "the beginning is not the best window: {window}");
    client.cancel().await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_in_words_that_a_language_model_can_act_on() {
    let server = Running::start().await;
    let client = server.client(ClientLifecycleMode::Initialize).await;
    let cases = [
        ("rerank", json!({ "query": QUERY }), "'documents' and 'file' are missing"),
        ("rerank", json!({ "query": QUERY, "documents": ["a"], "file": "texts.jsonl" }), "both 'documents' and 'file'"),
        ("rerank", json!({ "query": QUERY, "documents": [] }), "'documents' is an empty list"),
        ("rerank", json!({ "query": " ", "documents": ["a"] }), "query"),
        ("rerank", json!({ "query": QUERY, "documents": ["a"], "top_k": 0 }), "'top_k' is 0"),
        (
            "rerank",
            json!({ "query": QUERY, "documents": ["a"], "model": "x" }),
            "unknown model 'x'; this server has: all-MiniLM",
        ),
        ("rerank", json!({ "query": QUERY, "file": "../secret.txt" }), "there is no '../secret.txt' below"),
        ("rerank", json!({ "query": QUERY, "file": "link.txt" }), "there is no 'link.txt' below"),
        ("rerank", json!({ "query": QUERY, "file": "/etc/passwd" }), "there is no '/etc/passwd' below"),
        ("search", json!({ "query": "" }), "'query' is blank"),
        ("search", json!({ "query": QUERY, "index": "other" }), "one of facts"),
    ];
    for (tool, arguments, expected) in cases {
        let said = refusal(&client, tool, arguments.clone()).await;
        assert!(said.contains(expected), "{tool} {arguments}: {said}");
    }
    let misspelt = json!({ "query": QUERY, "docs": ["a"] });
    let arguments = misspelt.as_object().unwrap().clone();
    let error = client.call_tool(CallToolRequestParams::new("rerank").with_arguments(arguments)).await;
    let said = format!("{error:?}");
    assert!(said.contains("docs"), "{said}");
    client.cancel().await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_its_client_gives_up_ends_its_work() {
    let server = Running::start().await;
    for (cancelled, lifecycle) in [("1", ClientLifecycleMode::Initialize), ("2", discover())] {
        let client = server.client(lifecycle).await;
        let peer = client.peer().clone();
        let documents: Vec<String> = (0..20_000).map(|at| format!("{at} {}", "many words ".repeat(40))).collect();
        let arguments = json!({ "query": QUERY, "documents": documents }).as_object().unwrap().clone();
        let params = CallToolRequestParams::new("rerank").with_arguments(arguments);
        let calling = tokio::spawn(async move { peer.call_tool(params).await });
        server.until("nearsort_requests_running", "1").await;
        calling.abort();
        client.cancel().await.unwrap();
        server.until("nearsort_requests_running", "0").await;
        assert_eq!(server.metric("nearsort_requests_cancelled_total").await, cancelled);
    }
    server.stop().await;
}

/// A page of another origin must not reach the tools of a server on this machine.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_origin_is_refused() {
    let server = Running::start().await;
    let mut stream = UnixStream::connect(server.socket()).await.unwrap();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let request = format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    server.stop().await;
}

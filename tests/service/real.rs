//! Against a real server of somebody else's that serves all-MiniLM-L6-v2 in OpenAI's format: its
//! vectors must be the local encoder's.
//!
//! Not in the default run. With infinity-emb 0.0.78 from PyPI and the model's folder:
//!
//! ```sh
//! pip install "infinity-emb[torch,server]"
//! infinity_emb v2 --model-id FOLDER --served-model-name all-MiniLM-L6-v2 --port 7997 --url-prefix /v1 --engine torch --device cpu --dtype float32
//! NEARSORT_TEST_SERVICE=http://127.0.0.1:7997/v1 cargo test --release --test main -- --ignored a_real_server
//! ```

use std::sync::Arc;

use nearsort::remote::{RemoteEncoder, RemoteOptions, ask_dim};
use nearsort::service::{Account, HttpService, Provider, ServiceOptions};
use nearsort::{Encoder, Role};

use crate::support::{cosine, default_model};

#[test]
#[ignore = "needs a server, named by NEARSORT_TEST_SERVICE"]
fn a_real_server_gives_the_vectors_of_the_local_encoder() {
    let url = std::env::var("NEARSORT_TEST_SERVICE").expect("NEARSORT_TEST_SERVICE must name the server");
    let options = ServiceOptions { base_url: Some(url), ..ServiceOptions::new(Provider::OpenAi, "all-MiniLM-L6-v2") };
    let account = Account::new(Arc::default(), "all-MiniLM-L6-v2", None).unwrap();
    let service = Arc::new(HttpService::new(options, account.clone()).unwrap());
    let dim = ask_dim(service.as_ref()).unwrap();
    let remote = RemoteOptions { request_inputs: 16, concurrency: 3, ..RemoteOptions::default() };
    let remote = RemoteEncoder::new(service, dim, remote).unwrap();
    let texts: Vec<String> =
        (0..100).map(|n| format!("{} The Eiffel Tower, sentence {n}.", "Paris ".repeat(n))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let theirs = remote.encode(&texts, Role::Document).unwrap();
    let ours = default_model().encode(&texts, Role::Document).unwrap();
    for (text, (a, b)) in texts.iter().zip(theirs.vectors.rows().into_iter().zip(ours.vectors.rows())) {
        let cosine = cosine(&a.to_vec(), &b.to_vec());
        assert!(cosine > 0.99999, "{cosine}: {text}");
    }
    assert!(account.meter().usage().tokens.input > 0, "the server counts tokens");
}

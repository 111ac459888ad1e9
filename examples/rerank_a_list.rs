//! Ranks a list: `cargo run --release --example rerank_a_list`

use nearsort::{Model, ModelOptions, Reranker};

fn main() -> nearsort::Result<()> {
    let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
    let docs = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
    let answer = Reranker::new(&model).rank("Where is the Eiffel Tower?", &docs).top_k(10).run()?;
    for hit in answer.hits {
        println!("{:.4}  {}", hit.score, docs[hit.index]);
    }
    Ok(())
}

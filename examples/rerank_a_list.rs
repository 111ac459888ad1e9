//! Ranks a list: `cargo run --release --example rerank_a_list`

use nearsort::{Model, ModelOptions, Reranker};

fn main() -> nearsort::Result<()> {
    let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?;
    let docs = [
        "Bread rises because yeast turns sugar into gas.",
        "A sourdough starter is a mix of flour and water in which wild yeast lives.",
        "The oven should be hot before the loaf goes in.",
        "Trams returned to many cities in the nineties.",
    ];
    let answer = Reranker::new(&model).rank("Why does dough get bigger?", &docs).top_k(3).run()?;
    for (rank, hit) in (1..).zip(answer.hits) {
        println!("{rank}  {:.4}  {}", hit.score, docs[hit.index]);
    }
    Ok(())
}

//! Ranks a list: `cargo run --release --example rerank_a_list`

use nearsort::{RerankOptions, Reranker};

fn main() -> nearsort::Result<()> {
    let reranker = Reranker::builder().model("all-MiniLM-L6-v2").build()?;
    let candidates = [
        "Bread rises because yeast turns sugar into gas.",
        "A sourdough starter is a mix of flour and water in which wild yeast lives.",
        "The oven should be hot before the loaf goes in.",
        "Trams returned to many cities in the nineties.",
    ];
    let options = RerankOptions { top_k: Some(3), ..Default::default() };
    for (rank, hit) in (1..).zip(reranker.rerank("Why does dough get bigger?", &candidates, &options)?) {
        println!("{rank}  {:.4}  {}", hit.score, candidates[hit.index]);
    }
    Ok(())
}

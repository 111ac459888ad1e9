//! Reads texts by id from a corpus of any size, in the same memory whatever its size:
//!
//! `cargo run --release --example texts_by_id -- corpus.jsonl doc7 doc1`
//!
//! With a number instead of ids, so many texts are read at random places and counted.

use std::time::Instant;

use nearsort::io::{Corpus, ReadOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, ids @ ..] = arguments.as_slice() else { return Err("give a corpus and ids".into()) };
    let started = Instant::now();
    let corpus = Corpus::open(&[path], &ReadOptions::default(), std::env::temp_dir())?;
    println!("{} texts, sha256 {}, {:.2} s", corpus.len(), corpus.digest(), started.elapsed().as_secs_f64());
    if let [count] = ids
        && let Ok(count) = count.parse::<u64>()
    {
        return read_at_random(&corpus, count);
    }
    for id in ids {
        match corpus.find(id)? {
            Some((position, row)) => println!("{id} (row {position}): {}", row.passage()),
            None => println!("{id}: not there"),
        }
    }
    Ok(())
}

fn read_at_random(corpus: &Corpus, count: u64) -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let mut num_bytes = 0;
    for n in 0..count {
        // Steps of a prime number visit the rows in no order that a disk could read ahead in.
        let row = corpus.row(n.wrapping_mul(2_147_483_647) % corpus.len().max(1))?;
        let found = corpus.position(&row.id)?;
        num_bytes += row.text.len() * usize::from(found.is_some());
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{count} texts by row and by id: {num_bytes} bytes, {:.1} us each", seconds * 1e6 / count.max(1) as f64);
    Ok(())
}

//! Exact search in an index on disk, for benches/search.py, which runs it beside other programs.
//!
//! What is measured: seconds of [`Index::search`], top-k included, for one query and for a block of
//! queries, and of a streaming sum over the mapped vectors themselves, on all threads: what one may
//! expect of memory. (Of those very pages: other memory of the same virtual machine is up to a
//! fifth faster or slower.) On what data: vectors that search.py writes. How to run: `python3
//! benches/search.py`. By itself: `search VECTORS QUERIES DIM DTYPE INDEX`, raw f32; then lines on
//! standard input: `one N` (query N), `all`, `sum`, `hits N`, and `fresh N`: query N on the index
//! as it is just opened, whose blocks are compared with their checksums on the way; each is
//! answered by a line of JSON.

use std::fs;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

use ndarray::{Array2, s};
use nearsort::Call;
use nearsort::encoder::{Embeddings, Encoder, Role};
use nearsort::index::{BuildOptions, Dtype, Index, IndexBuilder, IndexModel};
use rayon::prelude::*;

const TOP_K: usize = 100;

/// Gives each text, a row number, its row.
struct Given {
    dim: usize,
    rows: Vec<f32>,
}

impl Encoder for Given {
    fn dim(&self) -> usize {
        self.dim
    }
    fn max_tokens(&self) -> usize {
        1
    }
    fn fingerprint(&self) -> nearsort::Result<String> {
        Ok("given".into())
    }
    fn encode(&self, texts: &[&str], _role: Role) -> nearsort::Result<Embeddings> {
        let row = |text: &&str| {
            let row: usize = text.parse().expect("a row number");
            self.rows[row * self.dim..(row + 1) * self.dim].to_vec()
        };
        let rows: Vec<f32> = texts.iter().flat_map(row).collect();
        let vectors = Array2::from_shape_vec((texts.len(), self.dim), rows).expect("whole rows");
        Ok(Embeddings { vectors, tokens: vec![1; texts.len()], truncated: vec![false; texts.len()] })
    }
}

fn floats(path: &str) -> Vec<f32> {
    let bytes = fs::read(path).expect("a file of f32");
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
}

fn build(vectors: &str, dim: usize, dtype: Dtype, folder: &str) {
    let encoder = Given { dim, rows: floats(vectors) };
    let model = IndexModel {
        name: "given".into(),
        revision: None,
        fingerprint: "given".into(),
        engine: "none".into(),
        precision: "f32".into(),
        dim,
        token_dim: dim,
        max_tokens: 1,
        pooling: "none".into(),
        query_prompt: String::new(),
        document_prompt: String::new(),
    };
    let options = BuildOptions { dtype, tokens: false, replace: false, restart: true };
    let mut builder = IndexBuilder::build(folder, &model, options).expect("a folder to build in");
    let texts: Vec<String> = (0..encoder.rows.len() / dim).map(|row| row.to_string()).collect();
    for chunk in texts.chunks(builder.chunk_rows()) {
        let rows: Vec<(&str, &str)> = chunk.iter().map(|text| (text.as_str(), text.as_str())).collect();
        builder.push_chunk(&encoder, &rows, &Call::new()).expect("rows are written");
    }
    builder.finish().expect("an index");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let [vectors, queries, dim, dtype, folder] = args.as_slice() else {
        println!("run python3 benches/search.py, which runs this beside other programs");
        return;
    };
    let (dim, dtype): (usize, Dtype) = (dim.parse().expect("a dimension"), dtype.parse().expect("f32, f16 or i8"));
    if Index::open(folder).is_err() {
        build(vectors, dim, dtype, folder);
    }
    let mut index = Index::open(folder).expect("an index");
    let queries = floats(queries);
    let queries = Array2::from_shape_vec((queries.len() / dim, dim), queries).expect("whole queries");
    let vectors =
        std::fs::File::open(format!("{folder}/segment-000001/vectors")).expect("the vectors of a built index");
    // SAFETY: nobody changes the index meanwhile.
    let vectors = unsafe { memmap2::Mmap::map(&vectors) }.expect("a file that can be mapped");
    let num_words = index.len() as usize * dim * dtype.bytes() / 8;
    // SAFETY: a mapping begins at a page, and the vectors are its first bytes.
    let memory = unsafe { std::slice::from_raw_parts(vectors.as_ptr().cast::<u64>(), num_words) };
    println!("{{\"rows\": {}, \"isa\": \"{}\"}}", index.len(), nearsort::kernels::Isa::detect());
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (verb, number) = line.split_once(' ').unwrap_or((&line, "0"));
        let number: usize = number.parse().expect("a number");
        if verb == "fresh" {
            index = Index::open(folder).expect("an index");
        }
        let started = Instant::now();
        let one = queries.slice(s![number..=number, ..]);
        match verb {
            "one" | "fresh" => drop(black_box(index.search(one, TOP_K).expect("hits"))),
            "all" => drop(black_box(index.search(queries.view(), TOP_K).expect("hits"))),
            "sum" => drop(black_box(streaming_sum(memory))),
            "hits" => {
                let hits = index.search(one, TOP_K).expect("hits").remove(0);
                let rows: Vec<String> = hits.iter().map(|hit| hit.index.to_string()).collect();
                let scores: Vec<String> = hits.iter().map(|hit| hit.score.to_string()).collect();
                println!("{{\"rows\": [{}], \"scores\": [{}]}}", rows.join(","), scores.join(","));
                continue;
            }
            _ => panic!("'{verb}' is not known"),
        }
        println!("{{\"seconds\": {}}}", started.elapsed().as_secs_f64());
        std::io::stdout().flush().expect("a reader");
    }
}

/// The sum of all numbers on all threads.
fn streaming_sum(words: &[u64]) -> u64 {
    let share = words.len().div_ceil(rayon::current_num_threads()).max(1);
    words.par_chunks(share).map(sum).reduce(|| 0, u64::wrapping_add)
}

fn sum(words: &[u64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the feature is there.
        return unsafe { sum_avx2(words) };
    }
    plain_sum(words)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_avx2(words: &[u64]) -> u64 {
    plain_sum(words)
}

#[inline(always)]
fn plain_sum(words: &[u64]) -> u64 {
    words.iter().fold(0, |sum, word| sum.wrapping_add(*word))
}

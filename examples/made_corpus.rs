//! Writes a corpus of any size, for measuring: `cargo run --release --example made_corpus --
//! --passages 1000000 --queries 1000 --output FOLDER`.
//!
//! What comes out is made, not found: it has the shape of a collection such as MS MARCO, and no
//! meaning.
//!
//! - `corpus.jsonl`: `{"_id", "text"}`. Lengths in words are near log-normal, median 51, mean 56,
//!   with a tail beyond 150. Words are drawn by Zipf's law from a list of common English words; one
//!   in [`RARE_ONE_IN`] is a made name of syllables or a number, which tokenizers cut into pieces.
//!   Words stand in sentences of 6 to 21, with commas.
//! - `queries.jsonl`: `{"_id", "text"}`. A query is up to 8 words of one passage, its target.
//! - `run.trec`: a made first stage. 100 documents per query, drawn at random; the target stands at
//!   a random rank. Scores fall from 30 in random steps. It is not BM25, and ranks like nothing at
//!   all.
//! - `qrels.tsv`: the targets, grade 1.
//!
//! With the default model a passage has 80 tokens in the mean. The same arguments give the same
//! bytes on every machine: whole numbers and the four basic operations decide, no logarithm of a
//! library. Each passage is made from the seed and its number alone, so memory does not depend on
//! the corpus, and a larger corpus begins with the smaller one.

use std::env;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};

use nearsort::io::WholeFile;
use nearsort::{Error, Result};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const USAGE: &str = "usage: made_corpus --passages N --output FOLDER [--queries N] [--seed N]";
/// Documents per query.
const DEPTH: u64 = 100;
/// One word in so many is rare.
const RARE_ONE_IN: u64 = 10;
/// Words of a passage at the middle of the distribution; up to a fifth is added.
const MIDDLE_WORDS: f64 = 47.0;
/// What one step of the distribution of lengths multiplies by: 4 steps are a standard deviation,
/// which is e^0.4.
const LENGTH_STEP: f64 = 1.105_170_918;

/// Common words, most common first.
const WORDS: &str = "the of and to a in is for that it as was with on are by be this or from at which an not have has but they you his were can \
    their more also one when its will who all there if had been about other than may into most some what used time such these many two first \
    only after new people then any between made over use well where between years each both often while year must called part water so would \
    because through large under during before number found different name small work city found world three high long state show same like \
    body because system human without common usually order place known great does point several home group life area form early number \
    country company level service power light blood food since until within government program school house air land history local kind \
    money end change line second old cost result general study example test cause type day set public market health family law case \
    process data rate range energy surface growth oil main care note sound left river south north east west field effect average report \
    value age body side material treatment natural control product single price full support skin cell term period building plant season \
    weather method record language music paper animal tree heart stone island village winter summer engine bridge garden teacher student \
    doctor patient disease muscle bone tooth brain nerve protein acid metal iron copper gold silver glass wood cotton leather paint clay \
    sand soil rock mountain valley lake ocean coast harbour ship train road street station airport hotel kitchen table chair window door \
    roof wall floor bed lamp clock letter book story novel poem song dance film theatre museum painting statue temple church castle tower \
    king queen soldier army war peace treaty border tax bank loan interest insurance contract court judge police crime prison vote party \
    president minister council mayor farm wheat rice corn bread butter cheese milk sugar salt pepper coffee tea wine beer apple orange \
    lemon grape cherry onion potato carrot bean egg chicken beef pork fish horse cow sheep dog cat bird eagle snake spider insect";

const SYLLABLES: [&str; 32] = [
    "ka", "lo", "ven", "tri", "mar", "quo", "sil", "dra", "ber", "noth", "zu", "pel", "hax", "rin", "gol", "fay",
    "wex", "tum", "ori", "jes", "bly", "cra", "ndo", "vik", "sho", "ulm", "pht", "aru", "zel", "kew", "mion", "tars",
];

struct Arguments {
    passages: u64,
    queries: u64,
    seed: u64,
    output: PathBuf,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let wrong = |message: String| Error::InvalidArgument(format!("{message}; {USAGE}"));
        let (mut passages, mut queries, mut seed, mut output) = (None, 0, 1, None);
        let mut words = env::args().skip(1);
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| wrong(format!("{name} has no value")))?;
            let number = || value.parse::<u64>().map_err(|_| wrong(format!("{name} {value} is not a whole number")));
            match name.as_str() {
                "--passages" => passages = Some(number()?),
                "--queries" => queries = number()?,
                "--seed" => seed = number()?,
                "--output" => output = Some(PathBuf::from(&value)),
                _ => return Err(wrong(format!("{name} is not known"))),
            }
        }
        let passages = passages.ok_or_else(|| wrong("--passages is missing".into()))?;
        let output = output.ok_or_else(|| wrong("--output is missing".into()))?;
        if passages < DEPTH && queries > 0 {
            return Err(wrong(format!("queries need at least {DEPTH} passages")));
        }
        Ok(Self { passages, queries, seed, output })
    }
}

/// A generator of its own for each thing that is made.
fn generator(seed: u64, stream: u64, number: u64) -> Xoshiro256PlusPlus {
    // Odd constants spread neighbouring numbers; seed_from_u64 does the rest.
    let mixed = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03);
    Xoshiro256PlusPlus::seed_from_u64(mixed.rotate_left(17) ^ number.wrapping_mul(0xA24B_AED4_963E_E407))
}

/// A number below `end`; the bias of some 2^-40 does not matter here.
fn below(random: &mut Xoshiro256PlusPlus, end: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(end)) >> 64) as u64
}

/// Makes passages.
struct Writer {
    seed: u64,
    words: Vec<&'static str>,
    /// Positions in `words`, each as often as Zipf's law says: one draw is one look-up.
    zipf: Vec<u16>,
    /// Lengths in words by the number of ones among 64 random bits, which is as good as normally
    /// distributed.
    lengths: Vec<f64>,
}

impl Writer {
    fn new(seed: u64) -> Self {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let weights: Vec<f64> = (0..words.len()).map(|rank| 1.0 / (rank as f64 + 2.7)).collect();
        let total: f64 = weights.iter().sum();
        let times = |weight: &f64| (weight / total * 65_536.0) as usize;
        let zipf = weights.iter().enumerate().flat_map(|(at, weight)| vec![at as u16; times(weight)]).collect();
        let mut lengths = vec![MIDDLE_WORDS; 65];
        for step in 33..65 {
            lengths[step] = lengths[step - 1] * LENGTH_STEP;
            lengths[64 - step] = lengths[65 - step] / LENGTH_STEP;
        }
        Self { seed, words, zipf, lengths }
    }

    /// The words of a passage, without punctuation.
    fn words(&self, number: u64) -> Vec<String> {
        let mut random = generator(self.seed, 0, number);
        let middle = self.lengths[random.next_u64().count_ones() as usize];
        // Up to a fifth more, so that not only 65 lengths come out.
        let length = (middle * (1.0 + below(&mut random, 1000) as f64 / 5000.0)) as usize;
        (0..length.max(4)).map(|_| self.word(&mut random)).collect()
    }

    fn word(&self, random: &mut Xoshiro256PlusPlus) -> String {
        match below(random, RARE_ONE_IN) {
            0 if below(random, 4) == 0 => (1 + below(random, 2100)).to_string(),
            0 => (0..2 + below(random, 3)).map(|_| SYLLABLES[below(random, 32) as usize]).collect(),
            _ => self.words[self.zipf[below(random, self.zipf.len() as u64) as usize] as usize].to_owned(),
        }
    }

    /// A passage: its words in sentences.
    fn passage(&self, number: u64) -> String {
        let mut random = generator(self.seed, 1, number);
        let words = self.words(number);
        let mut text = String::with_capacity(8 * words.len());
        let mut left = 0;
        for (at, word) in words.iter().enumerate() {
            if left == 0 {
                left = 6 + below(&mut random, 16);
                let (first, rest) = word.split_at(1);
                text.push_str(&first.to_ascii_uppercase());
                text.push_str(rest);
            } else {
                text.push_str(word);
            }
            left -= 1;
            let is_last = at + 1 == words.len();
            if is_last || left == 0 {
                text.push(if below(&mut random, 20) == 0 { '?' } else { '.' });
                left = 0;
            } else if below(&mut random, 14) == 0 {
                text.push(',');
            }
            if !is_last {
                text.push(' ');
            }
        }
        text
    }

    /// A query and its target among so many passages.
    fn query(&self, number: u64, passages: u64) -> (String, u64) {
        let mut random = generator(self.seed, 2, number);
        let target = below(&mut random, passages);
        let words = self.words(target);
        let mut picked: Vec<usize> =
            (0..3 + below(&mut random, 6)).map(|_| below(&mut random, words.len() as u64) as usize).collect();
        picked.sort_unstable();
        picked.dedup();
        (picked.iter().map(|&at| words[at].as_str()).collect::<Vec<_>>().join(" "), target)
    }

    /// The first stage's lines for a query.
    fn run(&self, number: u64, target: u64, passages: u64) -> String {
        let mut random = generator(self.seed, 3, number);
        let mut documents = vec![target];
        while (documents.len() as u64) < DEPTH {
            let document = below(&mut random, passages);
            if !documents.contains(&document) {
                documents.push(document);
            }
        }
        let place = below(&mut random, DEPTH) as usize;
        documents.swap(0, place);
        let mut lines = String::new();
        let mut score = 30_000;
        for (rank, document) in (1..).zip(documents) {
            score -= 1 + below(&mut random, 250);
            let (whole, rest) = (score / 1000, score % 1000);
            let _ = writeln!(lines, "q{number} Q0 d{document} {rank} {whole}.{rest:03} made");
        }
        lines
    }
}

fn file(folder: &Path, name: &str, lines: impl Iterator<Item = String>) -> Result<()> {
    let path = folder.join(name);
    let mut out = WholeFile::create(&path)?;
    for line in lines {
        out.write_all(line.as_bytes()).map_err(|source| Error::Io { action: "write", path: path.clone(), source })?;
    }
    out.finish()
}

fn main() -> Result<()> {
    let Arguments { passages, queries, seed, output } = Arguments::parse()?;
    std::fs::create_dir_all(&output).map_err(|source| Error::Io { action: "create", path: output.clone(), source })?;
    let writer = Writer::new(seed);
    // Letters, digits and punctuation: nothing that JSON would escape.
    let row = |id: String, text: &str| format!("{{\"_id\": \"{id}\", \"text\": \"{text}\"}}\n");
    file(&output, "corpus.jsonl", (0..passages).map(|number| row(format!("d{number}"), &writer.passage(number))))?;
    if queries > 0 {
        let query = |number| writer.query(number, passages);
        file(&output, "queries.jsonl", (0..queries).map(|number| row(format!("q{number}"), &query(number).0)))?;
        file(&output, "run.trec", (0..queries).map(|number| writer.run(number, query(number).1, passages)))?;
        let judgement = |number| format!("q{number}\td{}\t1\n", query(number).1);
        let header = std::iter::once("query-id\tcorpus-id\tscore\n".to_owned());
        file(&output, "qrels.tsv", header.chain((0..queries).map(judgement)))?;
    }
    println!("{passages} passages and {queries} queries in {}", output.display());
    Ok(())
}

//! Time by the length of a text, in scripts with and without spaces and in texts without a break.
//!
//! What is measured: milliseconds to cut a text for a model ("cut"), to find its windows
//! ("windows") and its tokens' places ("places"), to put it into a pair ("pair"), and to count and
//! cut it as services do, for texts of a length and of four times that. Four times the length may
//! take four times as long. On what data: texts made here, on the tiny models of models/, whose
//! forward pass takes no time beside. How to run: `cargo bench --bench lengths [-- BYTES]`; it
//! prints Markdown.

use std::path::Path;
use std::time::Instant;

use nearsort::encoder::{CrossEncoder, CrossEncoderOptions, TokenEncoder};
use nearsort::service::{Provider, TokenCounter};
use nearsort::{Call, Encoder, LocalEncoder, LocalEncoderOptions, ModelSpec, ModelStore, Role, StoreOptions};

/// What is timed: a name, and the work on a text.
type Task<'a> = (String, Box<dyn Fn(&str) + 'a>);

const TEXTS: [(&str, &str); 16] = [
    ("English", "The quick brown fox jumps over the lazy dog. "),
    ("Russian", "Съешь же ещё этих мягких французских булок, да выпей чаю. "),
    ("Arabic", "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر "),
    ("Thai, no spaces", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า"),
    ("Chinese", "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。"),
    ("Chinese, one run", "我能吞下玻璃而不伤身体"),
    ("base64", "SGVsbG8gd29ybGQhIFRoaXMgaXMgYmFzZTY0Lg+/aXMgYSB0ZXN0IG9mIGxvbmc"),
    ("minified JSON", "{\"id\":12,\"name\":\"ab\",\"v\":[1,2.5,null]},"),
    ("one letter", "a"),
    ("combining marks", "a\u{301}\u{323}\u{302}"),
    ("spaces", " "),
    ("line ends", "\n"),
    ("emoji", "😀👩‍👩‍👧🇩🇪"),
    ("\"a.\"", "a."),
    ("digits", "1234567890"),
    ("special tokens", "[MASK]<mask></s>"),
];

fn files(model: &str) -> nearsort::store::ModelFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(model).display().to_string();
    let store = ModelStore::new(StoreOptions::from_env().expect("options"));
    store.get(&ModelSpec::parse(&folder).expect("a folder")).expect("a tiny model")
}

fn encoder_tasks(tasks: &mut Vec<Task<'_>>) {
    for model in ["tiny-bert", "tiny-roberta", "tiny-xlm-roberta"] {
        let encoder = LocalEncoder::load(files(model), LocalEncoderOptions::default()).expect("a model");
        let encoder = std::sync::Arc::new(encoder);
        let named = |what: &str| format!("{model}, {what}");
        let by = encoder.clone();
        tasks.push((named("cut"), Box::new(move |text| drop(by.encode(&[text], Role::Document).expect("vectors")))));
        let by = encoder.clone();
        tasks.push((named("windows"), Box::new(move |text| drop(by.windows(text, Role::Document).expect("windows")))));
        let by = encoder;
        tasks.push((
            named("places"),
            Box::new(move |text| drop(by.token_ranges(text, Role::Document).expect("places"))),
        ));
    }
}

fn pair_tasks(tasks: &mut Vec<Task<'_>>) {
    for model in ["cross-tiny-bert", "cross-tiny-qwen3"] {
        let cross = CrossEncoder::load(files(model), CrossEncoderOptions::default()).expect("a cross-encoder");
        let cross = std::sync::Arc::new(cross);
        let by = cross.clone();
        let document =
            move |text: &str| drop(by.logits(&["a query"], &[text], &[(0, 0)], &Call::new()).expect("a logit"));
        tasks.push((format!("{model}, document"), Box::new(document)));
        let query = move |text: &str| {
            drop(cross.logits(&[text], &["a", "b"], &[(0, 0), (0, 1)], &Call::new()).expect("logits"))
        };
        tasks.push((format!("{model}, query"), Box::new(query)));
    }
}

fn counter_tasks(tasks: &mut Vec<Task<'_>>) {
    let counter = TokenCounter::for_model(Provider::OpenAi, "gpt-4o");
    let by = counter.clone();
    tasks.push(("service, count".into(), Box::new(move |text| _ = by.count(text))));
    tasks.push(("service, cut".into(), Box::new(move |text| _ = counter.cut(text, 512))));
}

fn milliseconds(work: &dyn Fn(&str), text: &str) -> f64 {
    let once = || {
        let started = Instant::now();
        work(text);
        started.elapsed().as_secs_f64() * 1e3
    };
    // The best of two: what disturbs only makes it slower.
    once().min(once())
}

fn main() {
    let bytes = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(100_000);
    let mut tasks = Vec::new();
    encoder_tasks(&mut tasks);
    pair_tasks(&mut tasks);
    counter_tasks(&mut tasks);
    println!("Milliseconds for {bytes} bytes and for four times as many.\n");
    println!("| | {} |", TEXTS.map(|(name, _)| name).join(" | "));
    println!("|---|{}", "---|".repeat(TEXTS.len()));
    for (name, work) in &tasks {
        let cells = TEXTS.map(|(_, text)| {
            let long = text.repeat(4 * bytes / text.len());
            let short = &long[..text.len() * (bytes / text.len())];
            format!("{:.1} {:.1}", milliseconds(work, short), milliseconds(work, &long))
        });
        println!("| {name} | {} |", cells.join(" | "));
    }
}

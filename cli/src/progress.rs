//! Progress bars on stderr: only on a terminal, and only for work that takes longer than half a
//! second.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{
    HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use nearsort::Call;
use nearsort::job::{Cleanup, Notice, Observer};
use nearsort::store::{FetchProgress, FetchStep, ProgressFn};
use nearsort_report::visible;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{ProgressMode, Talk};
use crate::hints::{say, say_json};
use crate::interrupt;
use crate::notices::Speaker;

/// Minimum time of work that shows a bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Interval between two lines of JSON, if they were requested, and if stderr is not a terminal.
const ASKED_INTERVAL: Duration = Duration::from_secs(1);
const UNASKED_INTERVAL: Duration = Duration::from_secs(30);

/// Counts encoded texts and other totals of a batch job.
#[derive(Clone)]
pub struct Counter {
    bar: ProgressBar,
    started: Instant,
    talk: Talk,
    shows_bar: bool,
    lines: Option<Arc<Lines>>,
}

/// Progress as lines of JSON on stderr.
struct Lines {
    interval: Duration,
    last: Mutex<Instant>,
    /// Texts done by an earlier run.
    skipped: AtomicU64,
    queries: AtomicU64,
    /// 0 if not known.
    all_queries: AtomicU64,
    tokens: AtomicU64,
    cache_hits: AtomicU64,
    /// True if the number of texts is final.
    is_complete: AtomicBool,
}

/// The totals of a batch job.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Summary {
    pub queries: usize,
    pub pairs: usize,
    pub documents: usize,
    pub tokens: u64,
    /// Cache hits of this run.
    pub cache_hits: u64,
}

impl Counter {
    pub fn new(talk: Talk) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let shown = bar.clone();
        interrupt::on_interrupt(move || shown.finish_and_clear());
        Self { bar, started: Instant::now(), talk, shows_bar: talk > Talk::Quiet, lines: None }
    }

    /// As [`Counter::new`], for work of hours.
    pub fn of_batch(talk: Talk, mode: ProgressMode) -> Self {
        let interval = match mode {
            ProgressMode::Json => Some(ASKED_INTERVAL),
            ProgressMode::Auto if talk > Talk::Quiet && !io::stderr().is_terminal() => Some(UNASKED_INTERVAL),
            _ => None,
        };
        let counter = Self::new(talk);
        let shows_bar = counter.shows_bar && matches!(mode, ProgressMode::Auto | ProgressMode::Bar);
        Self { shows_bar, lines: interval.map(|interval| Arc::new(Lines::new(interval))), ..counter }
    }

    /// Adds texts to the expected number. If they are the `last`, the total is known, and a bar
    /// with the time left is shown.
    pub fn expect(&self, texts: usize, last: bool) {
        self.bar.inc_length(texts as u64);
        let template = match last {
            true => "{bar:30} {pos}/{len} texts  {rate}  {eta} left",
            false => "{pos} texts  {rate}  {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            };
            self.bar.set_style(style.with_key("rate", rate));
        }
        if let Some(lines) = &self.lines {
            lines.is_complete.store(last, Ordering::Relaxed);
        }
    }

    /// Returns a call whose texts are counted.
    pub fn call(&self) -> Call<'_> {
        Call::new().progress(|texts| self.done(texts))
    }

    /// Counts texts as done.
    pub fn done(&self, texts: usize) {
        self.bar.inc(texts as u64);
        // A long text is encoded in several windows, whose number is not known before.
        if self.bar.length().is_some_and(|length| self.bar.position() > length) {
            self.bar.set_length(self.bar.position());
        }
        if self.shows_bar && self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            // indicatif hides it again if stderr is not a terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        if let Some(lines) = &self.lines {
            lines.tick(&self.bar, self.started);
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints the totals of a batch job, if progress was shown.
    pub fn summarize(&self, summary: &Summary) {
        let seconds = self.started.elapsed().as_secs_f64();
        match &self.lines {
            Some(lines) if lines.interval == ASKED_INTERVAL || self.started.elapsed() > lines.interval => {
                let mut line = json!({ "event": "done", "seconds": round(seconds) });
                if let (Value::Object(line), Ok(Value::Object(summary))) = (&mut line, serde_json::to_value(summary)) {
                    line.extend(summary);
                }
                say_json(&line);
            }
            None if self.shows_bar && io::stderr().is_terminal() => {
                let Summary { queries, pairs, documents, tokens, cache_hits } = summary;
                let hits = if *cache_hits > 0 { format!(", {cache_hits} from the cache") } else { String::new() };
                let elapsed = HumanDuration(self.started.elapsed());
                say(format_args!(
                    "{queries} queries, {pairs} pairs; {documents} texts, {tokens} tokens{hits}; {elapsed}"
                ));
            }
            _ => {}
        }
    }
}

/// Shows the progress of a job, and prints its notices.
impl Observer for Counter {
    fn expect(&self, texts: usize, last: bool) {
        Counter::expect(self, texts, last);
    }

    fn expect_lists(&self, lists: Option<usize>) {
        if let (Some(state), Some(lists)) = (&self.lines, lists) {
            state.all_queries.store(lists as u64, Ordering::Relaxed);
        }
    }

    fn skip(&self, texts: usize) {
        self.bar.inc(texts as u64);
        self.bar.reset_eta();
        if let Some(lines) = &self.lines {
            lines.skipped.fetch_add(texts as u64, Ordering::Relaxed);
        }
    }

    fn encoded(&self, tokens: u64, cache_hits: u64) {
        if let Some(lines) = &self.lines {
            lines.tokens.fetch_add(tokens, Ordering::Relaxed);
            lines.cache_hits.store(cache_hits, Ordering::Relaxed);
        }
    }

    fn answered(&self, lists: usize) {
        if let Some(state) = &self.lines {
            state.queries.fetch_add(lists as u64, Ordering::Relaxed);
        }
    }

    fn notice(&self, notice: &Notice<'_>) {
        Speaker(self.talk).notice(notice);
    }

    fn writing(&self, unfinished: &Path) {
        Speaker(self.talk).writing(unfinished);
    }

    fn working_in(&self, cleanup: Cleanup) {
        Speaker(self.talk).working_in(cleanup);
    }
}

impl Lines {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: Mutex::new(Instant::now()),
            skipped: AtomicU64::new(0),
            queries: AtomicU64::new(0),
            all_queries: AtomicU64::new(0),
            tokens: AtomicU64::new(0),
            cache_hits: AtomicU64::new(0),
            is_complete: AtomicBool::new(false),
        }
    }

    /// Writes a line if it is due.
    fn tick(&self, bar: &ProgressBar, started: Instant) {
        // If another thread holds the lock, that thread writes the line.
        let Ok(mut last) = self.last.try_lock() else { return };
        if last.elapsed() < self.interval {
            return;
        }
        *last = Instant::now();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = started.elapsed().as_secs_f64();
        let done = bar.position();
        let rate = done.saturating_sub(count(&self.skipped)) as f64 / seconds;
        let all = bar.length().filter(|_| self.is_complete.load(Ordering::Relaxed));
        let left = all.map(|all| round(all.saturating_sub(done) as f64 / rate.max(1e-9)));
        let all_queries = Some(count(&self.all_queries)).filter(|&all| all > 0);
        say_json(&json!({
            "event": "progress",
            "queries_done": count(&self.queries),
            "queries": all_queries,
            "texts_done": done,
            "texts": all,
            "tokens": count(&self.tokens),
            "cache_hits": count(&self.cache_hits),
            "texts_per_second": round(rate),
            "seconds": round(seconds),
            "seconds_left": left,
        }));
    }
}

/// Rounds to tenths; more digits are noise.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Returns a callback that shows the store's work: bars for bytes, lines for everything else.
pub fn store_progress(talk: Talk) -> Option<ProgressFn> {
    if talk == Talk::Quiet {
        return None;
    }
    let bars = Mutex::new(Downloads::default());
    Some(Arc::new(move |progress: &FetchProgress<'_>| {
        bars.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).show(progress, talk);
    }))
}

#[derive(Default)]
struct Downloads {
    screen: MultiProgress,
    bars: HashMap<String, ProgressBar>,
    last_line: String,
}

impl Downloads {
    fn show(&mut self, progress: &FetchProgress<'_>, talk: Talk) {
        match progress.step {
            FetchStep::Downloading | FetchStep::Unpacking if !progress.file.is_empty() => self.bytes(progress),
            FetchStep::Verifying if talk < Talk::Verbose => {}
            _ => self.line(describe(progress)),
        }
    }

    fn bytes(&mut self, progress: &FetchProgress<'_>) {
        let total = progress.total_bytes.unwrap_or(progress.done_bytes);
        let bar = self.bars.entry(progress.file.to_owned()).or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new(total));
            if let Ok(style) = ProgressStyle::with_template("{msg:24} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}")
            {
                bar.set_style(style);
            }
            bar.set_message(visible(progress.file).into_owned());
            bar
        });
        bar.set_length(total);
        bar.set_position(progress.done_bytes);
        if progress.total_bytes.is_some_and(|total| progress.done_bytes >= total) {
            bar.finish_and_clear();
        }
    }

    fn line(&mut self, line: String) {
        if line != self.last_line {
            // Above the bars on a terminal; without a terminal indicatif would swallow it.
            self.screen.suspend(|| say(format_args!("{line}")));
            self.last_line = line;
        }
    }
}

fn describe(progress: &FetchProgress<'_>) -> String {
    let (source, file) = (progress.source, progress.file);
    match progress.step {
        FetchStep::Waiting => format!("waiting for another process that fetches the same model ({source})"),
        FetchStep::Downloading => format!("downloading from {source}"),
        FetchStep::Retrying => {
            format!("{source}: the transfer of {file} broke at {}; trying again", HumanBytes(progress.done_bytes))
        }
        FetchStep::RunningPip => format!("fetching {source} with pip"),
        FetchStep::Unpacking => format!("unpacking {source}"),
        FetchStep::Verifying => format!("verifying {file}"),
        FetchStep::SetAside => format!("{file} is corrupted; it is moved aside and fetched again from {source}"),
        _ => format!("{source} {file}"),
    }
}

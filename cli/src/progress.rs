//! Progress bars on stderr: only on a terminal, and only for work that takes longer than half a second.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use nearsort::store::{Progress, ProgressFn, Step};

use crate::args::Talk;
use crate::hints::say;
use crate::interrupt;

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// Counts encoded texts.
#[derive(Clone)]
pub struct Counter {
    bar: ProgressBar,
    started: Instant,
    talk: Talk,
}

impl Counter {
    pub fn new(talk: Talk) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let shown = bar.clone();
        interrupt::on_interrupt(move || shown.finish_and_clear());
        Self { bar, started: Instant::now(), talk }
    }

    /// More texts are known to come. Only when these are the last is the end in sight, and a bar honest.
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
    }

    /// So many are done.
    pub fn done(&self, texts: usize) {
        self.bar.inc(texts as u64);
        // A long text is encoded in several windows, which nobody could announce.
        if self.bar.length().is_some_and(|length| self.bar.position() > length) {
            self.bar.set_length(self.bar.position());
        }
        if self.talk > Talk::Quiet && self.bar.is_hidden() && self.started.elapsed() > PATIENCE {
            // Hidden again by indicatif itself when stderr is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Tells the user what the store does: bars for bytes, lines for everything else.
pub fn store_progress(talk: Talk) -> Option<ProgressFn> {
    if talk == Talk::Quiet {
        return None;
    }
    let bars = Mutex::new(Downloads::default());
    Some(Arc::new(move |progress: &Progress<'_>| {
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
    fn show(&mut self, progress: &Progress<'_>, talk: Talk) {
        match progress.step {
            Step::Downloading | Step::Unpacking if !progress.file.is_empty() => self.bytes(progress),
            Step::Verifying if talk < Talk::Verbose => {}
            _ => self.line(describe(progress)),
        }
    }

    fn bytes(&mut self, progress: &Progress<'_>) {
        let total = progress.total_bytes.unwrap_or(progress.done_bytes);
        let bar = self.bars.entry(progress.file.to_owned()).or_insert_with(|| {
            let bar = self.screen.add(ProgressBar::new(total));
            if let Ok(style) = ProgressStyle::with_template("{msg:24} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}")
            {
                bar.set_style(style);
            }
            bar.set_message(progress.file.to_owned());
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
            // Above the bars on a terminal; on a pipe indicatif would swallow it.
            self.screen.suspend(|| say(format_args!("{line}")));
            self.last_line = line;
        }
    }
}

fn describe(progress: &Progress<'_>) -> String {
    let (source, file) = (progress.source, progress.file);
    match progress.step {
        Step::Waiting => format!("waiting for another process that fetches the same model ({source})"),
        Step::Downloading => format!("downloading from {source}"),
        Step::Retrying => {
            format!("{source}: the transfer of {file} broke at {}; trying again", HumanBytes(progress.done_bytes))
        }
        Step::RunningPip => format!("fetching {source} with pip"),
        Step::Unpacking => format!("unpacking {source}"),
        Step::Verifying => format!("verifying {file}"),
        Step::SetAside => format!("{file} is corrupted; it is moved aside and fetched again from {source}"),
        _ => format!("{source} {file}"),
    }
}

//! Handles Ctrl-C and similar signals: exits with a clean screen and without half-written files.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

type Cleanup = Box<dyn FnOnce() + Send>;

static CLEANUPS: Mutex<Vec<Cleanup>> = Mutex::new(Vec::new());

/// Exit code that shells give a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Ends the process on SIGINT, SIGTERM and SIGHUP, after running the cleanups of [`on_interrupt`].
pub fn leave_quietly() {
    keep_file_size_limit_an_error();
    // This fails if one of the signals is ignored, as under nohup. Then the parent process wants it
    // left alone.
    let _ = ctrlc::try_set_handler(|| {
        let cleanups = std::mem::take(&mut *CLEANUPS.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        cleanups.into_iter().rev().for_each(|cleanup| cleanup());
        std::process::exit(INTERRUPTED);
    });
}

/// Runs `cleanup` if the user interrupts.
pub fn on_interrupt(cleanup: impl FnOnce() + Send + 'static) {
    CLEANUPS.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(Box::new(cleanup));
}

/// Removes an unfinished file if the user interrupts.
pub fn remove_on_interrupt(unfinished: &Path) {
    let unfinished = unfinished.to_owned();
    // A file that cannot be removed at exit is left.
    on_interrupt(move || drop(fs::remove_file(unfinished)));
}

/// A write beyond `ulimit -f` ends a process at once, with its unfinished file left behind. If the
/// signal is ignored, the write returns an error, as for a full disk.
#[cfg(unix)]
fn keep_file_size_limit_an_error() {
    // SAFETY: ignoring a signal runs no code of ours in a handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[cfg(not(unix))]
fn keep_file_size_limit_an_error() {}

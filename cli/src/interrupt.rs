//! Ctrl-C and its like: leave quietly, with the screen clean and no half-written file behind.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

type Cleanup = Box<dyn FnOnce() + Send>;

static CLEANUPS: Mutex<Vec<Cleanup>> = Mutex::new(Vec::new());

/// The exit code that shells give a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Ends the process on SIGINT, SIGTERM and SIGHUP after running what [`on_interrupt`] was given.
pub fn leave_quietly() {
    keep_file_size_limit_an_error();
    // This fails when one of the signals is ignored, as under nohup: then whoever started us wants them left alone.
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
    // Nothing can be done about a file that cannot be removed while leaving.
    on_interrupt(move || drop(fs::remove_file(unfinished)));
}

/// A write beyond `ulimit -f` ends a process on the spot, with its unfinished file left behind. Ignored, the signal
/// becomes an error of that write, like a full disk.
#[cfg(unix)]
fn keep_file_size_limit_an_error() {
    // SAFETY: ignoring a signal runs no code of ours in a handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

#[cfg(not(unix))]
fn keep_file_size_limit_an_error() {}

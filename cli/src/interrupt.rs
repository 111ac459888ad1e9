//! Handles Ctrl-C and similar signals: exits with a clean screen and without half-written files.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

type Cleanup = Box<dyn FnOnce() + Send>;

static CLEANUPS: Mutex<Vec<Cleanup>> = Mutex::new(Vec::new());

/// Exit code that shells give a program ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// Ends the process on SIGINT, SIGTERM and SIGHUP, after running the cleanups of [`on_interrupt`].
/// A signal that the parent process has ignored, as nohup ignores SIGHUP, stays ignored.
pub fn leave_quietly() {
    #[cfg(unix)]
    let ignored = ignored_signals();
    // Without a handler a signal still ends the process; it only leaves its unfinished files.
    let _ = ctrlc::set_handler(|| {
        let cleanups = std::mem::take(&mut *CLEANUPS.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        cleanups.into_iter().rev().for_each(|cleanup| cleanup());
        std::process::exit(INTERRUPTED);
    });
    // A write beyond `ulimit -f` would end the process at once, with its unfinished file left
    // behind. If the signal is ignored, the write returns an error, as for a full disk.
    #[cfg(unix)]
    ignored.into_iter().chain([libc::SIGXFSZ]).for_each(ignore);
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

#[cfg(unix)]
fn ignore(signal: libc::c_int) {
    // SAFETY: ignoring a signal runs no code of ours in a handler.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Returns the signals of the handler that the parent process has ignored.
#[cfg(unix)]
fn ignored_signals() -> Vec<libc::c_int> {
    let is_ignored = |signal: &libc::c_int| {
        // SAFETY: all zeros is a valid `sigaction`, which the call replaces. A null new action
        // changes nothing.
        unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            libc::sigaction(*signal, std::ptr::null(), &mut old) == 0 && old.sa_sigaction == libc::SIG_IGN
        }
    };
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().filter(is_ignored).collect()
}

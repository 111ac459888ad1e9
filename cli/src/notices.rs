//! Notices of the library's jobs.

use std::path::Path;

use nearsort::job::{Cleanup, Notice, Observer};

use crate::args::Talk;
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::interrupt::{on_interrupt, remove_on_interrupt};

/// Prints the notices of a job.
pub struct Speaker(pub Talk);

impl Observer for Speaker {
    fn notice(&self, notice: &Notice<'_>) {
        match notice {
            Notice::Skipped { rows, file, reasons } => warn_of_skipped(self.0, *rows, file, reasons),
            Notice::LeftOut { message } => {
                warn(self.0, &Warning::Note { message: format!("{message}; they are left out") })
            }
            Notice::Resumed { lists, of } if self.0 > Talk::Quiet => {
                let of = of.map_or(String::new(), |lists| format!(" of {lists}"));
                say(format_args!("resuming an interrupted job: {lists}{of} queries are answered"));
            }
            _ => {}
        }
    }

    fn writing(&self, unfinished: &Path) {
        remove_on_interrupt(unfinished);
    }

    fn working_in(&self, cleanup: Cleanup) {
        on_interrupt(move || {
            if let Some(folder) = cleanup.leave() {
                let folder = folder.display();
                say(format_args!("interrupted; rerun the same command to resume the job in {folder}"));
            }
        });
    }
}

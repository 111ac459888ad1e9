//! Calls into other libraries (tokenizers, candle, safetensors) that may panic on a damaged file.
//! Such a panic becomes an error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// True while this thread is inside [`call`], so that its panics are reported only as our
    /// error.
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Returns the result of `work`, or the message of its panic. Nothing is printed. Data that `work`
/// was changing must not be used after a panic.
pub(crate) fn call<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(silence);
    let before = IS_INSIDE.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    IS_INSIDE.set(before);
    outcome.map_err(|payload| message(payload.as_ref()))
}

/// Puts a hook before the program's own. It passes on only panics from outside of [`call`].
fn silence() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !IS_INSIDE.try_with(Cell::get).unwrap_or(false) {
            others(info);
        }
    }));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or(payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("an unknown reason").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_its_message_and_the_next_call_works() {
        assert_eq!(call(|| 7), Ok(7));
        assert_eq!(call(|| -> u32 { panic!("no such token") }), Err("no such token".into()));
        let zero = std::hint::black_box(0);
        assert_eq!(call(|| 7 / zero), Err("attempt to divide by zero".into()));
        assert_eq!(call(|| call(|| -> u32 { panic!("{}", "inner") })), Ok(Err("inner".into())));
        assert_eq!(call(|| 8), Ok(8));
        assert!(!IS_INSIDE.get());
    }
}

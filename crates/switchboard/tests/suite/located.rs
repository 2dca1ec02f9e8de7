//! Panics that show in a report only if they end a case: those of handlers, which the reactor
//! contains, belong to the cases. It must never hide where a case failed.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// What the last panic of this thread said, and where.
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Has panics kept instead of printed.
pub fn keep_quiet() {
    panic::set_hook(Box::new(|info| {
        LAST.with(|last| *last.borrow_mut() = info.to_string());
    }));
}

/// Runs a case; if it panics, the panic says where.
pub fn run(case: impl FnOnce()) {
    if panic::catch_unwind(AssertUnwindSafe(case)).is_err() {
        let told = LAST.with(RefCell::take);
        panic::resume_unwind(Box::new(told));
    }
}

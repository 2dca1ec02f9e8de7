//! Runs the program's code so that a panic in it stays there.
//! It must never decide what a panic means: that is settled where the call was made.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(panic = "abort")]
compile_error!(
    "switchboard isolates handlers by unwinding: remove `panic = \"abort\"` from your profile"
);

/// What `call` returns, or the message of its panic.
///
/// Whatever the panic left half changed stays so; see `Builder::on_panic`.
#[inline]
pub(crate) fn guard<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(panic_message)
}

/// The text of a panic. Dropping the payload may panic in its turn; that is caught as well.
#[cold]
pub(crate) fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    };
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // Its drop would be the third of a row: leaking it ends the row.
        std::mem::forget(second);
    }
    message
}

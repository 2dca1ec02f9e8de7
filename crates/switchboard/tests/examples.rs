//! The examples as a user runs them, apart from the tutorial's. This file lists the tests; the
//! modules beside it hold them.

#[path = "examples/echo.rs"]
mod echo;
#[path = "examples/filter.rs"]
mod filter;
#[path = "tutorial/examples.rs"]
mod located;
#[cfg(target_os = "linux")]
#[path = "examples/watch_directory.rs"]
mod watch_directory;

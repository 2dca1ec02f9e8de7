//! Outside programs that tests talk to, and what happens when one is not installed.
//!
//! A test that needs a Python, an `strace` or a terminal must pass on a machine that has nothing
//! but a Rust toolchain, and must not hide that it did not run. The harness of the standard library
//! hides what a passing test prints, so such tests live in a test binary of their own, with
//! `harness = false`, and are run by a [`Suite`]: a test whose [`Partner`] is missing is reported as
//! ignored together with the reason, and named once more below the summary. Where
//! [`REQUIRED`] is set, as `.ci/run` does, it fails instead.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use switchboard_partners::{Partner, Process, Suite};
//!
//! fn main() -> ExitCode {
//!     Suite::new()
//!         .needs([Partner::PYTHON], "python_prints", |[python]| {
//!             let mut command = python.command();
//!             command.args(["-c", "print('hello')"]);
//!             let mut process = Process::start(command);
//!             process.wait_for("hello\n");
//!             assert!(process.finish().success());
//!         })
//!         .run()
//! }
//! ```
//!
//! The manifest of the crate that owns this test names it:
//!
//! ```toml
//! [[test]]
//! name = "partners"
//! harness = false
//! ```

mod partner;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod screen;
mod suite;

pub use partner::{Installed, Partner};
#[cfg(unix)]
pub use process::{PATIENCE, Process};
#[cfg(unix)]
pub use screen::Screen;
pub use suite::{REQUIRED, Suite};

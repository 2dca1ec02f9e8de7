//! Runs tests that need partners, and names those that did not run.
//!
//! It must never let a test pass that did not run.

use std::env;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::partner::{Installed, Partner};

/// The environment variable that makes a missing partner a failure (any value but the empty one).
pub const REQUIRED: &str = "SWITCHBOARD_REQUIRE_PARTNERS";

/// The tests of one binary with `harness = false`, run as `cargo test` runs all others: in
/// parallel, with its filters and flags.
#[derive(Debug)]
pub struct Suite {
    trials: Vec<Trial>,
    is_required: bool,
    skips: (Sender<String>, Receiver<String>),
}

impl Default for Suite {
    fn default() -> Self {
        Self::new()
    }
}

impl Suite {
    /// A suite without tests.
    pub fn new() -> Self {
        let is_required = env::var_os(REQUIRED).is_some_and(|value| !value.is_empty());
        Self {
            trials: Vec::new(),
            is_required,
            skips: mpsc::channel(),
        }
    }

    /// Adds a test that runs if all `partners` are installed, and is handed them.
    ///
    /// It fails if `body` panics. Where one is missing, it fails if [`REQUIRED`] is set, and is
    /// skipped with the reason otherwise.
    #[must_use]
    pub fn needs<const N: usize>(
        mut self,
        partners: [Partner; N],
        name: &'static str,
        body: impl FnOnce([Installed; N]) + Send + 'static,
    ) -> Self {
        let is_required = self.is_required;
        let skips = self.skips.0.clone();
        self.trials.push(Trial::ignorable_test(name, move || {
            let outcome = attempt(partners, is_required, body)?;
            if let Completion::Ignored {
                reason: Some(reason),
            } = &outcome
            {
                // The receiver lives in `run` until all tests have ended.
                let _ = skips.send(format!("{name}: {reason}"));
            }
            Ok(outcome)
        }));
        self
    }

    /// Adds a test that runs if what it needs of the system is there: `works` says so, or what is
    /// missing, which has the consequences of a missing partner.
    #[must_use]
    pub fn when(
        mut self,
        works: Result<(), String>,
        name: impl Into<String>,
        body: impl FnOnce() + Send + 'static,
    ) -> Self {
        let is_required = self.is_required;
        let skips = self.skips.0.clone();
        let name = name.into();
        self.trials
            .push(Trial::ignorable_test(name.clone(), move || {
                let outcome = attempt_when(works, is_required, body)?;
                if let Completion::Ignored {
                    reason: Some(reason),
                } = &outcome
                {
                    // The receiver lives in `run` until all tests have ended.
                    let _ = skips.send(format!("{name}: {reason}"));
                }
                Ok(outcome)
            }));
        self
    }

    /// Runs the tests that the command line asks for, and names the skipped ones below the summary.
    pub fn run(self) -> ExitCode {
        let Self {
            trials,
            skips: (sender, receiver),
            ..
        } = self;
        drop(sender);
        let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
        // Every trial, and with it every sender, is gone by now.
        let skipped: Vec<String> = receiver.iter().collect();
        if !skipped.is_empty() {
            println!("skipped, since a partner is missing:");
            for line in skipped {
                println!("    {line}");
            }
            println!();
        }
        conclusion.exit_code()
    }
}

/// Runs `body` if all that it needs works.
fn attempt_when(
    works: Result<(), String>,
    is_required: bool,
    body: impl FnOnce(),
) -> Result<Completion, Failed> {
    match works {
        Ok(()) => {
            body();
            Ok(Completion::Completed)
        }
        Err(why) if is_required => Err(format!("{why}, and {REQUIRED} is set").into()),
        Err(why) => Ok(Completion::ignored_with(why)),
    }
}

/// Runs `body` if all `partners` are there.
fn attempt<const N: usize>(
    partners: [Partner; N],
    is_required: bool,
    body: impl FnOnce([Installed; N]),
) -> Result<Completion, Failed> {
    let found = partners.map(|partner| partner.find().ok_or(partner));
    let missing = found.iter().filter_map(|found| found.as_ref().err());
    let missing: Vec<String> = missing.map(Partner::to_string).collect();
    let installed: Vec<Installed> = found.into_iter().flatten().collect();
    match <[Installed; N]>::try_from(installed) {
        Ok(installed) => {
            body(installed);
            Ok(Completion::Completed)
        }
        Err(_) if is_required => {
            Err(format!("{}, and {REQUIRED} is set", missing.join(", ")).into())
        }
        Err(_) => Ok(Completion::ignored_with(missing.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Partner {
        Partner::named("no-such-program")
    }

    #[test]
    fn a_missing_partner_is_a_reason_to_skip() {
        let outcome = attempt([missing()], false, |_| panic!("it must not run"));
        let Ok(Completion::Ignored {
            reason: Some(reason),
        }) = outcome
        else {
            panic!("it ran")
        };
        assert!(reason.contains("no-such-program"), "{reason}");
    }

    #[test]
    fn a_missing_partner_fails_where_partners_are_required() {
        let outcome = attempt([missing()], true, |_| panic!("it must not run"));
        let Err(failure) = outcome else {
            panic!("it passed")
        };
        assert!(
            failure
                .message()
                .is_some_and(|text| text.contains("no-such-program"))
        );
    }

    #[test]
    fn what_the_system_does_not_have_is_a_reason_to_skip_or_to_fail() {
        let missing = || Err(String::from("not here"));
        let outcome = attempt_when(missing(), false, || panic!("it must not run"));
        assert!(matches!(outcome, Ok(Completion::Ignored { .. })));
        let outcome = attempt_when(missing(), true, || panic!("it must not run"));
        let Err(failure) = outcome else {
            panic!("it passed")
        };
        assert!(
            failure
                .message()
                .is_some_and(|text| text.contains("not here"))
        );
        let mut ran = false;
        let outcome = attempt_when(Ok(()), true, || ran = true);
        assert!(matches!(outcome, Ok(Completion::Completed)) && ran);
    }

    #[test]
    fn one_missing_partner_of_two_is_enough() {
        let outcome = attempt([Partner::named("sh"), missing()], false, |_| {
            panic!("it must not run")
        });
        assert!(matches!(outcome, Ok(Completion::Ignored { .. })));
    }

    #[test]
    fn a_test_whose_partners_are_there_is_handed_them() {
        let mut ran = false;
        let outcome = attempt([Partner::named("sh")], true, |[shell]| {
            let mut command = shell.command();
            ran = command
                .args(["-c", "true"])
                .status()
                .is_ok_and(|status| status.success());
        });
        assert!(matches!(outcome, Ok(Completion::Completed)));
        assert!(ran);
    }
}

//! The end of a process where the kernel has no descriptor for it: it is told all the same.

use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::*;

/// Until it is readable; a minute is for a test that fails.
fn is_told(exit: &Exit) -> bool {
    let timeout = Timespec {
        tv_sec: 60,
        tv_nsec: 0,
    };
    poll(&mut [PollFd::new(exit, PollFlags::IN)], Some(&timeout)) == Ok(1)
}

fn started(script: &str) -> process::Child {
    let mut command = Command::new("sh");
    let started = command.args(["-c", script]).spawn();
    started.expect("there is a shell")
}

#[test]
fn a_thread_tells_the_end_and_leaves_the_status() {
    let process = started("exit 5");
    let exit = Exit::by_thread(Pid::from_child(&process)).expect("a thread can be started");
    assert!(is_told(&exit));
    let mut child = Child {
        process,
        exit: Arc::new(exit),
        kill_on_close: false,
        has_ended: false,
    };
    let status = child.take_status().expect("it has ended");
    assert_eq!(status.expect("nobody else took it").code(), Some(5));
    assert!(child.take_status().is_none(), "it is told once");
    let error = child.signal(15).expect_err("there is nobody to signal");
    assert_eq!(Errno::from_io_error(&error), Some(Errno::SRCH));
}

#[test]
fn a_thread_tells_the_end_of_one_that_was_signalled() {
    let process = started("exec sleep 60");
    let pid = Pid::from_child(&process);
    let exit = Exit::by_thread(pid).expect("a thread can be started");
    let mut child = Child {
        process,
        exit: Arc::new(exit),
        kill_on_close: false,
        has_ended: false,
    };
    assert!(child.take_status().is_none(), "it runs");
    child.signal(15).expect("it runs");
    assert!(is_told(&child.exit));
    let status = child.take_status().expect("it has ended");
    assert!(!status.expect("nobody else took it").success());
}

#[test]
fn what_somebody_else_has_waited_for_is_an_error_that_says_so() {
    let mut process = started("exit 5");
    let pid = Pid::from_child(&process);
    let exit = Arc::new(Exit::of(pid).expect("it is there"));
    assert!(is_told(&exit));
    let waited = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    waited.expect("it is ours");
    assert!(process.try_wait().is_err());
    let mut child = Child {
        process,
        exit,
        kill_on_close: false,
        has_ended: false,
    };
    let error = child.take_status().expect("it has ended");
    let error = error.expect_err("the status is gone").to_string();
    assert!(error.contains("ignore SIGCHLD"), "{error}");
}

//! A terminal of 80 columns and 24 rows on which a command runs: a tmux of its own.
//!
//! It must never poll: tmux in control mode tells of every output, and only then is the screen
//! looked at again.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Installed, Process};

/// A running terminal. It ends when this is dropped.
///
/// ```no_run
/// # use std::process::ExitCode;
/// # use switchboard_partners::{Partner, Screen, Suite};
/// # fn main() -> ExitCode {
/// Suite::new()
///     .needs([Partner::TMUX], "a_shell_echoes", |[tmux]| {
///         let mut screen = Screen::start(&tmux, "exec sh");
///         screen.keys("'echo hello' Enter");
///         screen.wait_for("\nhello\n");
///     })
///     .run()
/// # }
/// ```
#[derive(Debug)]
pub struct Screen {
    tmux: Installed,
    socket: String,
    control: Process,
}

impl Screen {
    /// Runs `command`, in a shell, on a new terminal.
    #[track_caller]
    pub fn start(tmux: &Installed, command: &str) -> Screen {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = format!("switchboard-{}-{number}", std::process::id());
        let mut start = on(tmux, &socket);
        start.args([
            "-f",
            "/dev/null",
            "-C",
            "new-session",
            "-x",
            "80",
            "-y",
            "24",
            command,
        ]);
        Screen {
            tmux: tmux.clone(),
            socket,
            control: Process::start(start),
        }
    }

    /// Has tmux do something.
    #[track_caller]
    pub fn command(&mut self, command: &str) {
        self.control
            .say(&format!("{}\n", command.replace('\n', "\\n")));
    }

    /// Presses keys: names as in tmux, and texts in quotes.
    #[track_caller]
    pub fn keys(&mut self, keys: &str) {
        self.command(&format!("send-keys {keys}"));
    }

    /// Waits until `text` is on the screen. Blanks at the ends of rows do not count.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait_until(|shown| shown.contains(text));
    }

    /// Waits until the screen is as expected.
    #[track_caller]
    pub fn wait_until(&mut self, expected: impl Fn(&str) -> bool) {
        while !expected(&self.shown()) {
            self.control.wait_for("%output ");
        }
    }

    /// The process that runs on the terminal, or the shell that runs it.
    #[track_caller]
    pub fn process(&self) -> u32 {
        let pane = on(&self.tmux, &self.socket)
            .args(["display-message", "-p", "#{pane_pid}"])
            .output()
            .expect("tmux runs");
        let pane = String::from_utf8_lossy(&pane.stdout).into_owned();
        pane.trim().parse().expect("a number of a process")
    }

    /// The screen as it is, row by row.
    #[track_caller]
    pub fn shown(&self) -> String {
        let capture = on(&self.tmux, &self.socket)
            .args(["capture-pane", "-p"])
            .output()
            .expect("tmux runs");
        let rows = String::from_utf8(capture.stdout).expect("tmux speaks UTF-8");
        let rows: Vec<&str> = rows.lines().map(str::trim_end).collect();
        format!("{}\n", rows.join("\n").trim_end())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The server of tmux is no child of ours, so it would stay.
        let _ = on(&self.tmux, &self.socket).arg("kill-server").output();
    }
}

/// A command to the tmux at `socket`, in a locale that shows every character.
fn on(tmux: &Installed, socket: &str) -> Command {
    let mut command = tmux.command();
    command
        .args(["-u", "-L", socket])
        .env("LC_ALL", "C.UTF-8")
        .env("SHELL", "/bin/sh")
        .env_remove("TMUX");
    command
}

//! A terminal that a program runs in: `tmux` in its control mode, which reports what the program
//! draws as it comes, so that nobody has to look again and again.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use switchboard_partners::{Installed, Process};

/// A terminal of 60 columns and 12 rows. What runs in it ends when this is dropped.
pub struct Screen {
    tmux: Process,
    socket: PathBuf,
    questions: u32,
}

impl Screen {
    /// Opens a terminal that runs `script`, a line for the shell.
    #[track_caller]
    pub fn open(tmux: &Installed, script: &str) -> Screen {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let socket = format!("switchboard-screen-{}-{number}", std::process::id());
        // Not among what is built: a socket's path must be short.
        let socket = std::env::temp_dir().join(socket);
        let mut command = tmux.command();
        command.env("SHELL", "/bin/sh").env_remove("TMUX");
        command.arg("-S").arg(&socket);
        command.args(["-f", "/dev/null", "-C", "new-session", "-x60", "-y12"]);
        command.args([script, ";", "set", "destroy-unattached", "on"]);
        let tmux = Process::start(command);
        Screen {
            tmux,
            socket,
            questions: 0,
        }
    }

    /// Waits until the program draws `text`. Control characters come as `\033`.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.tmux.wait_for(text);
    }

    /// Presses keys, as `tmux send-keys` names them.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        self.tmux.say(&format!("send-keys {keys}\n"));
    }

    /// What `tmux` answers to a command of its own. What is drawn meanwhile is not waited for again.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> Vec<String> {
        self.questions += 1;
        let [begin, end] = ["begin", "end"].map(|word| format!("{word} {}", self.questions));
        let say = |text: &str| format!("display-message -p '{text}'");
        self.tmux
            .say(&format!("{} ; {command} ; {}\n", say(&begin), say(&end)));
        self.tmux.wait_for(&format!("{begin}\n"));
        let answer = self.tmux.wait_for(&format!("{end}\n"));
        let answer = answer.trim_end().trim_end_matches(&end);
        // Other lines begin with the kind of report that they are.
        let lines = answer.lines().filter(|line| !line.starts_with('%'));
        lines.map(str::to_owned).collect()
    }

    /// The lines that the terminal shows, down to the last one that is not empty.
    #[track_caller]
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = self.ask("capture-pane -p");
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}

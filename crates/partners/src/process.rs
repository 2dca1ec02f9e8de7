//! A child process that a test talks to.
//!
//! It must never outlive the test, and waiting for it must never last longer than [`PATIENCE`].

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use wait_timeout::ChildExt;

/// How long a [`Process`] may take for what a test waits for. It bounds a test that fails; one that
/// passes does not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running program, with its input and both outputs connected to the test.
///
/// It leads a process group of its own, which is killed when this is dropped, so what it started
/// itself ends with it. Every method panics, with all that the program has said, where the program
/// does not do as the test expects.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// Whether it has been waited for, so that its id may belong to others soon.
    has_ended: bool,
    input: Option<ChildStdin>,
    chunks: Receiver<(Stream, Vec<u8>)>,
    output: Heard,
    errors: Heard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Output,
    Errors,
}

/// What one stream has said so far, and how much of it the test has asked for.
#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    taken: usize,
}

impl Heard {
    /// Takes up to and including the first `text` that is not taken yet.
    fn take(&mut self, text: &str) -> Option<String> {
        let rest = &self.bytes[self.taken..];
        let start = rest
            .windows(text.len())
            .position(|window| window == text.as_bytes())?;
        let end = start + text.len();
        let taken = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.taken += end;
        Some(taken)
    }
}

impl Process {
    /// Starts `command`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[track_caller]
    pub fn start(mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.process_group(0).spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {command:?}: {error}"),
        };
        let (sender, chunks) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            listen(Stream::Output, output, sender.clone());
        }
        if let Some(errors) = child.stderr.take() {
            listen(Stream::Errors, errors, sender);
        }
        let input = child.stdin.take();
        Self {
            child,
            has_ended: false,
            input,
            chunks,
            output: Heard::default(),
            errors: Heard::default(),
        }
    }

    /// Waits until the standard output says `text`, and returns all that it said up to and with it
    /// since the last call. `text` must not be empty.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        self.wait(Stream::Output, text)
    }

    /// Waits until the standard error says `text`, as [`wait_for`](Self::wait_for) does.
    #[track_caller]
    pub fn wait_for_error(&mut self, text: &str) -> String {
        self.wait(Stream::Errors, text)
    }

    /// Writes `text` to the standard input, as it is: a line needs its `\n`.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        let input = self.input.as_mut().expect("say after close_input");
        if let Err(error) = input.write_all(text.as_bytes()) {
            self.give_up(&format!("does not read {text:?}: {error}"));
        }
    }

    /// Closes the standard input, which the program sees as its end.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Sends Ctrl-C's signal to the program alone.
    #[track_caller]
    pub fn interrupt(&mut self) {
        if let Err(error) = kill_process(self.pid(), Signal::INT) {
            self.give_up(&format!("cannot be interrupted: {error}"));
        }
    }

    /// The process id of the program.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes the input, waits until the program has ended, and returns how it ended. What it has
    /// started and left behind is killed.
    #[track_caller]
    pub fn finish(&mut self) -> ExitStatus {
        self.close_input();
        match self.child.wait_timeout(PATIENCE) {
            Ok(Some(status)) => {
                self.end_group();
                self.has_ended = true;
                // What it said last may still be on its way.
                let deadline = Instant::now() + PATIENCE;
                while self.hear(deadline).is_ok() {}
                status
            }
            Ok(None) => self.give_up("has not ended"),
            Err(error) => self.give_up(&format!("cannot be waited for: {error}")),
        }
    }

    /// All that the standard output has said, as far as it has been waited for.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.bytes).into_owned()
    }

    /// All that the standard error has said, as far as it has been waited for.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors.bytes).into_owned()
    }

    #[track_caller]
    fn wait(&mut self, stream: Stream, text: &str) -> String {
        assert!(!text.is_empty(), "waiting for nothing ends at once");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(said) = self.heard(stream).take(text) {
                return said;
            }
            match self.hear(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => self.give_up(&format!("did not say {text:?}")),
                Err(RecvTimeoutError::Disconnected) => {
                    self.give_up(&format!("ended before it said {text:?}"))
                }
            }
        }
    }

    /// Waits for the next bytes of either stream.
    fn hear(&mut self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let (stream, chunk) = self.chunks.recv_timeout(left)?;
        self.heard(stream).bytes.extend(chunk);
        Ok(())
    }

    fn heard(&mut self, stream: Stream) -> &mut Heard {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Errors => &mut self.errors,
        }
    }

    /// Ends what the program has started and left behind. That there is nothing is no error.
    fn end_group(&self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    #[track_caller]
    fn give_up(&self, what: &str) -> ! {
        panic!(
            "the program {what}\noutput:\n{}\nerrors:\n{}",
            self.output(),
            self.errors()
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended {
            self.end_group();
            let _ = self.child.wait();
        }
    }
}

/// Passes on what `stream` says, from a thread that ends when the stream does.
fn listen(name: Stream, mut stream: impl Read + Send + 'static, to: Sender<(Stream, Vec<u8>)>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            if to.send((name, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command)
    }

    #[test]
    fn both_streams_and_the_status_arrive() {
        let mut process = shell("read name; echo to $name; echo oops >&2; printf done; exit 3");
        process.say("you\n");
        assert_eq!(process.wait_for("to you\n"), "to you\n");
        assert_eq!(process.wait_for_error("oops"), "oops");
        assert_eq!(process.finish().code(), Some(3));
        assert_eq!(process.output(), "to you\ndone");
        assert_eq!(process.errors(), "oops\n");
    }

    #[test]
    fn each_wait_goes_on_where_the_last_one_ended() {
        let mut process = shell("printf 'a1 a2 a3'");
        assert_eq!(process.wait_for("a"), "a");
        assert_eq!(process.wait_for("a"), "1 a");
        assert_eq!(process.wait_for("3"), "2 a3");
    }

    #[test]
    fn waiting_in_vain_fails_with_what_was_said() {
        let mut process = shell("echo one; echo two >&2");
        let outcome = catch_unwind(AssertUnwindSafe(|| process.wait_for("three")));
        let panic = outcome.expect_err("it never says three");
        let message = panic.downcast_ref::<String>().expect("a formatted message");
        for part in ["three", "one\n", "two\n"] {
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn an_interrupt_reaches_the_program() {
        let mut process =
            shell("trap 'echo caught; exit 0' INT; echo ready; while :; do read x; done");
        process.wait_for("ready\n");
        process.interrupt();
        process.wait_for("caught\n");
        assert!(process.finish().success());
    }

    #[test]
    fn what_the_program_started_ends_with_it() {
        let fifo =
            std::env::temp_dir().join(format!("switchboard-partners-{}", std::process::id()));
        let mut command = Command::new("sh");
        let script = "mkfifo \"$1\"; echo ready; tail -f /dev/null 3> \"$1\" & wait";
        command.args(["-c", script, "sh"]).arg(&fifo);
        let mut process = Process::start(command);
        process.wait_for("ready\n");
        let mut reader = File::open(&fifo).expect("the script has made it");
        drop(process);
        // The end of the pipe comes when `tail`, the only writer, is gone.
        let (ended, end) = mpsc::channel();
        thread::spawn(move || ended.send(reader.read_to_end(&mut Vec::new())));
        assert!(end.recv_timeout(PATIENCE).expect("tail lives on").is_ok());
        fs::remove_file(&fifo).expect("it is ours");
    }
}

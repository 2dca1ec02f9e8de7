//! Standard input and output of a program, whatever they are: `examples/copy.rs` copies one to the
//! other, and leaves both as they were.

#[path = "crowd/drivers.rs"]
mod drivers;
#[path = "tutorial/examples.rs"]
mod examples;

use std::fs::{self, File};
use std::io::{Read, Write, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::fs::{Mode, OFlags, fcntl_getfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, tcgetattr};

use examples::example;

/// The program on each driver that works here.
fn copies() -> impl Iterator<Item = Command> {
    drivers::working().into_iter().map(|driver| {
        let mut copy = example("copy");
        copy.arg("--driver").arg(driver.to_string());
        copy
    })
}

fn output_of(mut command: Command) -> Vec<u8> {
    let output = command.output().expect("it is there");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {errors}", output.status);
    assert_eq!(errors, "");
    output.stdout
}

fn is_blocking(fd: impl AsFd) -> bool {
    let flags = fcntl_getfl(fd).expect("it is open");
    !flags.contains(OFlags::NONBLOCK)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

#[test]
fn a_file_is_copied() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for mut copy in copies() {
        copy.stdin(File::open(path).expect("it is there"));
        assert_eq!(output_of(copy), fs::read(path).expect("it is there"));
    }
}

#[test]
fn nothing_is_copied_from_where_nothing_is() {
    for mut copy in copies() {
        copy.stdin(Stdio::null());
        assert_eq!(output_of(copy), b"");
    }
    for copy in copies() {
        let mut closed = Command::new("sh");
        closed.args(["-c", "exec \"$@\" <&-", "sh"]);
        closed.arg(copy.get_program()).args(copy.get_args());
        assert_eq!(output_of(closed), b"");
    }
}

#[test]
fn a_directory_is_an_error() {
    for mut copy in copies() {
        copy.stdin(File::open("/").expect("it is there"));
        let output = copy.output().expect("it is there");
        assert!(!output.status.success());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("directory"), "{errors}");
    }
}

/// Both ends of both pipes stay blocking for all that share them, while it runs and afterwards.
#[test]
fn megabytes_go_through_pipes_that_stay_blocking() {
    let all = pattern(4 << 20);
    for mut copy in copies() {
        let (input, mut typed) = pipe().expect("a pipe can be made");
        let (mut shown, output) = pipe().expect("a pipe can be made");
        let (our_input, our_output) = (clone(&input), clone(&output));
        copy.stdin(input).stdout(output);
        let mut child = copy.spawn().expect("it is there");
        drop(copy); // which holds the pipes
        typed.write_all(b"first").expect("it reads");
        let mut first = [0; 5];
        shown.read_exact(&mut first).expect("it writes");
        assert_eq!(&first, b"first");
        assert!(is_blocking(&our_input) && is_blocking(&our_output));
        let bytes = all.clone();
        let typist = thread::spawn(move || typed.write_all(&bytes));
        let mut copied = vec![0; all.len()];
        shown.read_exact(&mut copied).expect("it writes");
        typist.join().expect("it ends").expect("it reads");
        assert!(copied == all);
        assert!(child.wait().expect("it ends").success());
        assert!(is_blocking(our_input) && is_blocking(our_output));
    }
}

fn clone(fd: impl AsFd) -> OwnedFd {
    fd.as_fd()
        .try_clone_to_owned()
        .expect("a descriptor is free")
}

#[test]
fn sockets_are_copied_and_stay_blocking() {
    for mut copy in copies() {
        let (theirs, mut ours) = UnixStream::pair().expect("a pair can be made");
        let shared = theirs.try_clone().expect("a descriptor is free");
        copy.stdin(OwnedFd::from(
            theirs.try_clone().expect("a descriptor is free"),
        ));
        copy.stdout(OwnedFd::from(theirs));
        let mut child = copy.spawn().expect("it is there");
        drop(copy);
        ours.write_all(b"hello").expect("it reads");
        let mut heard = [0; 5];
        ours.read_exact(&mut heard).expect("it writes");
        assert_eq!(&heard, b"hello");
        assert!(is_blocking(&shared));
        ours.shutdown(std::net::Shutdown::Write)
            .expect("it is open");
        assert!(child.wait().expect("it ends").success());
    }
}

/// What others write to the same file comes before and behind, and is not overwritten.
#[test]
fn a_file_is_written_where_others_have_stopped() {
    for (number, copy) in copies().enumerate() {
        let name = format!("standard-{}-{number}", std::process::id());
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut shell = Command::new("sh");
        let script = "{ echo before; echo it | \"$@\"; echo behind; } > \"$0\"";
        shell.arg("-c").arg(script).arg(&path);
        shell.arg(copy.get_program()).args(copy.get_args());
        assert_eq!(output_of(shell), b"");
        let written = fs::read_to_string(&path).expect("it was written");
        fs::remove_file(&path).expect("it is there");
        assert_eq!(written, "before\nit\nbehind\n");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    for mut copy in copies() {
        let (shown, output) = pipe().expect("a pipe can be made");
        copy.stdin(Stdio::piped())
            .stdout(output)
            .stderr(Stdio::piped());
        let mut child = copy.spawn().expect("it is there");
        drop(copy);
        drop(shown);
        let _input = child.stdin.take(); // which never ends
        let output = child.wait_with_output().expect("it ends");
        assert!(!output.status.success());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("cannot write"), "{errors}");
    }
}

/// A terminal, from both of its ends.
struct Terminal {
    master: File,
    slave: OwnedFd,
}

impl Terminal {
    fn new() -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("one is free");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has one");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(name, flags, Mode::empty()).expect("it is unlocked");
        let master = master.into();
        Terminal { master, slave }
    }

    fn run(&self, mut command: Command) -> Child {
        command.stdin(clone(&self.slave));
        command
            .stdout(clone(&self.slave))
            .stderr(clone(&self.slave));
        command.spawn().expect("it is there")
    }

    fn wait_for(&mut self, text: &str) {
        let mut shown = Vec::new();
        let mut buffer = [0; 100];
        while shown.len() < text.len() {
            let count = self.master.read(&mut buffer).expect("it is open");
            shown.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(String::from_utf8_lossy(&shown), text);
    }
}

fn modes(terminal: impl AsFd) -> String {
    let Termios {
        input_modes,
        output_modes,
        control_modes,
        local_modes,
        ..
    } = tcgetattr(terminal).expect("it is a terminal");
    format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?}")
}

#[test]
fn a_terminal_is_left_as_it_was() {
    for copy in copies() {
        let mut terminal = Terminal::new();
        let before = modes(&terminal.slave);
        let mut child = terminal.run(copy);
        terminal.master.write_all(b"one\n").expect("it is open");
        terminal.wait_for("one\r\none\r\n"); // as typed, and as copied
        assert!(is_blocking(&terminal.slave), "while it runs");
        // Two lines at once, of which a read gives only one.
        terminal
            .master
            .write_all(b"two\nthree\n")
            .expect("it is open");
        terminal.wait_for("two\r\nthree\r\ntwo\r\nthree\r\n");
        terminal.master.write_all(&[4]).expect("it is open"); // Ctrl-D
        assert!(child.wait().expect("it ends").success());
        assert!(is_blocking(&terminal.slave));
        assert_eq!(modes(&terminal.slave), before);
    }
}

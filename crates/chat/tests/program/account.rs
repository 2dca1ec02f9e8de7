//! `switchboard account`, and what becomes of the accounts that it makes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use switchboard_chat::accounts::sasl::chunks;
use switchboard_partners::Process;

use crate::speaker::Speaker;
use crate::world::{Server, switchboard};

/// A directory of data that goes with its test.
struct Data(PathBuf);

impl Data {
    fn new() -> Data {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("switchboard-account-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Data(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain name")
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn account(words: &[&str], data: &Data) -> Command {
    let mut command = switchboard(&[&["account"], words].concat());
    command.arg("--data").arg(data.path());
    command
}

/// Runs it with a password on standard input.
fn run(words: &[&str], data: &Data, password: &str) -> Output {
    let mut child = account(words, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who fails before it asks has closed it.
    let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
    child.wait_with_output().unwrap()
}

#[track_caller]
fn does(words: &[&str], data: &Data, password: &str) -> String {
    let output = run(words, data, password);
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {problem}");
    assert_eq!(problem, "");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn complains(words: &[&str], data: &Data, password: &str) -> String {
    let output = run(words, data, password);
    assert_eq!(output.status.code(), Some(1), "{words:?}");
    let problem = String::from_utf8(output.stderr).unwrap();
    assert_eq!(problem.lines().count(), 1, "{problem}");
    problem
}

/// An IRC client that tries to log in to an account; what it is answered.
fn log_in(address: &str, account: &str, password: &str) -> (Speaker, String) {
    let mut client = Speaker::connect(address);
    let message = format!("\0{account}\0{password}");
    let message = &chunks(message.as_bytes())[0];
    client.say(format!(
        "CAP REQ sasl\r\nNICK {account}\r\nUSER x 0 * :x\r\nAUTHENTICATE PLAIN\r\n\
         AUTHENTICATE {message}\r\n"
    ));
    let told = client.hear_line_with(" 90");
    (client, told)
}

#[test]
fn the_first_administrator_is_made_before_the_server_runs() {
    let data = Data::new();
    let told = does(&["create", "Ann"], &data, "correct horse\nand more\n");
    assert!(told.starts_with("there is an account Ann now"), "{told}");
    let server = Server::start(&["--data", data.path(), "--admin", "ann"]);
    let (mut ann, told) = log_in(&server.address, "Ann", "correct horse");
    assert!(told.contains(" 900 "), "{told}");
    ann.say("CAP END\r\nOPER ann x\r\n");
    let told = ann.hear_line_with(" 381 ");
    assert!(told.contains(" 001 Ann "), "{told}");
    ann.say("AUDIT\r\n");
    ann.hear_line_with("became an administrator");
    // Nobody makes the account of another administrator.
    let listed = does(&["list"], &data, "");
    assert!(listed.starts_with("Ann 20") && listed.lines().count() == 1);
}

#[test]
fn another_password_is_another_password() {
    let data = Data::new();
    does(&["create", "ann"], &data, "correct horse\n");
    does(&["passwd", "ANN"], &data, "battery staple\r\n");
    let server = Server::start(&["--data", data.path()]);
    let (_, told) = log_in(&server.address, "ann", "correct horse");
    assert!(told.contains(" 904 "), "{told}");
    let (_, told) = log_in(&server.address, "ann", "battery staple");
    assert!(told.contains(" 900 "), "{told}");
}

#[test]
fn what_cannot_be_is_refused() {
    let data = Data::new();
    let none = complains(&["passwd", "ann"], &data, "correct horse\n");
    assert!(none.contains("--data"), "{none}");
    does(&["create", "ann"], &data, "correct horse\n");
    let refused = |name: &str, password: &str| complains(&["create", name], &data, password);
    assert!(refused("bob", "short\n").contains("too short"));
    assert!(refused("bob", "").contains("too short"));
    assert!(refused("bob", &"x".repeat(300)).contains("too long"));
    assert!(refused("ANN", "correct horse\n").contains("already"));
    assert!(refused("no name", "correct horse\n").contains("cannot hold"));
    assert!(refused("NickServ", "correct horse\n").contains("no name"));
    let unknown = complains(&["passwd", "bob"], &data, "correct horse\n");
    assert!(unknown.contains("no account bob"), "{unknown}");
    assert_eq!(does(&["list"], &data, "").lines().count(), 1);
}

#[test]
fn a_running_server_keeps_its_accounts_to_itself() {
    let data = Data::new();
    does(&["create", "ann"], &data, "correct horse\n");
    let server = Server::start(&["--data", data.path()]);
    let refused = complains(&["create", "bob"], &data, "correct horse\n");
    let process = format!("process {} has ", server.process.id());
    assert!(refused.contains(&process), "{refused}");
    assert!(refused.contains("end it first"), "{refused}");
    let listed = does(&["list"], &data, "");
    assert!(listed.starts_with("ann "), "{listed}");
    assert!(Path::new(data.path()).exists());
}

/// A terminal, of which the test holds the other end.
struct Terminal {
    controller: fs::File,
    terminal: fs::File,
}

impl Terminal {
    fn new() -> Terminal {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        let terminal = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        Terminal {
            controller: controller.into(),
            terminal: terminal.into(),
        }
    }

    fn run(&self, words: &[&str], data: &Data) -> Process {
        let mut command = account(words, data);
        // The program's input is this terminal, whatever the runner gives it.
        let words = command.get_args().map(|word| word.to_owned());
        let words: Vec<_> = words.collect();
        let mut shell = Command::new("sh");
        let path = rustix::termios::ttyname(&self.terminal, Vec::new()).unwrap();
        shell
            .arg("-c")
            .arg(r#"terminal=$1; shift; exec "$@" <"$terminal""#);
        shell.arg("sh").arg(path.to_str().unwrap());
        shell.arg(command.get_program()).args(words);
        for (key, value) in command.get_envs() {
            shell.env(key, value.unwrap_or_default());
        }
        command = shell;
        Process::start(command)
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.controller.write_all(keys).unwrap();
    }

    fn is_shown(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ISIG)
    }
}

#[test]
fn a_terminal_does_not_show_a_password_and_asks_twice() {
    let data = Data::new();
    let mut terminal = Terminal::new();
    let mut program = terminal.run(&["create", "ann"], &data);
    program.wait_for_error("New password: ");
    assert!(!terminal.is_shown());
    // A typing error is corrected as in any line.
    terminal.type_keys(b"correct horze\x7f\x7fse\n");
    program.wait_for_error("The same again: ");
    terminal.type_keys(b"correct horse\n");
    program.wait_for("there is an account ann now");
    assert!(program.finish().success());
    assert!(terminal.is_shown());

    let mut program = terminal.run(&["passwd", "ann"], &data);
    program.wait_for_error("New password: ");
    terminal.type_keys(b"correct horse\n");
    program.wait_for_error("The same again: ");
    terminal.type_keys(b"battery staple\n");
    program.wait_for_error("the two passwords differ");
    assert_eq!(program.finish().code(), Some(1));
}

#[test]
fn ctrl_c_leaves_the_terminal_and_the_account_as_they_were() {
    let data = Data::new();
    let mut terminal = Terminal::new();
    let mut program = terminal.run(&["create", "ann"], &data);
    program.wait_for_error("New password: ");
    terminal.type_keys(b"correct\x03");
    program.wait_for_error("given up");
    assert_eq!(program.finish().code(), Some(1));
    assert!(terminal.is_shown());
    assert_eq!(does(&["list"], &data, ""), "");
}

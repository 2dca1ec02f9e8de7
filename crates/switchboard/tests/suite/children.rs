//! Child processes: their end is told once, with the status, and whatever happens they leave no
//! zombie. The processes are real ones.

use std::io::{BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use switchboard::signal::{SIGCHLD, SIGKILL, SIGTERM};
use switchboard::{Error, Process, Token};

use crate::probe::{Probe, Reason};
use crate::world::World;

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

/// A process that has said that it runs, and its number.
struct Started {
    token: Token,
    pid: Pid,
    stdin: PipeWriter,
    stdout: BufReader<PipeReader>,
}

/// Runs a script, told to `child`, behind a line that says its number.
fn start(world: &mut World, script: &str, kill_on_close: bool) -> Started {
    let (stdin, our_stdin) = pipe().expect("a pipe can be made");
    let (our_stdout, stdout) = pipe().expect("a pipe can be made");
    let mut command = shell(&format!("echo $$; {script}"));
    command.stdin(stdin).stdout(stdout);
    let process = Process::new(command).with_kill_on_close(kill_on_close);
    let token = world.with(|cx| cx.spawn(process, Probe::new("child")));
    let mut stdout = BufReader::new(our_stdout);
    let mut pid = String::new();
    stdout.read_line(&mut pid).expect("it says its number");
    let pid = pid.trim().parse().expect("it is a number");
    Started {
        token: token.expect("there is room"),
        pid: Pid::from_raw(pid).expect("it is not zero"),
        stdin: our_stdin,
        stdout,
    }
}

/// Whether a process is neither running nor a zombie, without waiting for it.
fn is_reaped(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), options).err() == Some(Errno::CHILD)
}

fn is_running(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

#[track_caller]
fn reason_of(world: &mut World, command: Command) -> String {
    let token = world.with(|cx| cx.spawn(command, Reason));
    token.expect("there is room");
    world.drive_until("a reason", |world| !world.log().of("reason").is_empty());
    world.log().of("reason").join("; ")
}

pub fn a_process_that_ends_is_told_with_its_code(world: &mut World) {
    let token = world.with(|cx| cx.spawn(shell("exit 7"), Probe::new("child")));
    token.expect("there is room");
    world.drive_to_end("child");
    let told = ["exit status: 7", "closed Exited(exit status: 7)"];
    assert_eq!(world.log().of("child"), told);
    assert_eq!(world.reactor.sources(), 0);
}

pub fn a_process_that_a_signal_has_ended_is_told_with_it(world: &mut World) {
    let child = start(world, "exec sleep 60", false);
    world.settle();
    assert!(is_running(child.pid));
    let sent = world.with(|cx| cx.kill_child(child.token, SIGTERM));
    sent.expect("it runs");
    world.drive_to_end("child");
    assert_eq!(world.log().of("child")[0], "signal: 15 (SIGTERM)");
    assert!(is_reaped(child.pid));
}

pub fn a_process_that_ignores_a_signal_goes_on_until_it_is_killed(world: &mut World) {
    let script = "trap '' TERM; echo deaf; read line; echo $line; exec sleep 60";
    let mut child = start(world, script, false);
    let mut line = String::new();
    child.stdout.read_line(&mut line).expect("it says so");
    let sent = world.with(|cx| cx.kill_child(child.token, SIGTERM));
    sent.expect("it runs");
    child.stdin.write_all(b"alive\n").expect("it reads");
    child.stdout.read_line(&mut line).expect("it lives");
    assert_eq!(line, "deaf\nalive\n");
    world.settle();
    assert!(world.log().of("child").is_empty());
    let sent = world.with(|cx| cx.kill_child(child.token, SIGKILL));
    sent.expect("it runs");
    world.drive_to_end("child");
    assert_eq!(world.log().of("child")[0], "signal: 9 (SIGKILL)");
}

pub fn a_program_that_is_not_there_is_named(world: &mut World) {
    let why = reason_of(world, Command::new("/no/such/program"));
    assert!(
        why.starts_with("cannot run \"/no/such/program\": No such file"),
        "{why}"
    );
    let token = world.with(|cx| cx.spawn(Command::new("no-such-program"), Probe::new("child")));
    token.expect("there is room");
    assert_eq!(world.drive_to_end("child"), "Io(NotFound)");
    assert_eq!(world.log().of("child").len(), 1);
}

pub fn a_directory_that_is_not_there_is_named(world: &mut World) {
    let mut command = shell("true");
    command.current_dir("/no/such/directory");
    let why = reason_of(world, command);
    assert!(why.contains("\"/no/such/directory\": there is no"), "{why}");
}

pub fn pipes_that_nobody_has_are_an_error(world: &mut World) {
    let mut command = shell("cat");
    command.stdin(Stdio::piped());
    let why = reason_of(world, command);
    assert!(why.contains("Stdio::piped()"), "{why}");
}

pub fn many_processes_at_once_are_each_told(world: &mut World) {
    for code in 0..100 {
        let token = world.with(|cx| cx.spawn(shell(&format!("exit {code}")), Probe::new("child")));
        token.expect("there is room");
    }
    world.drive_until("the end of all", |world| world.reactor.sources() == 0);
    for code in 0..100 {
        let told = format!("exit status: {code}");
        assert_eq!(world.log().count("child", &told), 1, "{told}");
    }
}

pub fn a_process_lives_on_when_its_source_is_closed_and_leaves_no_zombie(world: &mut World) {
    let child = start(world, "read line; exit 3", false);
    world.with(|cx| cx.close_source(child.token));
    assert_eq!(world.drive_to_end("child"), "Requested");
    world.settle();
    assert!(is_running(child.pid));
    drop(child.stdin); // which it waits for
    world.drive_until("the reaper", |_| is_reaped(child.pid));
    assert_eq!(world.log().of("child").len(), 1);
}

pub fn a_process_can_be_killed_when_its_source_is_closed(world: &mut World) {
    let mut child = start(world, "exec sleep 60", true);
    world.with(|cx| cx.close_source(child.token));
    assert_eq!(world.drive_to_end("child"), "Requested");
    let mut rest = String::new();
    let read = child.stdout.read_to_string(&mut rest);
    assert_eq!((read.expect("it ends"), rest.as_str()), (0, ""));
    world.drive_until("the reaper", |_| is_reaped(child.pid));
}

pub fn a_dropped_reactor_leaves_no_zombie(world: &mut World) {
    let killed = start(world, "exec sleep 60", true);
    let living = start(world, "read line", false);
    let mut ended = start(world, "exit 0", false);
    let mut rest = String::new();
    let read = ended.stdout.read_to_string(&mut rest);
    read.expect("it is about to end");
    world.rebuild(|builder| builder);
    world.drive_until("the reaper", |_| {
        is_reaped(killed.pid) && is_reaped(ended.pid)
    });
    assert!(is_running(living.pid));
    drop(living.stdin);
    world.drive_until("the reaper", |_| is_reaped(living.pid));
}

pub fn a_shutdown_does_not_wait_for_processes(world: &mut World) {
    let child = start(world, "exec sleep 60", true);
    world.with(|cx| cx.stop());
    assert_eq!(world.drive_to_end("child"), "Shutdown");
    world.drive_until("the reaper", |_| is_reaped(child.pid));
    let refused = world.with(|cx| cx.spawn(shell("true"), Probe::new("late")));
    assert!(matches!(refused, Err(Error::ShuttingDown)), "{refused:?}");
}

pub fn the_end_of_a_process_does_not_wait_for_a_pause_to_end(world: &mut World) {
    let token = world.with(|cx| {
        let token = cx.spawn(shell("exit 0"), Probe::new("child"));
        token.inspect(|token| cx.pause_source(*token))
    });
    token.expect("there is room");
    assert_eq!(world.drive_to_end("child"), "Exited(exit status: 0)");
}

pub fn an_end_that_nobody_handles_is_an_error(world: &mut World) {
    let why = reason_of(world, shell("exit 0"));
    assert!(why.contains("handle_exit"), "{why}");
}

pub fn only_a_process_that_runs_can_be_signalled(world: &mut World) {
    let child = start(world, "exec sleep 60", true);
    for signal in [0, -1, 4711] {
        let refused = world.with(|cx| cx.kill_child(child.token, signal));
        let error = refused.expect_err("it is no signal").to_string();
        assert!(error.contains(&signal.to_string()), "{error}");
    }
    let (connection, _peer) = world.open(Probe::new("connection"));
    let refused = world.with(|cx| cx.kill_child(connection, SIGTERM));
    assert!(matches!(refused, Err(Error::WrongKind { .. })));
    world.with(|cx| cx.close_source(child.token));
    world.drive_to_end("child");
    let refused = world.with(|cx| cx.kill_child(child.token, SIGTERM));
    assert!(matches!(refused, Err(Error::Stale(_))));
}

pub fn who_catches_sigchld_hears_of_it_too(world: &mut World) {
    let signals = world.with(|cx| cx.signals(&[SIGCHLD], Probe::new("signals")));
    signals.expect("it can be caught");
    let token = world.with(|cx| cx.spawn(shell("exit 4"), Probe::new("child")));
    token.expect("there is room");
    assert_eq!(world.drive_to_end("child"), "Exited(exit status: 4)");
    let told = format!("signal {SIGCHLD}");
    world.drive_until("the signal", |world| world.log().has("signals", &told));
}

pub fn a_handler_can_start_the_next_process(world: &mut World) {
    let first = Probe::new("first").on_exit(|_, cx, status| {
        let command = shell(&format!("exit {}", status.code().unwrap_or(0) + 1));
        cx.spawn(command, Probe::new("second")).map(drop)
    });
    let token = world.with(|cx| cx.spawn(shell("exit 8"), first));
    token.expect("there is room");
    assert_eq!(world.drive_to_end("second"), "Exited(exit status: 9)");
}

/// What is open in the reactor's process is no affair of the one that it starts: it has what it
/// would have without a reactor.
pub fn a_process_has_no_descriptors_of_ours(world: &mut World) {
    let (_connection, _peer) = world.open(Probe::new("connection"));
    let list = || {
        let mut command = Command::new("ls");
        command.arg("/dev/fd/").stdin(Stdio::null());
        command
    };
    let expected = list().output().expect("there is such a program").stdout;
    let (mut ours, theirs) = pipe().expect("a pipe can be made");
    let mut command = list();
    command.stdout(theirs);
    let token = world.with(|cx| cx.spawn(command, Probe::new("child")));
    token.expect("there is room");
    assert_eq!(world.drive_to_end("child"), "Exited(exit status: 0)");
    let mut open = Vec::new();
    ours.read_to_end(&mut open).expect("it has ended");
    assert_eq!(
        open.escape_ascii().to_string(),
        expected.escape_ascii().to_string()
    );
}

/// Somebody who reads a pipe for itself gets the end of it, since no copy of ours is left open.
pub fn the_pipes_of_a_process_end_with_it(world: &mut World) {
    let (mut ours, theirs) = pipe().expect("a pipe can be made");
    let mut command = shell("echo hello");
    command.stdout(theirs);
    let token = world.with(|cx| cx.spawn(command, Probe::new("child")));
    token.expect("there is room");
    let mut text = String::new();
    ours.read_to_string(&mut text).expect("it ends");
    assert_eq!(text, "hello\n");
    world.drive_to_end("child");
    let error = ours.read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(error, Ok(0) | Err(ErrorKind::BrokenPipe)));
}

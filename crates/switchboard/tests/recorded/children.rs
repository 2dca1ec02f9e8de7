//! Child processes in a replay: how they ended is in the recording, and none is started again.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use switchboard::signal::SIGTERM;
use switchboard::{
    Builder, Close, Context, Handler, Process, Reactor, Replay, ReplayEnd, Result, TimerId,
};

use crate::tape::{PROGRAM, Tape, VERSION};

type Notes = Vec<String>;

/// Ends what does not end by itself.
struct Job;

impl Handler<Notes> for Job {
    fn handle_timer(&mut self, _: &mut Notes, cx: &mut Context<'_, Notes>, _: TimerId) -> Result {
        cx.kill(SIGTERM)
    }

    fn handle_exit(
        &mut self,
        notes: &mut Notes,
        _: &mut Context<'_, Notes>,
        status: ExitStatus,
    ) -> Result {
        notes.push(status.to_string());
        Ok(())
    }

    fn handle_read(&mut self, notes: &mut Notes, cx: &mut Context<'_, Notes>) -> Result {
        let text = cx.recv(100).escape_ascii().to_string();
        notes.push(format!("read {text}"));
        Ok(())
    }

    fn handle_close(&mut self, notes: &mut Notes, _: &mut Context<'_, Notes>, why: &Close) {
        notes.push(why.to_string());
    }
}

/// Four processes: one leaves a line in `file`, one has to be ended, one cannot be started, and one
/// is written to and read.
fn run(builder: Builder, file: &PathBuf) -> Result<Notes> {
    let mut reactor = builder.build(Notes::new())?;
    reactor.with(|_, cx| -> Result {
        let mut command = Command::new("sh");
        command
            .args(["-c", "echo started >> \"$0\"; exit 3"])
            .arg(file);
        cx.spawn(command, Job)?;
        let mut command = Command::new("sleep");
        command.arg("60").stdout(Stdio::null());
        let process = Process::new(command).with_kill_on_close(true);
        let sleeps = cx.spawn(process, Job)?;
        cx.set_source_timer(sleeps, Duration::from_millis(5))?;
        cx.spawn(Command::new("/no/such/program"), Job)?;
        let mut process = Process::new(Command::new("cat"));
        let (input, output) = (process.stdin_pipe()?, process.stdout_pipe()?);
        let input = cx.register(input, Job)?;
        cx.register(output, Job)?;
        cx.spawn(process, Job)?;
        cx.send_to(input, "hello")?;
        cx.close_source(input);
        Ok(())
    })?;
    reactor.run()?;
    Ok(reactor.state().clone())
}

fn processes_are_replayed(tape: &Tape) {
    let file = PathBuf::from(format!("{}.started", tape.path.display()));
    let recorded = Reactor::builder().driver(tape.driver);
    let then = run(recorded.record(tape.recording()), &file).expect("it ends well");
    let mut told = then.clone();
    told.sort_unstable();
    assert!(told[0].starts_with("cannot run \"/no/such/program\""));
    assert_eq!(
        told[1..],
        [
            "closed",
            "exit status: 0",
            "exit status: 3",
            "read hello",
            "signal: 15 (SIGTERM)",
            "the peer has finished",
            "the process has ended: exit status: 0",
            "the process has ended: exit status: 3",
            "the process has ended: signal: 15 (SIGTERM)",
        ]
    );
    let replay = Replay::open(&tape.path, PROGRAM, VERSION).expect("it was recorded");
    let now = run(Reactor::builder().replay(&replay), &file).expect("it ends well");
    assert_eq!(
        replay.outcome().expect("nothing differs"),
        ReplayEnd::Complete
    );
    assert_eq!(now, then);
    let lines = fs::read_to_string(&file).expect("it was written");
    assert_eq!(lines, "started\n", "once, when it was recorded");
    fs::remove_file(&file).expect("it is there");
}

#[test]
fn processes_are_replayed_as_they_were_and_not_started_again() {
    for driver in crate::drivers::working() {
        processes_are_replayed(&Tape::on(driver, "children"));
    }
}

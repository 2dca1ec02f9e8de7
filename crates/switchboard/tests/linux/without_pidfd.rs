//! Child processes on a kernel without descriptors for them, as systems other than Linux have it: a
//! real one, in a process of its own with a filter. It must never be refused to the whole test.

#[path = "../crowd/drivers.rs"]
mod drivers;

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, getpid, pidfd_open, waitid};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use switchboard::signal::SIGTERM;
use switchboard::{Context, Handler, Process, Reactor, Result};
use switchboard_partners::Suite;

/// Set in the process that the filter is for.
const CHILD: &str = "SWITCHBOARD_WITHOUT_PIDFD";

/// How long anything may take. Reached only by a test that fails.
const BOUND: Duration = Duration::from_secs(20);

pub fn main() -> ExitCode {
    if env::var_os(CHILD).is_some() {
        refuse_pidfds();
        for driver in drivers::working() {
            let build = || Reactor::builder().driver(driver).build(Vec::new());
            ends_are_told(build().expect("it works")).expect("it goes well");
            none_becomes_a_zombie(build().expect("it works")).expect("it goes well");
        }
        return ExitCode::SUCCESS;
    }
    let name = "processes_are_waited_for_where_the_kernel_has_no_descriptors_for_them";
    let test = || {
        let mut command = Command::new(env::current_exe().expect("it runs"));
        let child = command.env(CHILD, "yes").output();
        let child = child.expect("a program can run itself");
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{said}");
    };
    Suite::new().when(Ok(()), name, test).run()
}

fn refuse_pidfds() {
    let answer = SeccompAction::Errno(Errno::NOSYS.raw_os_error() as u32);
    let machine = env::consts::ARCH.try_into();
    let rules = BTreeMap::from([(libc::SYS_pidfd_open, Vec::new())]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        answer,
        machine.expect("a machine with filters"),
    );
    let program: BpfProgram = filter
        .expect("it is well formed")
        .try_into()
        .expect("it is small");
    apply_filter(&program).expect("the kernel has filters");
    let refused = pidfd_open(getpid(), PidfdFlags::empty());
    assert_eq!(refused.err(), Some(Errno::NOSYS));
}

struct Job;

impl Handler<Vec<String>> for Job {
    fn handle_exit(
        &mut self,
        told: &mut Vec<String>,
        _: &mut Context<'_, Vec<String>>,
        status: ExitStatus,
    ) -> Result {
        told.push(status.to_string());
        Ok(())
    }
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn ends_are_told(mut reactor: Reactor<Vec<String>>) -> Result {
    for code in 10..60 {
        reactor.spawn(shell(&format!("exit {code}")), Job)?;
    }
    let killed = reactor.spawn(shell("exec sleep 60"), Job)?;
    reactor.with(|_, cx| cx.kill_child(killed, SIGTERM))?;
    reactor.run()?;
    let mut expected: Vec<String> = (10..60)
        .map(|code| format!("exit status: {code}"))
        .collect();
    expected.push("signal: 15 (SIGTERM)".to_owned());
    reactor.state_mut().sort_unstable();
    assert_eq!(*reactor.state(), expected);
    Ok(())
}

/// A process that says its number, and whoever hears that.
fn announced(script: &str) -> Result<(Process, BufReader<PipeReader>)> {
    let (ours, theirs) = pipe()?;
    let mut command = shell(&format!("echo $$; {script}"));
    command.stdout(theirs);
    Ok((Process::new(command), BufReader::new(ours)))
}

fn number(from: &mut BufReader<PipeReader>) -> Result<Pid> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let number = line.trim().parse().ok().and_then(Pid::from_raw);
    Ok(number.ok_or("it has said no number")?)
}

fn none_becomes_a_zombie(mut reactor: Reactor<Vec<String>>) -> Result {
    let (killed, mut said) = announced("exec sleep 60")?;
    reactor.spawn(killed.with_kill_on_close(true), Job)?;
    let killed = number(&mut said)?;
    let (mut lives, mut said) = announced("read line; exit 3")?;
    let input = lives.stdin_pipe()?;
    reactor.spawn(lives, Job)?;
    let lives = number(&mut said)?;
    drop(reactor);
    wait_until_reaped(killed)?;
    assert!(!is_reaped(lives));
    drop(input);
    wait_until_reaped(lives)
}

fn is_reaped(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(pid), options).err() == Some(Errno::CHILD)
}

fn wait_until_reaped(pid: Pid) -> Result {
    let start = Instant::now();
    let mut reactor = Reactor::new(())?;
    while !is_reaped(pid) {
        reactor.turn(Some(Duration::from_millis(2)))?;
        assert!(start.elapsed() < BOUND, "it is left");
    }
    Ok(())
}

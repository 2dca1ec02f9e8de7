//! The pipes of child processes: streams like others, however much each side writes, and whichever
//! end goes first.

use std::io::{Read, pipe};
use std::process::{Command, Stdio};
use std::time::Duration;

use switchboard::signal::SIGKILL;
use switchboard::{Process, SourceOptions, Token};

use crate::probe::Probe;
use crate::world::{World, assert_same, pattern};

/// More than pipes and outboxes hold together.
const MUCH: usize = 64 << 20;

fn shell(script: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    Process::new(command)
}

/// The tokens of a process whose events go to `child`, and of the pipes to it: `input`, `output`.
struct Piped {
    child: Token,
    input: Token,
    output: Token,
}

fn run(world: &mut World, mut process: Process, input: Probe, output: Probe) -> Piped {
    let to = process.stdin_pipe().expect("a pipe can be made");
    let from = process.stdout_pipe().expect("a pipe can be made");
    world.with(|cx| Piped {
        input: cx.register(to, input).expect("there is room"),
        output: cx.register(from, output).expect("there is room"),
        child: cx
            .spawn(process, Probe::new("child"))
            .expect("there is room"),
    })
}

fn run_plainly(world: &mut World, process: Process) -> Piped {
    run(world, process, Probe::new("input"), Probe::new("output"))
}

#[track_caller]
fn drive_to_all_ends(world: &mut World) {
    for name in ["input", "output", "child"] {
        world.drive_to_end(name);
    }
    assert_eq!(world.reactor.sources(), 0);
}

pub fn what_a_process_is_sent_comes_back_until_its_input_is_closed(world: &mut World) {
    let piped = run_plainly(world, shell("cat"));
    let sent = world.with(|cx| cx.send_to(piped.input, "hello"));
    sent.expect("there is room");
    world.drive_until("the echo", |world| world.log().bytes("output") == b"hello");
    world.with(|cx| {
        cx.send_to(piped.input, " again").expect("there is room");
        cx.close_source(piped.input);
    });
    drive_to_all_ends(world);
    assert_eq!(world.log().bytes("output"), b"hello again");
    assert_eq!(world.log().why("input"), Some("Requested"));
    assert_eq!(world.log().why("output"), Some("Eof"));
    assert_eq!(world.log().why("child"), Some("Exited(exit status: 0)"));
}

/// Both write as much as they can, all the time: who waited for the other would wait for ever.
pub fn much_goes_both_ways_at_once_within_the_bounds(world: &mut World) {
    let chunk = pattern(32 * 1024);
    let expected = chunk.clone();
    let first = chunk.repeat(32); // more than the low watermark, so `handle_write` is called
    let mut left = (MUCH - first.len()) / chunk.len();
    let input = Probe::new("input").on_write(move |_, cx| {
        while left > 0 && cx.send(&chunk).is_ok() {
            left -= 1;
        }
        if left == 0 {
            cx.close();
        }
        Ok(())
    });
    let mut came = 0;
    let output = Probe::new("output").on_read(move |log, cx| {
        let data = cx.recv(usize::MAX);
        let mut rest = data;
        while !rest.is_empty() {
            let at = came % expected.len();
            let (part, behind) = rest.split_at(rest.len().min(expected.len() - at));
            assert_same(part, &expected[at..at + part.len()]);
            came += part.len();
            rest = behind;
        }
        log.keep(if came == MUCH { b"all" } else { b"" });
        Ok(())
    });
    let piped = run(world, shell("cat"), input, output);
    let options = world.with(|cx| cx.source_options(piped.input));
    let bound = options.expect("it is there").high_watermark();
    let sent = world.with(|cx| cx.send_to(piped.input, first));
    sent.expect("there is room");
    world.drive_until("the end", |world| {
        assert!(world.reactor.buffered() <= bound + 256 * 1024);
        world.reactor.sources() == 0
    });
    assert_eq!(world.log().bytes("output"), b"all");
    assert_eq!(world.log().why("input"), Some("Requested"));
    assert_eq!(world.log().why("child"), Some("Exited(exit status: 0)"));
}

pub fn a_process_whose_output_is_not_read_waits_and_so_does_the_loop(world: &mut World) {
    let piped = run_plainly(world, shell("yes | head -c 10000000"));
    world.with(|cx| cx.pause_source(piped.output));
    // As soon as the pipe is full, which nobody tells.
    let mut tries = 0..100;
    let rests = tries.any(|_| world.elapse(Duration::from_millis(30)) <= 5);
    assert!(rests, "more than 5 turns in 30 ms, again and again");
    assert!(world.reactor.buffered() <= 256 * 1024);
    world.with(|cx| cx.resume_source(piped.output));
    world.drive_to_end("output");
    assert_eq!(world.log().bytes("output").len(), 10_000_000);
    world.drive_to_end("child");
    assert_eq!(world.log().of("child")[0], "exit status: 0");
}

pub fn a_process_that_does_not_read_leaves_it_in_a_bounded_outbox(world: &mut World) {
    let options = SourceOptions::default().with_watermarks(1024, 128 * 1024);
    let piped = run_plainly(world, shell("exec sleep 60").with_kill_on_close(true));
    let mut sent = 0;
    world.with(|cx| {
        let set = cx.set_source_options(piped.input, options);
        set.expect("a pipe has them too");
    });
    while world
        .with(|cx| cx.send_to(piped.input, vec![b'x'; 16 * 1024]))
        .is_ok()
    {
        sent += 16 * 1024;
        world.settle();
    }
    assert!(sent >= 128 * 1024, "{sent}");
    assert!(world.reactor.buffered() <= 128 * 1024);
    world.with(|cx| {
        cx.abort_source(piped.input);
        cx.close_source(piped.child);
    });
    drive_to_all_ends(world);
}

pub fn a_process_may_close_its_output_and_live_on(world: &mut World) {
    let piped = run_plainly(world, shell("exec >&-; read line; exit 5"));
    assert_eq!(world.drive_to_end("output"), "Eof");
    world.settle();
    assert!(world.log().of("child").is_empty());
    world.with(|cx| {
        cx.send_to(piped.input, "go on\n").expect("there is room");
    });
    assert_eq!(world.drive_to_end("child"), "Exited(exit status: 5)");
}

pub fn a_process_may_end_before_what_it_has_started(world: &mut World) {
    let piped = run_plainly(
        world,
        shell("exec 3<&0; (read line <&3; echo $line) & exit 6"),
    );
    assert_eq!(world.drive_to_end("child"), "Exited(exit status: 6)");
    world.settle();
    assert!(world.log().of("output").is_empty());
    world.with(|cx| {
        cx.send_to(piped.input, "late\n").expect("there is room");
    });
    assert_eq!(world.drive_to_end("output"), "Eof");
    assert_eq!(world.log().bytes("output"), b"late\n");
}

pub fn a_process_that_reads_no_more_breaks_the_pipe(world: &mut World) {
    let piped = run_plainly(world, shell("exec <&-; echo closed; exec sleep 60"));
    world.drive_until("the words", |world| {
        world.log().bytes("output") == b"closed\n"
    });
    assert_eq!(world.drive_to_end("input"), "Io(BrokenPipe)");
    let killed = world.with(|cx| cx.kill_child(piped.child, SIGKILL));
    killed.expect("it runs");
    drive_to_all_ends(world);
}

pub fn a_process_that_writes_on_is_ended_when_its_output_is_closed(world: &mut World) {
    let piped = run_plainly(world, shell("exec yes"));
    world.drive_until("some of it", |world| {
        !world.log().bytes("output").is_empty()
    });
    world.with(|cx| cx.close_source(piped.output));
    assert_eq!(world.drive_to_end("child"), "Exited(signal: 13 (SIGPIPE))");
    assert_eq!(world.log().why("output"), Some("Requested"));
}

pub fn both_outputs_of_a_process_are_told_apart(world: &mut World) {
    let mut process = shell("echo out; echo err >&2");
    let from = process.stdout_pipe().expect("a pipe can be made");
    let errors = process.stderr_pipe().expect("a pipe can be made");
    world.with(|cx| {
        cx.register(from, Probe::new("output"))
            .expect("there is room");
        cx.register(errors, Probe::new("errors"))
            .expect("there is room");
        cx.spawn(process, Probe::new("child"))
            .expect("there is room");
    });
    for name in ["output", "errors", "child"] {
        world.drive_to_end(name);
    }
    assert_eq!(world.log().bytes("output"), b"out\n");
    assert_eq!(world.log().bytes("errors"), b"err\n");
}

/// There is nobody at the other end of its pipes, and they say so.
pub fn a_program_that_is_not_there_ends_its_pipes(world: &mut World) {
    run_plainly(world, Process::new(Command::new("no-such-program")));
    drive_to_all_ends(world);
    assert_eq!(world.log().why("child"), Some("Io(NotFound)"));
    assert_eq!(world.log().why("output"), Some("Eof"));
    assert_eq!(world.log().why("input"), Some("Io(BrokenPipe)"));
}

/// Sending is for an input, reading for an output.
pub fn a_pipe_goes_one_way(world: &mut World) {
    let piped = run_plainly(world, shell("exec sleep 60").with_kill_on_close(true));
    let sent = world.with(|cx| cx.send_to(piped.output, "wrong way"));
    sent.expect_err("it cannot be sent to");
    world.with(|cx| {
        cx.close_source(piped.input);
        cx.close_source(piped.output);
        cx.close_source(piped.child);
    });
    drive_to_all_ends(world);
}

pub fn a_hundred_processes_echo_at_once(world: &mut World) {
    let mut inputs = Vec::new();
    for _ in 0..100 {
        let piped = run_plainly(world, Process::new(Command::new("cat")));
        inputs.push(piped.input);
    }
    world.with(|cx| {
        for input in inputs {
            cx.send_to(input, "x").expect("there is room");
            cx.close_source(input);
        }
    });
    world.drive_until("the end of all", |world| world.reactor.sources() == 0);
    assert_eq!(world.log().bytes("output"), [b'x'; 100]);
    assert_eq!(world.log().count("child", "exit status: 0"), 100);
}

/// Its pipes end with the reactor, so a process that reads its input to the end ends as well.
pub fn a_dropped_reactor_closes_the_pipes_of_its_processes(world: &mut World) {
    let (mut said, theirs) = pipe().expect("a pipe can be made");
    let mut command = Command::new("sh");
    command.args(["-c", "cat; echo over"]).stdout(theirs);
    let mut process = Process::new(command);
    let own = process.stdin_pipe().expect("a pipe can be made");
    world.with(|cx| {
        cx.register(own, Probe::new("input"))
            .expect("there is room");
        cx.spawn(process, Probe::new("child"))
            .expect("there is room");
    });
    world.rebuild(|builder| builder);
    let mut text = String::new();
    let read = said.read_to_string(&mut text);
    read.expect("it ends");
    assert_eq!(text, "over\n");
}

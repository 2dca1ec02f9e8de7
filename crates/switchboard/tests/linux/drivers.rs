//! Which driver a reactor takes: the one that was asked for, or, if that is left open, one that
//! works here. A kernel that refuses io_uring is a real one, in a process of its own with a filter.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getuid, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use switchboard::{Context, Driver, Handler, Listener, Reactor, Result};
use switchboard_partners::Suite;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

/// Set in the process that a case runs in: the case.
const CHILD: &str = "SWITCHBOARD_DRIVERS_CHILD";

/// How long anything may take. Reached only by a case that fails.
const BOUND: Duration = Duration::from_secs(10);

/// What a process other than root may lock into memory in one case, in bytes.
const LITTLE: u64 = 4096;

/// A user who may do nothing in particular.
const NOBODY: u32 = 65534;

const CASES: [(&str, fn()); 4] = [
    ("a_kernel_that_forbids_it_is_told_of", || {
        refused(Errno::PERM, "it is forbidden");
    }),
    ("a_kernel_without_it_is_told_of", || {
        refused(Errno::NOSYS, "the kernel has none");
    }),
    ("little_memory_to_lock_is_no_failure", little_memory),
    ("auto_says_which_it_took", takes_what_works),
];

pub fn main() -> ExitCode {
    if let Ok(case) = env::var(CHILD) {
        let run = CASES.iter().find(|(name, _)| *name == case);
        run.expect("a case of the list").1();
        return ExitCode::SUCCESS;
    }
    let works = || {
        let built = Reactor::builder().driver(Driver::IoUring).build(());
        built.map(drop).map_err(|error| error.to_string())
    };
    let mut suite = Suite::new()
        .when(Ok(()), "readiness_is_the_default", || {
            let reactor = Reactor::new(()).expect("it works everywhere");
            assert_eq!(reactor.driver(), Driver::Readiness);
        })
        .when(works(), "io_uring_runs_where_it_is_asked_for", || {
            serves(Driver::IoUring, Driver::IoUring);
        })
        .when(
            Ok(()),
            "names_of_drivers_are_read_as_they_are_written",
            || {
                for driver in [Driver::Auto, Driver::Readiness, Driver::IoUring] {
                    assert_eq!(
                        driver.to_string().parse::<Driver>().expect("a name"),
                        driver
                    );
                }
                let error = "uring".parse::<Driver>().expect_err("no name");
                assert!(error.to_string().contains("expected auto"), "{error}");
            },
        );
    for (case, _) in CASES {
        suite = suite.when(Ok(()), case, move || in_child(case));
    }
    suite.run()
}

fn in_child(case: &str) {
    let this = env::current_exe().expect("it runs");
    let mut command = Command::new(this);
    command.env(CHILD, case);
    if case.starts_with("little_memory") && getuid().is_root() {
        command.uid(NOBODY); // root may lock what it likes
    }
    let child = command.output().expect("a program can run itself");
    let output = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{output}");
}

/// Has the kernel answer all calls of io_uring with `error`.
fn refuse(error: Errno) {
    let calls = [
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
    ];
    let rules: BTreeMap<i64, Vec<_>> = calls.map(|call| (call, Vec::new())).into();
    let answer = SeccompAction::Errno(error.raw_os_error() as u32);
    let machine = env::consts::ARCH
        .try_into()
        .expect("a machine with filters");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, machine);
    let program: BpfProgram = filter
        .expect("it is well formed")
        .try_into()
        .expect("it is small");
    apply_filter(&program).expect("the kernel has filters");
}

fn refused(error: Errno, why: &str) {
    let told = Told::listen();
    refuse(error);
    let asked = Reactor::builder().driver(Driver::IoUring).build(());
    let text = asked.expect_err("it is refused").to_string();
    assert!(
        text.contains(why) && text.contains("another driver"),
        "{text}"
    );
    serves(Driver::Auto, Driver::Readiness);
    told.expect("the driver is readiness");
    told.expect(why);
}

/// Some kernels count the rings as locked memory, some do not.
fn little_memory() {
    let told = Told::listen();
    let limit = Rlimit {
        current: Some(LITTLE),
        maximum: Some(LITTLE),
    };
    setrlimit(Resource::Memlock, limit).expect("a limit can be lowered");
    let asked = Reactor::builder().driver(Driver::IoUring).build(());
    let expected = match asked {
        Ok(_) => Driver::IoUring,
        Err(error) => {
            assert!(error.to_string().contains("no io_uring here"), "{error}");
            Driver::Readiness
        }
    };
    serves(Driver::Auto, expected);
    told.expect(&format!("the driver is {expected}"));
}

fn takes_what_works() {
    let told = Told::listen();
    let reactor = Reactor::builder().driver(Driver::Auto).build(());
    let taken = reactor.expect("one of them works").driver();
    assert!(matches!(taken, Driver::IoUring | Driver::Readiness));
    told.expect(&format!("the driver is {taken}"));
}

/// Builds a reactor that has to run on `expected`, and has it answer a peer.
fn serves(asked: Driver, expected: Driver) {
    let builder = Reactor::builder().driver(asked);
    let mut reactor = builder.build(()).expect("there is one that works");
    assert_eq!(reactor.driver(), expected);
    let listener = Listener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local().expect("it is bound").to_string();
    reactor.listen_on(listener, Echo).expect("there is room");
    let mut peer = TcpStream::connect(address).expect("it listens");
    peer.set_nonblocking(true).expect("a socket can");
    peer.write_all(b"question").expect("the network takes it");
    let start = Instant::now();
    let mut answer = [0; 16];
    let answered = loop {
        let patience = Some(Duration::from_millis(2));
        reactor.turn(patience).expect("a turn goes well");
        if let Ok(n) = peer.read(&mut answer) {
            break n;
        }
        assert!(start.elapsed() < BOUND, "no answer");
    };
    assert_eq!(&answer[..answered], b"question");
}

struct Echo;

impl Handler<()> for Echo {
    fn handle_accepted(
        &mut self,
        _: &mut (),
        cx: &mut Context<'_, ()>,
        stream: switchboard::Stream,
    ) -> Result {
        cx.register(stream, Echo).map(drop)
    }

    fn handle_read(&mut self, _: &mut (), cx: &mut Context<'_, ()>) -> Result {
        let data = cx.recv(usize::MAX);
        cx.send(data)
    }
}

/// What was told at the level `info`.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<String>>);

impl Told {
    fn listen() -> Told {
        let told = Told::default();
        tracing::subscriber::set_global_default(told.clone()).expect("there is none yet");
        told
    }

    #[track_caller]
    fn expect(&self, text: &str) {
        let told = self.0.lock().expect("nobody panics with it");
        assert!(told.contains(text), "{told}");
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Text(
            &mut self.0.lock().expect("nobody panics with it"),
        ));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text<'t>(&'t mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        *self.0 += &format!("{field}={value:?} ");
    }
}

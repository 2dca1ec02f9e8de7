//! A service under a manager: the test is what systemd is, a datagram socket that hears of the
//! service and the opener of its sockets. Those are for a process of its own, this program once more.

#[path = "../crowd/drivers.rs"]
mod drivers;

use std::env;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use switchboard::service::{Inherited, ServiceManager};
use switchboard::sim::Simulation;
use switchboard::{
    Context, Driver, Handler, LoopContext, Reactor, ReactorGroup, Remote, Result, Stream,
    UnixAddress,
};
use switchboard_partners::{PATIENCE, Suite};

/// Set in a process that is to show what it has inherited.
const ROLE: &str = "SWITCHBOARD_SERVICE_ROLE";

/// How long a service may be silent here, and for how long a test listens to its silence.
const WATCHDOG: Duration = Duration::from_millis(20);
const SILENCE: Duration = Duration::from_millis(200);

pub(super) fn main() -> ExitCode {
    if env::var_os(ROLE).is_some() {
        return match show_inherited() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                println!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    Suite::new()
        .needs([], "a_loop_reports_until_a_handler_holds_it", |[]| {
            on_each_driver(a_loop_reports_until_a_handler_holds_it)
        })
        .needs([], "a_group_is_silent_when_one_of_it_is_stuck", |[]| {
            on_each_driver(a_group_is_silent_when_one_of_it_is_stuck)
        })
        .needs([], "nothing_runs_on_for_its_reports", |[]| {
            on_each_driver(nothing_runs_on_for_its_reports)
        })
        .needs([], "what_only_the_program_knows_is_told", |[]| {
            what_only_the_program_knows_is_told()
        })
        .needs([], "a_manager_that_is_gone_ends_nothing", |[]| {
            a_manager_that_is_gone_ends_nothing()
        })
        .needs([], "a_simulation_has_no_manager", |[]| {
            a_simulation_has_no_manager()
        })
        .needs([], "sockets_are_inherited_by_name", |[]| {
            sockets_are_inherited_by_name()
        })
        .needs([], "what_cannot_be_inherited_is_named", |[]| {
            what_cannot_be_inherited_is_named()
        })
        .needs([], "what_was_opened_for_others_is_left_alone", |[]| {
            what_was_opened_for_others_is_left_alone()
        })
        .run()
}

fn on_each_driver(test: fn(Driver)) {
    drivers::working().into_iter().for_each(test);
}

/// systemd's socket, under an abstract name as in a container.
struct Systemd {
    socket: UnixDatagram,
    address: UnixAddress,
}

impl Systemd {
    fn new(test: &str) -> Systemd {
        let name = format!("switchboard-{}-{test}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("it is short");
        let socket = UnixDatagram::bind_addr(&address).expect("the name is free");
        Systemd {
            socket,
            address: UnixAddress::Abstract(name.into_bytes()),
        }
    }

    fn manager(&self) -> ServiceManager {
        ServiceManager::at(&self.address, Some(WATCHDOG)).expect("an address")
    }

    /// The next message, or none within that time.
    fn hear(&self, patience: Duration) -> Option<String> {
        let mut message = [0; 4096];
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let received = loop {
            match self.socket.recv(&mut message) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received,
            }
        };
        match received {
            Ok(length) => Some(String::from_utf8(message[..length].to_vec()).expect("text")),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn expect(&self, message: &str) {
        assert_eq!(self.hear(PATIENCE).as_deref(), Some(message));
    }

    /// What was sent already is not of interest.
    fn forget(&self) {
        self.socket.set_nonblocking(true).unwrap();
        while self.socket.recv(&mut [0; 64]).is_ok() {}
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Hears `STOPPING=1` once, among the signs of life.
    fn expect_stop(&self) {
        while let Some(message) = self.hear(PATIENCE) {
            match message.as_str() {
                "WATCHDOG=1" => {}
                "STOPPING=1" => return,
                other => panic!("{other}"),
            }
        }
        panic!("it does not say that it stops");
    }
}

/// Holds the loop until the sender is dropped.
fn hold<S>(remote: &Remote<S>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (told, is_held) = mpsc::channel();
    let post = remote.post(move |_: &mut S, _: &mut LoopContext<'_, S>| {
        told.send(()).expect("the test waits for it");
        let _ = released.recv();
    });
    assert!(post.is_ok());
    is_held.recv_timeout(PATIENCE).expect("the loop runs");
    release
}

fn a_loop_reports_until_a_handler_holds_it(driver: Driver) {
    let systemd = Systemd::new(&format!("loop-{driver}"));
    let manager = systemd.manager();
    let (give, take) = mpsc::channel();
    thread::scope(|scope| {
        let running = scope.spawn(move || -> Result {
            let mut reactor = Reactor::builder().driver(driver).build(())?;
            reactor.report_to(manager)?;
            let handles = (reactor.remote(), reactor.shutdown_handle());
            give.send(handles).expect("the test waits for it");
            reactor.run()
        });
        let (remote, shutdown) = take.recv_timeout(PATIENCE).expect("it starts");
        systemd.expect("READY=1");
        for _ in 0..3 {
            systemd.expect("WATCHDOG=1");
        }
        let held = hold(&remote);
        systemd.forget();
        assert_eq!(systemd.hear(SILENCE), None);
        drop(held);
        systemd.expect("WATCHDOG=1");
        shutdown.shutdown();
        systemd.expect_stop();
        running.join().expect("no panic").expect("no error");
    });
}

fn a_group_is_silent_when_one_of_it_is_stuck(driver: Driver) {
    let systemd = Systemd::new(&format!("group-{driver}"));
    let manager = systemd.manager();
    let group = ReactorGroup::new(2).builder(Reactor::builder().driver(driver));
    let shutdown = group.shutdown_handle();
    let (give, take) = mpsc::channel();
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            group.run(
                |_| (),
                |reactor, member| {
                    reactor.report_to(manager.clone())?;
                    if member.index() == 1 {
                        give.send(reactor.remote()).expect("the test waits for it");
                    }
                    Ok(())
                },
            )
        });
        let remote = take.recv_timeout(PATIENCE).expect("it starts");
        systemd.expect("READY=1");
        for _ in 0..3 {
            systemd.expect("WATCHDOG=1");
        }
        let held = hold(&remote);
        systemd.forget();
        // It may have been heard before it was held: then the other one completes a last round.
        if let Some(last) = systemd.hear(SILENCE) {
            assert_eq!(last, "WATCHDOG=1");
            assert_eq!(systemd.hear(SILENCE), None);
        }
        drop(held);
        systemd.expect("WATCHDOG=1");
        shutdown.shutdown();
        systemd.expect_stop();
        drop(remote);
        running.join().expect("no panic").expect("no error");
        while let Some(message) = systemd.hear(Duration::from_millis(1)) {
            assert_eq!(message, "WATCHDOG=1", "it stops once");
        }
    });
}

fn nothing_runs_on_for_its_reports(driver: Driver) {
    let systemd = Systemd::new(&format!("alone-{driver}"));
    let mut reactor = Reactor::builder().driver(driver).build(0).expect("it runs");
    reactor.report_to(systemd.manager()).expect("a timer");
    reactor
        .with(|_, cx| cx.after(WATCHDOG, |fired, _| *fired += 1))
        .expect("a timer");
    reactor.run().expect("it ends");
    assert_eq!(*reactor.state(), 1);
    systemd.expect("READY=1");
}

fn what_only_the_program_knows_is_told() {
    let systemd = Systemd::new("told");
    let manager = systemd.manager();
    manager.status("two\nlines").unwrap();
    systemd.expect("STATUS=two");
    manager.status(&"ä".repeat(2000)).unwrap();
    systemd.expect(&format!("STATUS={}", "ä".repeat(1024)));
    manager.main_process(7).unwrap();
    systemd.expect("MAINPID=7");
    manager.reloading().unwrap();
    let message = systemd.hear(PATIENCE).expect("it is told");
    let micros = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(micros.expect("with a time").parse::<u64>().unwrap() > 0);
    manager.ready().unwrap();
    systemd.expect("READY=1");
}

fn a_manager_that_is_gone_ends_nothing() {
    let systemd = Systemd::new("gone");
    let manager = systemd.manager();
    drop(systemd);
    let error = manager.ready().unwrap_err().to_string();
    assert!(error.starts_with("cannot tell the service manager \"READY=1\": "));
    let mut reactor = Reactor::new(()).unwrap();
    reactor.report_to(manager).unwrap();
    reactor.turn(None).unwrap();
    reactor.run().unwrap();
}

fn a_simulation_has_no_manager() {
    let systemd = Systemd::new("simulated");
    let mut simulation = Simulation::new(1);
    let mut reactor = simulation
        .reactor("machine", Reactor::builder(), ())
        .unwrap();
    let error = reactor.report_to(systemd.manager()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a simulated reactor has no service manager"
    );
}

/// This program once more, with two open files as the third and fourth descriptor.
fn inheriting(script: &str, first: OwnedFd, second: OwnedFd) -> Output {
    let script = format!("{script} exec \"$0\" 3<&0 4<&2 </dev/null 2>&1");
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .arg(env::current_exe().expect("the system tells"))
        .env(ROLE, "shows")
        .stdin(Stdio::from(first))
        .stdout(Stdio::piped())
        .stderr(Stdio::from(second));
    let child = command.spawn().expect("there is a shell");
    child.wait_with_output().expect("it ends")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Says what it has, and greets one client of each listener.
fn show_inherited() -> Result {
    let mut inherited = Inherited::from_service_manager()?;
    let names: Vec<_> = inherited.names().collect();
    println!("names {names:?}");
    if inherited.is_empty() {
        return Ok(());
    }
    for name in ["LISTEN_FDS", "LISTEN_PID"] {
        assert_eq!(env::var_os(name), None);
    }
    assert!(Inherited::from_service_manager()?.is_empty());
    let child = Command::new("sh")
        .args(["-c", "[ -e /dev/fd/3 ] || [ -e /dev/fd/4 ]"])
        .status()?;
    println!("inherited by children: {}", child.success());
    for socket in inherited.take_udp("dns") {
        println!("udp {}", socket.local()?);
    }
    let mut reactor = Reactor::new(())?;
    for name in ["web", "local", "unknown"] {
        for listener in inherited.take_listeners(name) {
            println!("{name} {}", listener.local()?);
            reactor.listen_on(listener, Greeter)?;
        }
    }
    assert!(inherited.is_empty());
    reactor.run()
}

struct Greeter;

impl Handler<()> for Greeter {
    fn handle_accepted(&mut self, (): &mut (), cx: &mut Context<'_, ()>, stream: Stream) -> Result {
        let client = cx.register(stream, Greeter)?;
        cx.send_to(client, "hello")?;
        cx.close_source(client);
        cx.close();
        Ok(())
    }
}

/// What a client of a listener is told, which connects before anybody accepts.
fn greeted(mut client: impl Read) -> String {
    let mut greeting = String::new();
    client.read_to_string(&mut greeting).expect("it is served");
    greeting
}

fn sockets_are_inherited_by_name() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap();
    let name = format!("switchboard-{}-activated", std::process::id());
    let unix = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&unix).unwrap();
    let clients = [
        thread::spawn(move || greeted(TcpStream::connect(address).unwrap())),
        thread::spawn(move || {
            greeted(std::os::unix::net::UnixStream::connect_addr(&unix).unwrap())
        }),
    ];
    let script = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:local";
    let output = inheriting(script, tcp.into(), listener.into());
    let expected = format!(
        "names [\"web\", \"local\"]\ninherited by children: false\nweb {address}\nlocal unix:@{name}\n"
    );
    assert_eq!(text(&output), expected);
    assert!(output.status.success());
    for client in clients {
        assert_eq!(client.join().unwrap(), "hello");
    }

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=dns";
    let output = inheriting(script, udp.into(), other.into());
    assert!(
        text(&output).ends_with(&format!("udp {address}\n")),
        "{}",
        text(&output)
    );
}

fn what_cannot_be_inherited_is_named() {
    let listener = || -> OwnedFd { TcpListener::bind("127.0.0.1:0").unwrap().into() };
    let null = || -> OwnedFd { std::fs::File::open("/dev/null").unwrap().into() };
    let datagram = || -> OwnedFd { UnixDatagram::unbound().unwrap().into() };
    let connected = || -> OwnedFd {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap())
            .unwrap()
            .into()
    };
    let other = "is not open, or of another kind than TCP, UDP and Unix stream sockets";
    let cases: [(OwnedFd, &str); 3] = [
        (null(), other),
        (datagram(), other),
        (
            connected(),
            "does not listen: it has to be one with Accept=no",
        ),
    ];
    for (second, problem) in cases {
        let script = "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:odd";
        let output = inheriting(script, listener(), second);
        assert_eq!(
            text(&output),
            format!("the inherited socket \"odd\" {problem}\n")
        );
        assert!(!output.status.success());
    }
    let output = inheriting("LISTEN_PID=$$ LISTEN_FDS=lots", listener(), null());
    assert_eq!(
        text(&output),
        "LISTEN_FDS is \"lots\", expected a number up to 1024\n"
    );
}

fn what_was_opened_for_others_is_left_alone() {
    let listener = || -> OwnedFd { TcpListener::bind("127.0.0.1:0").unwrap().into() };
    let output = inheriting("LISTEN_PID=1 LISTEN_FDS=2", listener(), listener());
    assert_eq!(text(&output), "names []\n");
}

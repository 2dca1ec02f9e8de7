//! What the reactor asks of the kernel, counted by `strace`: nothing while nothing happens, and
//! one wait, one read and one send for a message (with io_uring, one for all three).

#[path = "../crowd/drivers.rs"]
mod drivers;
#[path = "../tutorial/examples.rs"]
mod examples;

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, ExitCode};

use switchboard::Driver;
use switchboard_partners::{Installed, PATIENCE, Partner, Process, Screen, Suite};

use examples::example;

pub fn main() -> ExitCode {
    Suite::new()
        .needs(
            [Partner::STRACE, Partner::TMUX],
            "an_idle_client_makes_no_system_call",
            |[strace, tmux]| idle(&strace, &tmux),
        )
        .needs(
            [Partner::STRACE],
            "a_message_costs_a_wait_a_read_and_a_send",
            |[strace]| one_by_one(&strace),
        )
        .needs(
            [Partner::STRACE],
            "messages_at_once_share_a_wait",
            |[strace]| at_once(&strace),
        )
        .needs(
            [Partner::STRACE],
            "io_uring_has_one_call_for_a_message_and_few_for_many",
            |[strace]| {
                if drivers::working().contains(&Driver::IoUring) {
                    in_the_ring(&strace);
                }
            },
        )
        .needs(
            [Partner::STRACE],
            "a_datagram_costs_a_wait_a_receive_and_a_send",
            |[strace]| {
                let working = drivers::working().into_iter();
                working.for_each(|driver| datagrams(&strace, driver));
            },
        )
        .run()
}

/// The system calls in a summary of `strace -c`: its lines begin with the share of the time, the
/// fourth column counts the calls, and the last one names them.
fn counts(summary: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in summary.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [share, _, _, calls, .., name] = fields[..]
            && share.parse::<f64>().is_ok()
            && name != "total"
        {
            counts.insert(name.to_owned(), calls.parse().expect("a number of calls"));
        }
    }
    counts
}

fn idle(strace: &Installed, tmux: &Installed) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let client = example("tutorial_client");
    let client = client.get_program().to_string_lossy();
    let mut screen = Screen::start(tmux, &format!("exec '{client}' {address}"));
    screen.wait_for(">\n");
    let (mut server, _) = listener.accept().expect("the client has connected");
    screen.keys("hello Enter");
    screen.wait_for("> hello\n>\n");
    let process = screen.process().to_string();

    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    assert_eq!(threads.count(), 1);
    let input = fs::read_to_string(format!("/proc/{process}/fdinfo/0")).expect("it runs");
    let flags = input.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = u32::from_str_radix(flags.expect("it has flags").trim(), 8).expect("octal digits");
    assert_eq!(flags & 0o4000, 0, "the terminal is switched to O_NONBLOCK");

    let mut command = Command::new("timeout");
    command.arg("5").arg(strace.command().get_program());
    command.args(["-f", "-c", "-p", &process]);
    let mut tracer = Process::start(command);
    tracer.wait_for_error("attached");
    assert_eq!(tracer.finish().code(), Some(124), "{}", tracer.errors());
    assert_eq!(counts(&tracer.errors()), BTreeMap::new());

    server.write_all(b"Message received").expect("it reads");
    screen.wait_for("> hello\nMessage received\n>\n");
}

/// The echo server, and clients that it has answered once.
struct Echo {
    process: Process,
    clients: Vec<TcpStream>,
}

const MESSAGE: [u8; 64] = [b'x'; 64];

impl Echo {
    #[track_caller]
    fn start(driver: Driver, clients: usize) -> Echo {
        let mut command = example("echo");
        command.args(["--driver", &driver.to_string(), "127.0.0.1:0"]);
        let mut process = Process::start(command);
        process.wait_for("listening on ");
        let address = process.wait_for("\n");
        let client = |_| {
            let mut client = TcpStream::connect(address.trim()).expect("it listens");
            client.set_nodelay(true).expect("it is open");
            client
                .set_read_timeout(Some(PATIENCE))
                .expect("a valid time");
            ask(&mut client);
            hear(&mut client);
            client
        };
        let clients = (0..clients).map(client).collect();
        Echo { process, clients }
    }

    /// Counts the server's system calls while `work` goes on.
    #[track_caller]
    fn trace(
        &mut self,
        strace: &Installed,
        work: impl FnOnce(&mut [TcpStream]),
    ) -> BTreeMap<String, u64> {
        let mut command = strace.command();
        command.args(["-f", "-c", "-p", &self.process.id().to_string()]);
        let mut tracer = Process::start(command);
        tracer.wait_for_error("attached");
        work(&mut self.clients);
        tracer.interrupt();
        tracer.finish();
        counts(&tracer.errors())
    }
}

#[track_caller]
fn ask(client: &mut TcpStream) {
    client.write_all(&MESSAGE).expect("it reads");
}

#[track_caller]
fn hear(client: &mut TcpStream) {
    let mut answer = [0; MESSAGE.len()];
    client.read_exact(&mut answer).expect("it answers");
    assert_eq!(answer, MESSAGE);
}

fn one_by_one(strace: &Installed) {
    const MESSAGES: u64 = 1000;
    let mut echo = Echo::start(Driver::Readiness, 1);
    let counts = echo.trace(strace, |clients| {
        for _ in 0..MESSAGES {
            ask(&mut clients[0]);
            hear(&mut clients[0]);
        }
    });
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(names, ["epoll_wait", "recvfrom", "sendto"]);
    // The wait before the first message had begun, and the one after the last has not ended.
    let about = MESSAGES - 2..=MESSAGES + 2;
    assert!(
        counts.values().all(|calls| about.contains(calls)),
        "{counts:?}"
    );
}

fn at_once(strace: &Installed) {
    const ROUNDS: u64 = 50;
    const CLIENTS: u64 = 64;
    let mut echo = Echo::start(Driver::Readiness, CLIENTS as usize);
    let counts = echo.trace(strace, |clients| {
        for _ in 0..ROUNDS {
            clients.iter_mut().for_each(ask);
            clients.iter_mut().for_each(hear);
        }
    });
    let calls: u64 = counts.values().sum();
    let messages = ROUNDS * CLIENTS;
    assert!(calls >= 2 * messages, "one was missed: {counts:?}");
    assert!(calls * 10 <= messages * 21, "{counts:?}");
}

fn in_the_ring(strace: &Installed) {
    const MESSAGES: u64 = 1000;
    let mut echo = Echo::start(Driver::IoUring, 1);
    let counts = echo.trace(strace, |clients| {
        for _ in 0..MESSAGES {
            ask(&mut clients[0]);
            hear(&mut clients[0]);
        }
    });
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(names, ["io_uring_enter"]);
    // The send of a message and the wait for the next are one call.
    assert!(counts["io_uring_enter"] <= MESSAGES + 2, "{counts:?}");

    const ROUNDS: u64 = 50;
    const CLIENTS: u64 = 64;
    let mut echo = Echo::start(Driver::IoUring, CLIENTS as usize);
    let counts = echo.trace(strace, |clients| {
        for _ in 0..ROUNDS {
            clients.iter_mut().for_each(ask);
            clients.iter_mut().for_each(hear);
        }
    });
    let calls: u64 = counts.values().sum();
    println!("io_uring: {calls} calls for {} messages", ROUNDS * CLIENTS);
    assert!(calls * 4 <= ROUNDS * CLIENTS, "{counts:?}");
}

/// A query for the address of `www.example.test` (RFC 1035, section 4.1).
const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x04test\0\0\x01\0\x01";

fn datagrams(strace: &Installed, driver: Driver) {
    const QUERIES: u64 = 500;
    let mut command = example("dns_responder");
    command.args(["--driver", &driver.to_string(), "--listen", "127.0.0.1:0"]);
    command.arg("www.example.test=192.0.2.1");
    let mut process = Process::start(command);
    process.wait_for("listening on ");
    let address = process.wait_for("\n");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    client.connect(address.trim()).expect("it is an address");
    client
        .set_read_timeout(Some(PATIENCE))
        .expect("a valid time");
    let ask = || {
        client.send(QUERY).expect("it is there");
        let mut answer = [0; 512];
        let n = loop {
            match client.recv(&mut answer) {
                // Of another test's process, which ends.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                heard => break heard.expect("it answers"),
            }
        };
        assert!(n > QUERY.len(), "an answer has the question in it");
    };
    (0..20).for_each(|_| ask()); // it has all the memory then that it will need
    let mut command = strace.command();
    command.args(["-f", "-c", "-p", &process.id().to_string()]);
    let mut tracer = Process::start(command);
    tracer.wait_for_error("attached");
    (0..QUERIES).for_each(|_| ask());
    tracer.interrupt();
    tracer.finish();
    let counts = counts(&tracer.errors());
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    let wait = match driver {
        Driver::IoUring => "io_uring_enter",
        _ => "epoll_wait",
    };
    assert_eq!(names, [wait, "recvmmsg", "sendmsg"]);
    // As with messages above: the wait before the first one had begun.
    let about = QUERIES - 2..=QUERIES + 2;
    let is_about = |calls: &u64| about.contains(calls);
    assert!(counts.values().all(is_about), "{counts:?}");
}

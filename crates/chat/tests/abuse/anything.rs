//! Any bytes, in any pieces, to the whole server in a simulation: nothing panics, what comes back is
//! the same however the bytes were cut and is not without an end, and good clients are unharmed.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::LazyLock;
use std::time::Duration;

use clap::Parser;
use proptest::prelude::*;
use switchboard::sim::{Simulation, Socket};
use switchboard::{OnPanic, Reactor};
use switchboard_chat::cli::{Cli, Command, ServeArgs};
use switchboard_chat::serve::{self, Server, Storage};
use switchboard_chat::store::log::LogStore;

use crate::browser::{CLOSE, PING, TEXT, frame, opening};

const ADDRESS: &str = "10.0.0.1:8080";

/// Long enough for a byte to arrive and be answered, so that each piece comes alone.
const PIECE: Duration = Duration::from_millis(2);

/// Long enough for a goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

/// What a few hundred bytes may be answered with: a welcome, some pages, a list of names.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

static ARGS: LazyLock<ServeArgs> = LazyLock::new(|| {
    arguments(&["--pause=off", "--metrics"]) // a pause would end a message where the bytes are cut
});

/// The flags of a server in a simulation.
pub fn arguments(flags: &[&str]) -> ServeArgs {
    let listen = format!("--listen={ADDRESS}");
    let words = ["switchboard", "serve", &listen];
    match Cli::try_parse_from(words.iter().chain(flags)) {
        Ok(Cli {
            command: Command::Serve(args),
        }) => args,
        other => panic!("{other:?}"),
    }
}

/// A simulation in which such a server listens.
pub fn simulation(args: &'static ServeArgs) -> Simulation {
    let mut sim = Simulation::new(1);
    let disk = sim.disk("server");
    let state = move || {
        let store = LogStore::open(&disk, 1, args.retention()).expect("an empty disk");
        let archive = store.archive();
        Server::new(args, Storage::new(Box::new(store), Box::new(archive)))
    };
    let boot = |reactor: &mut Reactor<Server>| {
        let listeners = serve::bind(args, reactor, |_| None)?;
        serve::start(args, reactor, listeners)
    };
    let builder = serve::bounded(args, Reactor::builder().on_panic(OnPanic::Stop));
    sim.host_with("server", builder, state, boot)
        .expect("it starts");
    sim.run_for(Duration::from_secs(1)).expect("it is loaded");
    sim
}

/// A client of the simulation, and all that it was sent.
pub struct Client {
    pub socket: Socket,
    pub heard: Vec<u8>,
    pub over: bool,
}

impl Client {
    pub fn dial(sim: &mut Simulation, machine: &str) -> Client {
        let socket = sim.dial(machine, ADDRESS).expect("an address");
        sim.run_for(PIECE).expect("no handler panics");
        Client {
            socket,
            heard: Vec::new(),
            over: false,
        }
    }

    /// Says it, lets time pass, and hears what has come.
    pub fn say(&mut self, sim: &mut Simulation, bytes: &[u8]) {
        // The server may have left, which is its right.
        let _ = self.socket.write(bytes);
        self.wait(sim, PIECE);
    }

    pub fn wait(&mut self, sim: &mut Simulation, time: Duration) {
        sim.run_for(time).expect("no handler panics");
        let mut buffer = [0; 4096];
        while !self.over {
            match self.socket.read(&mut buffer) {
                Ok(0) => self.over = true,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.over = true,
            }
        }
    }
}

/// What a client that says these pieces has heard when it has finished, and whether the server has
/// then left as well.
fn outcome(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut sim = simulation(&ARGS);
    let mut good = Client::dial(&mut sim, "good");
    let hello = "CAP REQ :echo-message\r\nNICK good\r\nUSER good 0 * :good\r\nCAP END\r\n";
    good.say(&mut sim, hello.as_bytes());
    good.say(&mut sim, b"JOIN #good\r\nPRIVMSG #good :before\r\n");

    let mut client = Client::dial(&mut sim, "anybody");
    for piece in pieces {
        client.say(&mut sim, piece);
    }
    client.socket.shutdown(Shutdown::Write);
    client.wait(&mut sim, GOODBYE);

    good.say(&mut sim, b"PRIVMSG #good :after\r\n");
    good.wait(&mut sim, GOODBYE);
    let heard = String::from_utf8(good.heard).expect("text");
    for said in ["#good :before\r\n", "#good :after\r\n"] {
        assert_eq!(heard.matches(said).count(), 1, "{heard}");
    }
    (client.heard, client.over)
}

/// Bytes that get far into one of the protocols, or off it again. None of them joins a room: what
/// has to wait for the disk there is answered behind what comes later.
fn near_sessions() -> impl Strategy<Value = Vec<u8>> {
    let upgrade = format!("{}\r\n", opening(ADDRESS)).into_bytes();
    let irc = prop::sample::select(vec![
        "CAP LS 302\r\n",
        "CAP REQ :echo-message message-tags labeled-response batch\r\n",
        "CAP END\r\n",
        "NICK a\r\n",
        "NICK good\r\n",
        "NICK :\r\n",
        "USER a 0 * :a\r\n",
        "PASS x\n",
        "PING :x\r\n",
        "@label=1 PING x\r\n",
        "NAMES #good\r\n",
        "WHOIS good\r\n",
        "LUSERS\r\n",
        "AUTHENTICATE PLAIN\r\n",
        "AUTHENTICATE *\r\n",
        "NONSENSE x\r\n",
        "QUIT\r\n",
        "\r\n",
        ":",
        "@",
    ]);
    let http = prop::sample::select(vec![
        "GET / HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\n",
        "POST /ws HTTP/1.1\r\n",
        "GET /../x HTTP/1.1\r\n",
        "PRI * HTTP/2.0\r\n",
        "Host: a\r\n",
        "Content-Length: 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "\r\n",
        "\n",
        "GET well soon\n",
    ]);
    let frames = prop::sample::select(vec![
        frame(TEXT, b"NICK a"),
        frame(TEXT, b"USER a 0 * :a"),
        frame(TEXT, b"PING :x"),
        frame(TEXT, b"\xff"),
        frame(0x01, b"PI"),
        frame(0x80, b"NG x"),
        frame(PING, b"x"),
        frame(CLOSE, b"\x03\xe8"),
        vec![TEXT, 0xff],
        vec![TEXT, 2, b'h', b'i'],
    ]);
    let hello = vec![22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let piece = prop_oneof![
        4 => irc.clone().prop_map(|text| text.as_bytes().to_vec()),
        2 => http.prop_map(|text| text.as_bytes().to_vec()),
        4 => frames,
        2 => Just(upgrade.clone()),
        1 => Just(hello),
        1 => prop::collection::vec(any::<u8>(), 1..12),
        1 => "[a-z ]{0,12}\n".prop_map(String::into_bytes),
    ];
    let beginning = prop_oneof![
        2 => Just(Vec::new()),
        2 => Just(upgrade),
        2 => Just(b"NICK a\r\nUSER a 0 * :a\r\n".to_vec()),
    ];
    let pieces = prop::collection::vec(piece, 0..10);
    (beginning, pieces).prop_map(|(beginning, pieces)| [beginning, pieces.concat()].concat())
}

/// The simulated server is the real one: each protocol is found and spoken.
#[test]
fn every_protocol_is_reached() {
    let upgrade = format!("{}\r\n", opening(ADDRESS)).into_bytes();
    let frames = [frame(TEXT, b"NICK a"), frame(TEXT, b"USER a 0 * :a")].concat();
    let cases: [(&[&[u8]], &str); 4] = [
        (&[b"NICK a\r\n", b"USER a 0 * :a\r\n"], " 001 a "),
        (&[&upgrade, &frames], " 001 a "),
        (
            &[b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"],
            "\r\n\r\nok\n",
        ),
        (&[b"a line\n"], "Message received\n"),
    ];
    for (pieces, expected) in cases {
        let (heard, over) = outcome(pieces);
        let heard = String::from_utf8_lossy(&heard).into_owned();
        assert!(over && heard.contains(expected), "{heard}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_said_in_whatever_pieces(
        bytes in near_sessions(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = outcome(&[&bytes]);
        prop_assert!(whole.0.len() < ANSWER_BYTES_MAX, "{} bytes", whole.0.len());
        prop_assert!(whole.1, "who has finished is let go");
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(&bytes[start..cut]);
            start = cut;
        }
        let cut = outcome(&pieces);
        prop_assert_eq!(
            cut.0.escape_ascii().to_string(),
            whole.0.escape_ascii().to_string()
        );
        prop_assert_eq!(cut.1, whole.1);
    }
}

//! A server that speaks TLS is replayed from what it read and wrote in the clear, with other keys
//! than it had, or none that fit.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use switchboard::tls::rustls::pki_types::CertificateDer;
use switchboard::tls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring,
};
use switchboard::tls::{Identity, Server, ServerOptions};
use switchboard::{Builder, Close, Context, Driver, Handler, Reactor, ReplayEnd, Result, Stream};

use crate::tape::Tape;

type Notes = Arc<Mutex<Vec<String>>>;

struct Door(Server);

impl Handler<Notes> for Door {
    fn handle_accepted(
        &mut self,
        _: &mut Notes,
        cx: &mut Context<'_, Notes>,
        stream: Stream,
    ) -> Result {
        let server = self.0.clone();
        cx.register(stream, Guest(server)).map(drop)
    }
}

/// Upgrades at `tls`, shouts what it hears, and stops the reactor at the end of its peer.
struct Guest(Server);

impl Handler<Notes> for Guest {
    fn handle_secured(&mut self, notes: &mut Notes, cx: &mut Context<'_, Notes>) -> Result {
        notes.lock().unwrap().push(format!("{:?}", cx.tls()));
        Ok(())
    }

    fn handle_read(&mut self, notes: &mut Notes, cx: &mut Context<'_, Notes>) -> Result {
        let data = cx.recv(usize::MAX);
        notes.lock().unwrap().push(data.escape_ascii().to_string());
        if cx.tls().is_none() {
            cx.send("go ahead")?;
            return cx.start_tls(&self.0);
        }
        cx.send(data.to_ascii_uppercase())
    }

    fn handle_close(&mut self, notes: &mut Notes, cx: &mut Context<'_, Notes>, why: &Close) {
        notes.lock().unwrap().push(why.to_string());
        cx.stop();
    }
}

/// The server of a certificate of its own, and what its clients have to trust.
fn server() -> (Server, CertificateDer<'static>) {
    let names = vec!["localhost".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let identity = Identity::from_pem(cert.pem(), signing_key.serialize_pem()).unwrap();
    let server = ServerOptions::new(identity).with_alpn(["shout"]);
    (server.build().unwrap(), cert.der().clone())
}

fn run(builder: Builder, server: Server, listens: impl FnOnce(SocketAddr)) -> Vec<String> {
    let notes = Notes::default();
    let mut reactor = builder.build(Arc::clone(&notes)).unwrap();
    let listener = reactor.bind("127.0.0.1:0").unwrap();
    listens(listener.local().unwrap().ip().unwrap());
    reactor.listen_on(listener, Door(server)).unwrap();
    reactor.run().unwrap();
    drop(reactor);
    let notes = notes.lock().unwrap();
    notes.clone()
}

fn talk(address: SocketAddr, trusted: CertificateDer<'static>) {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"shout".to_vec()];
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream.write_all(b"tls").unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"go ahead");
    let name = "localhost".try_into().unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, stream);
    let large = vec![b'x'; 100_000];
    for words in [&b"a secret"[..], &large] {
        stream.write_all(words).unwrap();
        let mut answer = vec![0; words.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, words.to_ascii_uppercase());
    }
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
}

fn a_server_that_speaks_tls_is_replayed(driver: Driver) {
    let tape = Tape::on(driver, "secrets");
    let (first, trusted) = server();
    let (listens, address) = mpsc::channel();
    let builder = Reactor::builder().driver(driver).record(tape.recording());
    let program =
        thread::spawn(move || run(builder, first, |address| listens.send(address).unwrap()));
    talk(address.recv().unwrap(), trusted);
    let recorded = program.join().unwrap();
    assert!(recorded.iter().any(|note| note.contains("Tls13")));
    assert!(recorded.contains(&"a secret".to_owned()));

    let recording = std::fs::read(&tape.path).unwrap();
    for words in ["a secret", "A SECRET"] {
        let words = words.as_bytes();
        assert!(recording.windows(words.len()).any(|part| part == words));
    }

    let replay = tape.open().unwrap();
    let (another, _) = server();
    let replayed = run(Reactor::builder().replay(&replay), another, |_| ());
    assert_eq!(replayed, recorded);
    assert_eq!(replay.outcome().unwrap(), ReplayEnd::Complete);
}

#[test]
fn secrets_are_replayed_from_what_was_not_encrypted() {
    for driver in crate::drivers::working() {
        a_server_that_speaks_tls_is_replayed(driver);
    }
}

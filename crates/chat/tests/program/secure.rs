//! `switchboard serve --tls`: which certificate a client is shown, and who is told to come by TLS.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
};
use rustix::process::{Pid, Signal, kill_process};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use switchboard_partners::PATIENCE;

use crate::speaker::Speaker;
use crate::world::Server;

/// Takes any certificate: which one it is, the test looks at.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// A client over TLS that asks for a host.
struct Secure(StreamOwned<ClientConnection, TcpStream>);

impl Secure {
    #[track_caller]
    fn connect(address: &str, host: &str) -> Secure {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_no_client_auth();
        let host = ServerName::try_from(host.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(config), host).unwrap();
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = StreamOwned::new(client, stream);
        stream.flush().expect("the handshake succeeds");
        while stream.conn.is_handshaking() {
            let StreamOwned { conn, sock } = &mut stream;
            conn.complete_io(sock).expect("the handshake succeeds");
        }
        Secure(stream)
    }

    fn shown(&self) -> Vec<u8> {
        let shown = self.0.conn.peer_certificates().expect("servers show one");
        shown[0].to_vec()
    }

    #[track_caller]
    fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("the server reads");
    }

    #[track_caller]
    fn hear_line_with(&mut self, text: &str) -> String {
        let mut heard = String::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte).expect("the server answers");
            heard.push(char::from(byte[0]));
            if byte == *b"\n" && heard.contains(text) {
                return heard;
            }
        }
    }
}

/// A directory for certificates, which goes with its test, and who signs them.
struct Office {
    directory: PathBuf,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Office {
    fn new(name: &str) -> Office {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name_of = &mut parameters.distinguished_name;
        name_of.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let name = format!("certificates-{name}-{}", std::process::id());
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).unwrap();
        Office {
            directory,
            authority: CertifiedIssuer::self_signed(parameters, key).unwrap(),
        }
    }

    /// Writes a certificate for `hosts` into files of this name; in DER.
    fn certify(&self, file: &str, hosts: &[&str]) -> Vec<u8> {
        let hosts: Vec<String> = hosts.iter().map(|host| host.to_string()).collect();
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(hosts).unwrap();
        let certificate = parameters.signed_by(&key, &self.authority).unwrap();
        self.write(file, &certificate, &key)
    }

    fn write(&self, file: &str, certificate: &Certificate, key: &KeyPair) -> Vec<u8> {
        fs::write(self.path(file, "pem"), certificate.pem()).unwrap();
        fs::write(self.path(file, "key"), key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    }

    fn path(&self, file: &str, end: &str) -> String {
        let path = self.directory.join(format!("{file}.{end}"));
        path.to_str().unwrap().to_owned()
    }

    fn serve(&self, files: &[&str], flags: &[&str]) -> Server {
        let mut words: Vec<String> = Vec::new();
        for file in files {
            words.extend(["--tls".to_owned(), self.path(file, "pem")]);
            words.extend(["--tls-key".to_owned(), self.path(file, "key")]);
        }
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        words.extend(flags);
        Server::start(&words)
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn read_again(server: &Server) {
    let process = Pid::from_raw(server.process.id() as i32).unwrap();
    kill_process(process, Signal::HUP).unwrap();
}

fn shown(server: &Server, host: &str) -> Vec<u8> {
    Secure::connect(&server.address, host).shown()
}

#[test]
fn a_client_is_shown_the_certificate_of_the_host_that_it_asks_for() {
    let office = Office::new("sni");
    let first = office.certify("first", &["chat.example.org"]);
    let second = office.certify("second", &["irc.example.net", "*.example.com"]);
    let server = office.serve(&["first", "second"], &[]);
    for (host, expected) in [
        ("chat.example.org", &first),
        ("irc.example.net", &second),
        ("web.example.com", &second),
        ("nobody.test", &first),
    ] {
        assert!(shown(&server, host) == *expected, "{host}");
    }
    // Each of them speaks what is spoken in the clear.
    let mut client = Secure::connect(&server.address, "irc.example.net");
    client.say("NICK ann\r\nUSER ann 0 * :Ann\r\n");
    client.hear_line_with(" 001 ann ");
}

#[test]
fn certificates_are_read_again_without_anybody_noticing() {
    let office = Office::new("again");
    let before = office.certify("it", &["chat.example.org"]);
    let mut server = office.serve(&["it"], &[]);
    let mut client = Secure::connect(&server.address, "chat.example.org");
    client.say("NICK ann\r\nUSER ann 0 * :Ann\r\n");
    client.hear_line_with(" 001 ann ");
    let after = office.certify("it", &["chat.example.org"]);
    assert!(shown(&server, "chat.example.org") == before);
    read_again(&server);
    server
        .process
        .wait_for_error("certificates were read again");
    assert!(shown(&server, "chat.example.org") == after);
    // Half a file, as from a tool that is still writing it.
    fs::write(office.path("it", "pem"), "-----BEGIN CERT").unwrap();
    read_again(&server);
    server
        .process
        .wait_for_error("the certificates stay as they were: ");
    server.process.wait_for_error("it.pem");
    assert!(shown(&server, "chat.example.org") == after);
    client.say("PING here\r\n");
    client.hear_line_with("PONG");
}

#[test]
fn a_recording_with_tls_is_replayed() {
    let office = Office::new("tape");
    office.certify("it", &["chat.example.org"]);
    let tape = office.path("it", "rec");
    let mut server = office.serve(&["it"], &["--record", &tape]);
    told_in_the_clear(&server).expect("it is told to come by TLS");
    told_by_tls(&server).expect("it is told to go on");
    read_again(&server);
    server
        .process
        .wait_for_error("certificates were read again");
    server.process.interrupt();
    assert!(server.process.finish().success());
    let output = crate::world::switchboard(&["replay", &tape])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn a_server_without_tls_outlives_a_hangup() {
    let mut server = Server::start(&[]);
    let mut speaker = Speaker::connect(&server.address);
    for _ in 0..2 {
        speaker.say("hello\n");
        speaker.hear("Message received\n");
        read_again(&server);
        server
            .process
            .wait_for_error("no certificates to be read again");
    }
}

const LIST: &str = "CAP LS 302\r\nNICK ann\r\nUSER ann 0 * :Ann\r\n";

/// The words about STS in the list of capabilities.
fn sts(list: &str) -> Option<&str> {
    let words = list.split_ascii_whitespace();
    words
        .map(|word| word.trim_start_matches(':'))
        .find(|word| word.starts_with("sts"))
}

fn told_in_the_clear(server: &Server) -> Option<String> {
    let mut speaker = Speaker::connect(&server.address);
    speaker.say(LIST);
    speaker.say("CAP LIST\r\n");
    sts(&speaker.hear_line_with(" LIST :")).map(str::to_owned)
}

fn told_by_tls(server: &Server) -> Option<String> {
    let mut client = Secure::connect(&server.address, "chat.example.org");
    client.say(LIST);
    client.say("CAP LIST\r\n");
    sts(&client.hear_line_with(" LIST :")).map(str::to_owned)
}

#[test]
fn who_could_come_by_tls_is_told_so() {
    let office = Office::new("sts");
    office.certify("it", &["chat.example.org"]);
    let server = office.serve(&["it"], &[]);
    let port = server.address.rsplit(':').next().unwrap();
    let here = format!("sts=port={port}");
    assert_eq!(told_in_the_clear(&server), Some(here));
    assert_eq!(told_by_tls(&server).as_deref(), Some("sts=duration=86400"));
    let flags = ["--sts-port", "6697", "--sts-duration", "30d"];
    let server = office.serve(&["it"], &flags);
    let told = told_in_the_clear(&server);
    assert_eq!(told.as_deref(), Some("sts=port=6697"));
    let told = told_by_tls(&server);
    assert_eq!(told.as_deref(), Some("sts=duration=2592000"));
    let server = office.serve(&["it"], &["--sts-duration", "off"]);
    assert_eq!(
        (told_in_the_clear(&server), told_by_tls(&server)),
        (None, None)
    );
}

#[test]
fn nobody_is_sent_to_a_certificate_that_cannot_be_checked() {
    let office = Office::new("own");
    let key = KeyPair::generate().unwrap();
    let hosts = vec!["chat.example.org".to_owned()];
    let own = CertificateParams::new(hosts).unwrap();
    office.write("own", &own.self_signed(&key).unwrap(), &key);
    for server in [
        office.serve(&["own"], &[]),
        Server::start(&["--tls", "self-signed"]),
        Server::start(&[]),
    ] {
        assert_eq!(told_in_the_clear(&server), None);
    }
    // Unless that is what was asked for: these clients know the certificate.
    let flags = ["--tls", "self-signed", "--sts-port", "7000"];
    let server = Server::start(&flags);
    let told = told_in_the_clear(&server);
    assert_eq!(told.as_deref(), Some("sts=port=7000"));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_write() {
    let office = Office::new("wrong");
    office.certify("one", &["one.example.org"]);
    office.certify("two", &["two.example.org"]);
    office.certify("nameless", &[]);
    let path = |file, end| office.path(file, end);
    let one = ["--tls".to_owned(), path("one", "pem")];
    let one_key = ["--tls-key".to_owned(), path("one", "key")];
    let two = ["--tls".to_owned(), path("two", "pem")];
    let nameless = ["--tls".to_owned(), path("nameless", "pem")];
    let nameless_key = ["--tls-key".to_owned(), path("nameless", "key")];
    let own = ["--tls".to_owned(), "self-signed".to_owned()];
    let port = ["--sts-port".to_owned(), "6697".to_owned()];
    let off = ["--sts-duration".to_owned(), "off".to_owned()];
    for (words, expected) in [
        (
            [&one[..], &one_key, &two].concat(),
            "2 certificates and 1 keys",
        ),
        ([&one[..], &two].concat(), "2 certificates and 0 keys"),
        ([&own[..], &one].concat(), "stands alone"),
        (
            [&one[..], &one_key, &nameless, &nameless_key].concat(),
            "certificate 2 is for no host",
        ),
        (port.to_vec(), "--sts-port sends clients to TLS"),
        (
            [&own[..], &port, &off].concat(),
            "of no use with --sts-duration off",
        ),
    ] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let words = [&["serve", "--listen", "127.0.0.1:0"], &words[..]].concat();
        let output = crate::world::switchboard(&words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}

//! What clients are told before the server ends their connection.

use std::io::{Read, Write};
use std::net::TcpStream;

use switchboard_chat::accounts::sasl::chunks;
use switchboard_partners::PATIENCE;

use crate::speaker::Speaker;
use crate::world::Server;

/// A WebSocket whose messages are lines of IRC.
struct Web(TcpStream);

impl Web {
    #[track_caller]
    fn connect(address: &str) -> Web {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: text.ircv3.net\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the server answers");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "));
        Web(stream)
    }

    /// A short line as a frame, masked by zeros.
    fn say(&mut self, line: &str) {
        let length = u8::try_from(line.len()).unwrap();
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], line.as_bytes()].concat();
        self.0.write_all(&frame).expect("the server reads");
    }

    /// The first byte of the next frame, and what is in it.
    #[track_caller]
    fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut header = [0; 2];
        self.0.read_exact(&mut header).expect("the server answers");
        let mut length = usize::from(header[1]);
        if length == 126 {
            let mut more = [0; 2];
            self.0.read_exact(&mut more).unwrap();
            length = usize::from(u16::from_be_bytes(more));
        }
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        (header[0], payload)
    }

    #[track_caller]
    fn hear_line_with(&mut self, text: &str) {
        loop {
            let (first, line) = self.hear();
            let line = String::from_utf8(line).unwrap();
            assert_eq!(first, 0x81, "{line}");
            if line.contains(text) {
                return;
            }
        }
    }

    /// Hears why, a close of this code, and the end.
    #[track_caller]
    fn is_sent_away(&mut self, code: u16, reason: &str) {
        self.hear_line_with(&format!("ERROR :{reason}"));
        let close = [&code.to_be_bytes(), reason.as_bytes()].concat();
        assert_eq!(self.hear(), (0x88, close.clone()));
        // As clients answer it.
        let length = u8::try_from(close.len()).unwrap();
        let answer = [&[0x88, 0x80 | length, 0, 0, 0, 0], &close[..]].concat();
        self.0.write_all(&answer).unwrap();
        assert_eq!(self.0.read(&mut [0]).expect("an orderly end"), 0);
    }
}

fn enter(address: &str, nick: &str) -> Web {
    let mut web = Web::connect(address);
    web.say(&format!("NICK {nick}"));
    web.say(&format!("USER {nick} 0 * :x"));
    web.hear_line_with(&format!(" 001 {nick} "));
    web
}

#[test]
fn who_is_there_when_the_server_stops_is_told_so() {
    let mut server = Server::start(&[]);
    let mut web = enter(&server.address, "ann");
    let mut irc = Speaker::connect(&server.address);
    irc.say("NICK bob\r\nUSER bob 0 * :x\r\nJOIN #a\r\n");
    irc.hear_line_with(" 366 ");
    web.say("JOIN #a");
    irc.hear_line_with(" JOIN ");
    // Its receipt comes before the end.
    let mut plain = Speaker::connect(&server.address);
    plain.say("hello\n");
    plain.hear("Message received\n");
    server.process.interrupt();
    web.is_sent_away(1001, "the server stops");
    // Nobody is told that the others leave.
    assert_eq!(irc.hear_all(), "ERROR :the server stops\r\n");
    assert_eq!(plain.hear_all(), "");
    assert!(server.process.finish().success());
}

#[test]
fn a_websocket_that_is_sent_away_is_closed_and_told_why() {
    let server = Server::start(&[]);
    let mut web = enter(&server.address, "ann");
    web.say("REGISTER * * :correct horse");
    web.hear_line_with("REGISTER SUCCESS ann");
    let mut again = Speaker::connect(&server.address);
    let plain = chunks(b"\0ann\0correct horse");
    again.say("CAP REQ :sasl\r\nAUTHENTICATE PLAIN\r\n");
    again.say(format!("AUTHENTICATE {}\r\n", plain[0]));
    again.say("NICK ann\r\nUSER ann 0 * :x\r\n");
    again.hear_line_with(" 903 ");
    again.say("CAP END\r\n");
    again.hear_line_with(" 001 ann ");
    web.is_sent_away(1008, "your account has another connection now");
}

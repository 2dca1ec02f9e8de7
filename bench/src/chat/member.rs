//! One client of a chat server: its socket, how far it is, and what it has heard.
//!
//! Must never wait: its crowd says when there is something to read or room to write.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use crate::chat::dialect::{DIGITS, Dialect, Heard, number_of};

/// Addresses that the clients come from: each has as many ports as the system lends.
const SOURCES: usize = 16;
/// Bytes of a refusal that are quoted.
const QUOTED: usize = 120;

/// How far a client is; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not connected, nor trying to.
    Away,
    /// The kernel connects.
    Connecting,
    /// It has said who it is.
    Greeting,
    /// The server has taken it.
    Registered,
    /// It has asked to be in its rooms.
    Joining,
    /// It is in its rooms.
    Joined,
    /// It reads on until it hears the message with this number.
    Listening(u64),
}

/// A client.
pub struct Member {
    /// Unless away.
    pub stream: Option<TcpStream>,
    /// How far it is.
    pub phase: Phase,
    /// The room that it listens in; who speaks is in all.
    pub room: usize,
    /// Whether it is the one who speaks.
    pub speaks: bool,
    /// Line ends that it has received since it began to count.
    pub lines: u64,
    /// The beginning of a line whose end is not here.
    inbox: Vec<u8>,
    /// What the kernel has not taken.
    outbox: Vec<u8>,
}

impl Member {
    /// Of a room, and away.
    pub fn new(room: usize, speaks: bool) -> Self {
        Self {
            stream: None,
            phase: Phase::Away,
            room,
            speaks,
            lines: 0,
            inbox: Vec::new(),
            outbox: Vec::new(),
        }
    }

    /// Has the kernel connect, from one of several addresses.
    pub fn connect(&mut self, address: SocketAddr, index: usize) -> Result<&mut TcpStream> {
        let SocketAddr::V4(address) = address else {
            bail!("{address} is no address of IPv4");
        };
        let socket = socket_with(
            AddressFamily::INET,
            SocketType::STREAM,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None,
        )
        .context("opening a socket (ulimit -Hn)")?;
        let last = u8::try_from(2 + index % SOURCES)?;
        let source = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, last), 0);
        bind(&socket, &source).with_context(|| format!("no port at {source} is free"))?;
        // Closed by a reset, which leaves no port behind that waits for a minute.
        set_socket_linger(&socket, Some(Duration::ZERO))?;
        set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error).with_context(|| format!("connecting to {address}")),
        }
        self.phase = Phase::Connecting;
        self.inbox.clear();
        self.outbox.clear();
        let stream = TcpStream::from_std(std::net::TcpStream::from(socket));
        Ok(self.stream.insert(stream))
    }

    /// Whether the kernel has connected it; an error if it could not.
    pub fn has_connected(&self) -> Result<bool> {
        let Some(stream) = &self.stream else {
            return Ok(false);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error).context("connecting");
        }
        Ok(stream.peer_addr().is_ok())
    }

    /// Ends the connection by a reset.
    pub fn leave(&mut self) {
        self.stream = None;
        self.phase = Phase::Away;
    }

    /// Writes `text` after what is left of earlier ones.
    pub fn say(&mut self, text: &str) -> Result<()> {
        self.outbox.extend_from_slice(text.as_bytes());
        self.flush()
    }

    /// Writes what is left.
    pub fn flush(&mut self) -> Result<()> {
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        while !self.outbox.is_empty() {
            match stream.write(&self.outbox) {
                Ok(n) => drop(self.outbox.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing to the server"),
            }
        }
        Ok(())
    }

    /// Reads once: how many bytes, none if there are none now.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        loop {
            match stream.read(buffer) {
                Ok(0) => {
                    let end = io::Error::from(ErrorKind::UnexpectedEof);
                    return Err(end).context(format!(
                        "the server closed a connection{}",
                        self.last_words()
                    ));
                }
                Ok(n) => return Ok(Some(n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("reading from the server"),
            }
        }
    }

    /// What stood in the line that was not ended.
    fn last_words(&self) -> String {
        match self.inbox.is_empty() {
            true => String::new(),
            false => format!(", in the middle of {}", quoted(&self.inbox)),
        }
    }

    /// Gives each line that `bytes` end to `each`, without its end.
    pub fn lines_of(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&mut Self, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let mut line = std::mem::take(&mut self.inbox);
            line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            each(self, line.strip_suffix(b"\r").unwrap_or(&line))?;
            line.clear();
            self.inbox = line;
        }
        self.inbox.extend_from_slice(rest);
        Ok(())
    }

    /// Moves on by what a line says, as long as nobody counts.
    pub fn hear(&mut self, dialect: Dialect, line: &[u8]) -> Result<()> {
        match (self.phase, dialect.hear(line)) {
            (Phase::Greeting, Heard::Welcome) => self.phase = Phase::Registered,
            (Phase::Joining, Heard::Answer) => self.phase = Phase::Joined,
            (Phase::Listening(number), _) if number_of(line) == Some(number) => {
                self.phase = Phase::Joined;
            }
            (_, Heard::Refusal) => bail!("the server refused: {}", quoted(line)),
            _ => {}
        }
        Ok(())
    }

    /// Counts the messages that end in `bytes`, all of its room so far, and checks the number of
    /// the last one where it can be seen: messages have to come in order, each once.
    pub fn count(&mut self, dialect: Dialect, bytes: &[u8], rooms: usize) -> Result<(u64, u64)> {
        let each = dialect.lines_each();
        let before = self.lines / each;
        self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let now = self.lines / each;
        let last = memchr::memrchr(b'\n', bytes).unwrap_or(0);
        // With a whole message behind it, the last line is one that ends in a number.
        if now > before && self.lines.is_multiple_of(each) && last > DIGITS {
            let expected = (now - 1) * rooms as u64 + self.room as u64;
            let line = &bytes[..last];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            ensure!(
                number_of(line) == Some(expected),
                "a member of room {} heard something else than message {expected}: {}",
                self.room,
                quoted(&line[line.len().saturating_sub(QUOTED)..])
            );
        }
        Ok((before, now))
    }
}

/// For an error: what a server sends must not reach a terminal as it is.
pub fn quoted(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(QUOTED)]);
    format!("{:?}", text.as_ref())
}

/// Says which client it was.
pub fn of_client(error: anyhow::Error, index: usize) -> anyhow::Error {
    anyhow!("client {index}: {error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::dialect::text_of;

    fn line(number: u64) -> Vec<u8> {
        format!(":a!b@c PRIVMSG #r1 :{}\r\n", text_of(number)).into_bytes()
    }

    #[test]
    fn counts_lines_however_they_are_cut() {
        let mut member = Member::new(1, false);
        let all = [line(1), line(11), line(21)].concat();
        let (head, tail) = all.split_at(100);
        let count = |member: &mut Member, bytes| member.count(Dialect::Irc, bytes, 10).unwrap();
        assert_eq!(count(&mut member, head), (0, 1));
        assert_eq!(count(&mut member, tail), (1, 3));
    }

    #[test]
    fn a_message_that_is_lost_or_doubled_is_seen() {
        let mut member = Member::new(1, false);
        member.count(Dialect::Irc, &line(1), 10).unwrap();
        let lost = member.count(Dialect::Irc, &line(21), 10).unwrap_err();
        assert!(lost.to_string().contains("message 11"), "{lost}");
        let mut member = Member::new(1, false);
        let doubled = [line(1), line(1)].concat();
        member.count(Dialect::Irc, &doubled, 10).unwrap_err();
    }

    #[test]
    fn a_line_in_two_pieces_is_one() {
        let mut member = Member::new(0, false);
        let mut heard = vec![];
        for piece in ["PI", "NG :a\r\nPO", "NG\r\n"] {
            member
                .lines_of(piece.as_bytes(), |_, line| {
                    heard.push(String::from_utf8_lossy(line).into_owned());
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(heard, ["PING :a", "PONG"]);
    }

    #[test]
    fn listens_until_it_hears_the_number() {
        let mut member = Member::new(0, false);
        member.phase = Phase::Listening(7);
        member.hear(Dialect::Redis, text_of(6).as_bytes()).unwrap();
        assert_eq!(member.phase, Phase::Listening(7));
        member.hear(Dialect::Redis, text_of(7).as_bytes()).unwrap();
        assert_eq!(member.phase, Phase::Joined);
    }
}

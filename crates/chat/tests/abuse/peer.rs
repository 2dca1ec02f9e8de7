//! One connection to the server, for a test that says every byte itself. Every wait has an end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use switchboard_partners::PATIENCE;

/// When nothing has been taken for so long, nothing is.
const STUCK: Duration = Duration::from_millis(500);

/// A connection, and what was received and not asked for yet.
pub struct Peer {
    stream: TcpStream,
    unread: Vec<u8>,
    over: bool,
}

impl Peer {
    #[track_caller]
    pub fn connect(address: &str) -> Peer {
        Peer::new(TcpStream::connect(address).expect("the server listens"))
    }

    /// A connection of which little is in the kernel's hands, in either direction.
    #[track_caller]
    pub fn connect_by_a_narrow_way(address: &str) -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
        socket.set_tcp_mss(536).expect("any link carries as much");
        socket.set_recv_buffer_size(4096).expect("it is a size");
        socket.set_send_buffer_size(4096).expect("it is a size");
        let address: SocketAddr = address.parse().expect("an address");
        socket.connect(&address.into()).expect("the server listens");
        Peer::new(socket.into())
    }

    fn new(stream: TcpStream) -> Peer {
        stream.set_nodelay(true).expect("it is TCP");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is not zero");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("it is not zero");
        Peer {
            stream,
            unread: Vec::new(),
            over: false,
        }
    }

    /// A registered IRC client with these capabilities; what it was told meanwhile is forgotten.
    #[track_caller]
    pub fn irc(address: &str, nick: &str, caps: &str) -> Peer {
        Peer::connect(address).registered(nick, caps)
    }

    #[track_caller]
    pub fn registered(mut self, nick: &str, caps: &str) -> Peer {
        self.say(format!(
            "CAP REQ :{caps}\r\nNICK {nick}\r\nUSER {nick} 0 * :{nick}\r\nCAP END\r\n"
        ));
        self.hear_line_with(" 001 ");
        self.settle();
        self
    }

    /// Joins a room, and forgets what it was told meanwhile.
    #[track_caller]
    pub fn join(&mut self, room: &str) {
        self.say(format!("JOIN {room}\r\n"));
        self.hear_line_with(" 366 ");
    }

    /// Waits until all that it has said to an IRC server is answered, and returns the answers.
    #[track_caller]
    pub fn settle(&mut self) -> Vec<String> {
        self.say("PING :settled\r\n");
        let mut lines = Vec::new();
        loop {
            let line = self.hear_line();
            if line.contains("PONG") && line.ends_with("settled") {
                return lines;
            }
            lines.push(line);
        }
    }

    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_say(bytes), "the server does not read");
    }

    /// Whether all of it was taken.
    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Says it again and again, `times` at most, and how often all of it was taken before the server
    /// took no more, or had left.
    pub fn say_while_taken(&mut self, text: &str, times: usize) -> usize {
        let limit = |time| self.stream.set_write_timeout(Some(time)).expect("not zero");
        limit(STUCK);
        let taken = (0..times).take_while(|_| (&self.stream).write_all(text.as_bytes()).is_ok());
        let taken = taken.count();
        limit(PATIENCE);
        taken
    }

    /// Has nothing more to say, but goes on listening.
    pub fn finish(&mut self) {
        // The server may have gone first.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The next line, without its newline.
    #[track_caller]
    pub fn hear_line(&mut self) -> String {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text = String::from_utf8(line).expect("what the server says is text");
                return text.trim_end_matches(['\r', '\n']).to_owned();
            }
            assert!(self.read_more(), "the server has left instead of a line");
        }
    }

    /// The next line that holds `text`; those before it are skipped.
    #[track_caller]
    pub fn hear_line_with(&mut self, text: &str) -> String {
        loop {
            let line = self.hear_line();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// So many bytes.
    #[track_caller]
    pub fn hear_bytes(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.read_more(), "the server has left instead of bytes");
        }
        self.unread.drain(..count).collect()
    }

    /// All that comes before the server closes the connection, or resets it.
    #[track_caller]
    pub fn hear_all(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.unread)
    }

    /// The same as text.
    #[track_caller]
    pub fn hear_all_text(&mut self) -> String {
        String::from_utf8_lossy(&self.hear_all()).into_owned()
    }

    /// Whether the server has left, as far as is known by now.
    pub fn is_left_alone(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket can");
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.over = true,
            Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.over = true,
        }
        self.stream.set_nonblocking(false).expect("a socket can");
        self.over
    }

    /// Waits for bytes; whether some came, and not the end.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        if self.over {
            return false;
        }
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.over = true,
            Ok(count) => self.unread.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!(
                "the server says nothing, and does not leave; before that: {}",
                String::from_utf8_lossy(&self.unread)
            ),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => self.over = true,
        }
        !self.over
    }
}

//! A client that does exactly what a test says, on a plain socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use switchboard_partners::PATIENCE;

/// A connection to the server under test. Every wait has an end.
pub struct Speaker {
    stream: TcpStream,
}

impl Speaker {
    #[track_caller]
    pub fn connect(address: &str) -> Speaker {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is not zero");
        stream
            .set_write_timeout(Some(PATIENCE))
            .expect("it is not zero");
        Speaker { stream }
    }

    /// The name under which the server logs this client.
    pub fn name(&self) -> String {
        self.stream.local_addr().expect("it is bound").to_string()
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    #[track_caller]
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the server reads");
    }

    #[track_caller]
    pub fn hear(&mut self, expected: &str) {
        let mut heard = vec![0; expected.len()];
        self.stream
            .read_exact(&mut heard)
            .expect("the server answers");
        assert_eq!(String::from_utf8_lossy(&heard), expected);
    }

    /// Everything up to a line that has `text` in it.
    #[track_caller]
    pub fn hear_line_with(&mut self, text: &str) -> String {
        let mut heard = Vec::new();
        loop {
            let mut byte = [0];
            self.stream
                .read_exact(&mut byte)
                .expect("the server answers");
            heard.push(byte[0]);
            if byte == *b"\n" && String::from_utf8_lossy(&heard).contains(text) {
                return String::from_utf8(heard).expect("answers are text");
            }
        }
    }

    /// Has nothing more to say, but goes on listening.
    pub fn finish(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .expect("it is connected");
    }

    /// Everything up to the end of the stream, which must be an orderly one.
    #[track_caller]
    pub fn hear_all(&mut self) -> String {
        let mut heard = Vec::new();
        self.stream
            .read_to_end(&mut heard)
            .expect("the stream ends in order, without a reset");
        String::from_utf8(heard).expect("answers are text")
    }
}

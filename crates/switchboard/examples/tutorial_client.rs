//! The tutorial's chat client, side by side with its Python original: what is typed at `> ` is
//! sent, with the client's id in front. `tutorial_client [ADDR]` (default `localhost:8080`).
//!
//! The original waits in `input`, outside its loop, and so never hears the server. Here the
//! terminal is one more event source. It must never be read twice for one readiness: the second
//! read would wait for the next line, and everything else with it.
//!
//! The tutorial does not show where the id comes from; here it is `client-PID: `.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::Shutdown;
use std::time::Duration;

use switchboard::{
    Close, Context, Error, Handler, Interest, LoopContext, Reactor, Ready, Result, Stream, Token,
    signal,
};

/// A line that is longer is sent in pieces.
const LINE_MAX: usize = 8192;

#[derive(Default)]
struct Chat {
    terminal: Option<Token>,
    has_input_ended: bool,
    failure: Option<Error>,
}

impl Chat {
    fn end(&mut self, cx: &mut LoopContext<'_, Chat>, failure: Option<String>) {
        let _ = show(""); // if the screen is the trouble, the exit status still tells
        self.failure = self.failure.take().or(failure.map(Error::from));
        cx.stop();
    }
}

struct Client;

impl Handler<Chat> for Client {
    fn handle_read(&mut self, _: &mut Chat, cx: &mut Context<'_, Chat>) -> Result {
        let data = cx.recv(8192);
        Ok(show(&format!("{}\n> ", data.escape_ascii()))?)
    }

    fn handle_write(&mut self, chat: &mut Chat, cx: &mut Context<'_, Chat>) -> Result {
        if let Some(terminal) = chat.terminal {
            cx.resume_source(terminal);
        }
        Ok(())
    }

    fn handle_close(&mut self, chat: &mut Chat, cx: &mut Context<'_, Chat>, why: &Close) {
        let failure = match why {
            Close::Shutdown => return,
            Close::Requested | Close::Eof if chat.has_input_ended => None,
            Close::Requested | Close::Eof => Some("Server has left the building".into()),
            Close::Io(error) => Some(format!("Server has left the building: {error}")),
            why => Some(why.to_string()),
        };
        chat.end(cx, failure);
    }
}

struct Terminal {
    server: Token,
    client_id: String,
    typed: Vec<u8>,
}

impl Terminal {
    fn add_to_buffer(&self, cx: &mut Context<'_, Chat>, message: &[u8]) -> Result {
        if message.is_empty() {
            return Ok(show("No write buffer\n> ")?);
        }
        let message = [self.client_id.as_bytes(), message].concat();
        cx.send_to(self.server, message)?; // the loop sends it, all of it, and once
        Ok(prompt()?)
    }
}

impl Handler<Chat> for Terminal {
    fn handle_ready(&mut self, chat: &mut Chat, cx: &mut Context<'_, Chat>, _: Ready) -> Result {
        if !cx.is_open(self.server) {
            cx.close();
            return Ok(());
        }
        let mut input = io::stdin().lock();
        let bytes = input.fill_buf()?; // the one read: its buffer is always empty before
        let count = bytes.len();
        self.typed.extend_from_slice(bytes);
        input.consume(count);
        while let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.typed.drain(..=end).collect();
            self.add_to_buffer(cx, &line[..end])?;
        }
        let is_piece = count == 0 || self.typed.len() >= LINE_MAX;
        if is_piece && !self.typed.is_empty() {
            let piece = std::mem::take(&mut self.typed);
            self.add_to_buffer(cx, &piece)?;
        }
        if count == 0 {
            chat.has_input_ended = true;
            cx.shutdown_source(self.server, Shutdown::Write)?; // the replies are still to come
            cx.close();
        }
        let options = cx.source_options(self.server).unwrap_or_default();
        if cx.source_outbox_len(self.server) > options.low_watermark() {
            cx.pause_reading(); // until `handle_write`: the input is faster than the server
        }
        Ok(())
    }

    fn handle_close(&mut self, chat: &mut Chat, cx: &mut Context<'_, Chat>, why: &Close) {
        if let Close::Error(error) = why {
            chat.end(cx, Some(format!("cannot go on with the input: {error}")));
        }
    }
}

struct Interrupt;

impl Handler<Chat> for Interrupt {
    fn handle_signal(&mut self, _: &mut Chat, cx: &mut Context<'_, Chat>, _: i32) -> Result {
        cx.stop();
        Ok(show("Exiting client\n")?)
    }
}

fn prompt() -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(b"> ")?;
    output.flush()
}

/// Writes `text` where the prompt stands: at a terminal in its place, elsewhere below it. A line
/// that is half typed leaves the screen with the prompt, but not the terminal's own memory.
fn show(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let away = if output.is_terminal() {
        "\r\x1b[K"
    } else {
        "\n"
    };
    write!(output, "{away}{text}")?;
    output.flush()
}

fn main() -> Result {
    let address = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:8080".into());
    // Before the loop runs, waiting for a name and a connection holds nobody up.
    let stream = std::net::TcpStream::connect(&address).map_err(|error| {
        format!(
            "cannot connect to {address}: {error}; start the server first, or give its HOST:PORT"
        )
    })?;
    let stream = Stream::try_from(stream)?;
    let mut reactor = Reactor::builder()
        .shutdown_timeout(Duration::from_secs(1)) // Ctrl-C need not wait for a server that hangs
        .build(Chat::default())?;
    reactor.with(|chat, cx| -> Result {
        let terminal = Terminal {
            server: cx.register(stream, Client)?,
            client_id: format!("client-{}: ", std::process::id()),
            typed: Vec::new(),
        };
        chat.terminal = Some(cx.watch(io::stdin(), Interest::Read, terminal)?);
        cx.signals(&[signal::SIGINT], Interrupt)?;
        Ok(())
    })?;
    prompt()?; // now that Ctrl-C is caught
    reactor.run()?;
    reactor.state_mut().failure.take().map_or(Ok(()), Err)
}

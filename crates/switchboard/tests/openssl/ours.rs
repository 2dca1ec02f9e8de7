//! Our ends: servers of three kinds in a thread of their own, and a client that asks once.
//! They must never know who is at the other end.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use switchboard::tls::{Client, Server, ServerOptions, Session};
use switchboard::{
    Close, ConnectOptions, Context, Handler, Reactor, Result, ShutdownHandle, Stream,
};
use switchboard_partners::PATIENCE;

/// What a server does for its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    Echo,
    /// As much of SMTP as a client needs that begins in the clear.
    Mail,
    /// As much of HTTP as a client needs: the path is the length of the page.
    Pages,
}

/// A server that runs.
pub struct Ours {
    pub port: u16,
    sessions: Receiver<Session>,
    ends: Receiver<String>,
    stop: ShutdownHandle,
    thread: Option<JoinHandle<()>>,
}

impl Ours {
    pub fn serve(serves: Serves, options: ServerOptions) -> Ours {
        let server = options.build().expect("the options are right");
        let (secured, sessions) = channel();
        let (ended, ends) = channel();
        let (begun, begins) = channel();
        let thread = thread::spawn(move || {
            let mut reactor = Reactor::new(Told { secured, ended }).expect("it can be built");
            let listener = reactor.bind("127.0.0.1:0").expect("a port is free");
            let address = listener.local().expect("it is bound").ip();
            let listener = match serves {
                Serves::Mail => listener,
                _ => listener.with_tls(&server),
            };
            let door = Door { serves, server };
            reactor.listen_on(listener, door).expect("there is room");
            let port = address.expect("it is an IP address").port();
            let begin = (port, reactor.shutdown_handle());
            begun.send(begin).expect("it is waited for");
            reactor.run().expect("it ends well");
        });
        let (port, stop) = begins.recv_timeout(PATIENCE).expect("it begins");
        Ours {
            port,
            sessions,
            ends,
            stop,
            thread: Some(thread),
        }
    }

    /// What was agreed with the next client.
    #[track_caller]
    pub fn session(&self) -> Session {
        self.sessions.recv_timeout(PATIENCE).expect("a handshake")
    }

    /// Why the next client is gone.
    #[track_caller]
    pub fn ended(&self) -> String {
        self.ends.recv_timeout(PATIENCE).expect("an end")
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.stop.shutdown();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the server panicked");
        }
    }
}

/// Whom the servers tell.
struct Told {
    secured: Sender<Session>,
    ended: Sender<String>,
}

struct Door {
    serves: Serves,
    server: Server,
}

impl Handler<Told> for Door {
    fn handle_accepted(
        &mut self,
        _: &mut Told,
        cx: &mut Context<'_, Told>,
        stream: Stream,
    ) -> Result {
        let guest = Guest {
            serves: self.serves,
            server: self.server.clone(),
        };
        let token = cx.register(stream, guest)?;
        match self.serves {
            Serves::Mail => cx.send_to(token, "220 here\r\n"),
            _ => Ok(()),
        }
    }
}

struct Guest {
    serves: Serves,
    server: Server,
}

impl Guest {
    fn obey(&self, cx: &mut Context<'_, Told>, line: &str) -> Result {
        match (self.serves, line.split(' ').next()) {
            (Serves::Mail, Some("EHLO")) => cx.send("250-here\r\n250 STARTTLS\r\n"),
            (Serves::Mail, Some("STARTTLS")) => {
                cx.send("220 go ahead\r\n")?;
                cx.start_tls(&self.server)
            }
            (Serves::Mail, _) if cx.tls().is_some() => cx.send("250 in secret\r\n"),
            (Serves::Mail, _) => cx.send("530 STARTTLS first\r\n"),
            (_, Some("GET")) => {
                let path = line.split(' ').nth(1).unwrap_or_default();
                let length: usize = path.trim_matches('/').parse().unwrap_or(0);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
                let options = cx.options().with_watermarks(64 * 1024, 16 << 20);
                cx.set_options(options)?;
                cx.send(head)?;
                cx.send(vec![b'x'; length])
            }
            _ => Ok(()), // a header
        }
    }
}

impl Handler<Told> for Guest {
    fn handle_secured(&mut self, told: &mut Told, cx: &mut Context<'_, Told>) -> Result {
        let session = cx.tls().cloned().ok_or("it was just agreed")?;
        told.secured.send(session).map_err(|_| "nobody asks".into())
    }

    fn handle_read(&mut self, _: &mut Told, cx: &mut Context<'_, Told>) -> Result {
        if self.serves == Serves::Echo {
            let data = cx.recv(usize::MAX);
            return cx.send(data);
        }
        while let Some(end) = cx.data().iter().position(|byte| *byte == b'\n') {
            let line = String::from_utf8_lossy(&cx.data()[..end]).into_owned();
            cx.consume(end + 1);
            self.obey(cx, line.trim_end())?;
        }
        Ok(())
    }

    fn handle_close(&mut self, told: &mut Told, _: &mut Context<'_, Told>, why: &Close) {
        let _ = told.ended.send(why.to_string()); // nobody may ask any more
    }
}

/// What came of a question.
#[derive(Debug)]
pub struct Answer {
    pub text: String,
    pub session: Session,
}

struct Asks<'a>(&'a str);

/// Asks once, and hears one line, or why there is none.
pub fn ask(port: u16, client: &Client, line: &'static str) -> std::result::Result<Answer, String> {
    let mut reactor = Reactor::new(None).expect("it can be built");
    let options = ConnectOptions::default().with_tls(client);
    let asked = reactor.with(|_, cx| cx.connect_with(("localhost", port), options, Asks(line)));
    asked.expect("there is room");
    reactor.run().expect("it ends well");
    reactor.state_mut().take().expect("it is told how it ended")
}

type Outcome = Option<std::result::Result<Answer, String>>;

impl Handler<Outcome> for Asks<'static> {
    fn handle_connect(&mut self, _: &mut Outcome, cx: &mut Context<'_, Outcome>) -> Result {
        cx.send(self.0)
    }

    fn handle_read(&mut self, outcome: &mut Outcome, cx: &mut Context<'_, Outcome>) -> Result {
        if cx.data().contains(&b'\n') {
            let text = String::from_utf8_lossy(cx.recv(usize::MAX)).into_owned();
            let session = cx.tls().cloned().ok_or("it was agreed")?;
            *outcome = Some(Ok(Answer { text, session }));
            cx.close();
        }
        Ok(())
    }

    fn handle_close(&mut self, outcome: &mut Outcome, _: &mut Context<'_, Outcome>, why: &Close) {
        outcome.get_or_insert_with(|| Err(why.to_string()));
    }
}

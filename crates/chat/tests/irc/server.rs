//! A server without sockets: clients of IRC by name, one chat, and a store that commits when it is
//! told. It must never tell a test what it expects to hear.

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_chat::accounts::fingerprint::Fingerprint;
use switchboard_chat::accounts::verifier::Iterations;
use switchboard_chat::chat::Chat;
use switchboard_chat::chat::command::{Command, Label};
use switchboard_chat::chat::event::{Event, Receipt};
use switchboard_chat::chat::ids::{Moment, UserId};
use switchboard_chat::chat::outlet::Outlet;
use switchboard_chat::chat::refusal::Refusal;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::irc::config::IrcConfig;
use switchboard_chat::irc::message::Message;
use switchboard_chat::irc::render::{Carrier, Rendered, Viewer, answer};
use switchboard_chat::irc::session::{Hashed, Origin, Session, Ticket, Todo, View, write_error};
use switchboard_chat::store::StoreError;
use switchboard_chat::store::query::{Answer, Query};
use switchboard_chat::store::record::{Snapshot, Write};

use crate::archive;

/// One client.
struct Client {
    session: Session,
    heard: Vec<u8>,
    closed: bool,
}

/// The way to all clients.
#[derive(Default)]
struct Links {
    users: BTreeMap<UserId, (String, Viewer)>,
    sent: Vec<(String, Vec<u8>)>,
    dismissed: Vec<String>,
    unix_ms: u64,
}

impl Outlet for Links {
    fn tell(&mut self, to: &mut dyn Iterator<Item = UserId>, event: &Event) {
        let mut rendered = Rendered::new(std::slice::from_ref(event), "s", self.unix_ms);
        for user in to {
            let Some((name, viewer)) = self.users.get(&user) else {
                continue;
            };
            if let Some(bytes) = rendered.to(user, *viewer) {
                self.sent.push((name.clone(), bytes.to_vec()));
            }
        }
    }

    fn answer(&mut self, to: UserId, label: Label, outcome: Result<Receipt, Refusal>) {
        if let Some((name, viewer)) = self.users.get(&to) {
            let bytes = answer(&outcome, &label, "s", *viewer);
            self.sent.push((name.clone(), bytes.to_vec()));
        }
    }

    fn dismiss(&mut self, user: UserId, reason: &str) {
        if let Some((name, _)) = self.users.remove(&user) {
            let mut bytes = Vec::new();
            write_error(&mut bytes, reason);
            self.sent.push((name.clone(), bytes));
            self.dismissed.push(name);
        }
    }

    fn congested(&mut self, _: UserId) {}

    fn ready(&mut self, _: UserId) {}
}

/// A task that a carrier has done.
enum Done {
    Asked(Ticket, Result<Answer, StoreError>),
    Hashed(Ticket, Hashed),
}

pub struct Server {
    pub chat: Chat,
    pub config: IrcConfig,
    pub now: Moment,
    pub stored: Vec<Write>,
    pub archive_fails: Option<StoreError>,
    clients: BTreeMap<String, Client>,
    links: Links,
    randoms: u8,
}

impl Server {
    pub fn new() -> Server {
        Server::with(Settings {
            server: "s".into(),
            ..Settings::default()
        })
    }

    pub fn with(settings: Settings) -> Server {
        Server {
            config: IrcConfig {
                iterations: Iterations::MIN,
                ..IrcConfig::new(Arc::clone(&settings.server), &[1; 32])
            },
            chat: Chat::new(settings, Snapshot::default()),
            now: Moment {
                monotonic_ns: 1,
                unix_ms: 1_000_000_000_000,
            },
            stored: Vec::new(),
            archive_fails: None,
            clients: BTreeMap::new(),
            links: Links::default(),
            randoms: 0,
        }
    }

    pub fn pass(&mut self, seconds: u64) {
        self.now.unix_ms += seconds * 1_000;
        self.now.monotonic_ns += seconds * 1_000_000_000;
    }

    /// A connection.
    pub fn connect(&mut self, name: &str) {
        self.connect_from(name, "host");
    }

    pub fn connect_from(&mut self, name: &str, host: &str) {
        self.connect_as(
            name,
            Origin {
                host: host.into(),
                from: host.parse().ok(),
                tls: false,
                certificate: None,
            },
        );
    }

    /// A connection by TLS, with a client's certificate.
    pub fn connect_with_certificate(&mut self, name: &str, certificate: &[u8]) {
        self.connect_as(
            name,
            Origin {
                host: "host".into(),
                from: None,
                tls: true,
                certificate: Some(Fingerprint::of_certificate(certificate)),
            },
        );
    }

    fn connect_as(&mut self, name: &str, origin: Origin) {
        let client = Client {
            session: Session::new(origin, Carrier::Stream, self.now),
            heard: Vec::new(),
            closed: false,
        };
        self.clients.insert(name.to_owned(), client);
    }

    /// A connection that is registered under its name, with these capabilities; what it was told
    /// meanwhile is forgotten.
    pub fn enter(&mut self, name: &str, caps: &str) {
        self.connect(name);
        if !caps.is_empty() {
            self.say(name, &format!("CAP REQ :{caps}"));
        }
        self.say(name, &format!("NICK {name}"));
        self.say(name, &format!("USER {name} 0 * :{name} {name}"));
        if !caps.is_empty() {
            self.say(name, "CAP END");
        }
        let told = self.heard(name);
        assert!(
            told.iter().any(|line| line.contains(" 001 ")),
            "{name} is not let in: {told:?}"
        );
    }

    /// The same, logged in to an account of its name, which is made.
    pub fn enter_with_account(&mut self, name: &str, caps: &str) {
        self.enter(name, caps);
        self.say(name, "REGISTER * * :correct horse");
        self.store();
        let told = self.heard(name);
        assert!(told[0].contains("REGISTER SUCCESS"), "{told:?}");
    }

    /// Clients of the given names in a room.
    pub fn enter_room(&mut self, room: &str, clients: &[(&str, &str)]) {
        for (name, caps) in clients {
            self.enter(name, caps);
            self.say(name, &format!("JOIN {room}"));
        }
        self.store();
        for (name, _) in clients {
            self.heard(name);
        }
    }

    /// A client says a line.
    pub fn say(&mut self, name: &str, line: &str) {
        self.say_bytes(name, line.as_bytes());
    }

    pub fn say_bytes(&mut self, name: &str, line: &[u8]) {
        self.drive(name, |session, view| session.line(line, view));
    }

    pub fn wake(&mut self, name: &str) {
        self.drive(name, |session, view| session.wake(view));
    }

    pub fn lose(&mut self, name: &str) {
        self.drive(name, |session, view| session.lost("connection lost", view));
        self.clients.remove(name);
    }

    fn drive(&mut self, name: &str, run: impl FnOnce(&mut Session, &mut View<'_>)) {
        let mut run = Some(run);
        let mut answers: Vec<Done> = Vec::new();
        loop {
            let Some(client) = self.clients.get_mut(name) else {
                panic!("there is no client {name}");
            };
            if client.closed {
                return;
            }
            self.links.unix_ms = self.now.unix_ms;
            let mut todo = Vec::new();
            let mut reply = Vec::new();
            let randoms = &mut self.randoms;
            let mut view = View {
                chat: &mut self.chat,
                out: &mut self.links,
                now: self.now,
                config: &self.config,
                reply: &mut reply,
                todo: &mut todo,
                random: &mut |bytes: &mut [u8]| {
                    *randoms += 1;
                    bytes.fill(*randoms);
                },
            };
            match run.take() {
                Some(run) => run(&mut client.session, &mut view),
                None => match answers.pop() {
                    Some(Done::Asked(ticket, answer)) => {
                        client.session.answered(ticket, answer, &mut view);
                    }
                    Some(Done::Hashed(ticket, hashed)) => {
                        client.session.hashed(ticket, Some(hashed), &mut view);
                    }
                    None => return,
                },
            }
            client.heard.extend_from_slice(&reply);
            if let Some(user) = client.session.user() {
                let link = (name.to_owned(), client.session.viewer());
                self.links.users.insert(user, link);
            }
            for todo in todo {
                match todo {
                    Todo::Ask(ticket, query) => {
                        answers.push(Done::Asked(ticket, self.find(&query)));
                    }
                    Todo::Hash(ticket, job) => answers.push(Done::Hashed(ticket, job.run())),
                    Todo::Close => self.close(name),
                }
            }
            self.deliver();
        }
    }

    fn close(&mut self, name: &str) {
        if let Some(client) = self.clients.get_mut(name) {
            client.closed = true;
            self.links.users.retain(|_, (other, _)| other != name);
        }
    }

    fn deliver(&mut self) {
        for (name, bytes) in std::mem::take(&mut self.links.sent) {
            if let Some(client) = self.clients.get_mut(&name) {
                client.heard.extend_from_slice(&bytes);
            }
        }
        for name in std::mem::take(&mut self.links.dismissed) {
            if let Some(client) = self.clients.get_mut(&name) {
                client.closed = true;
            }
        }
    }

    /// A command that no line stands for.
    pub fn command(&mut self, user: UserId, command: Command) {
        let done = self.chat.command(user, command, self.now, &mut self.links);
        assert_eq!(done, Ok(()));
    }

    /// The archive: what was stored, unless it fails.
    fn find(&self, query: &Query) -> Result<Answer, StoreError> {
        match &self.archive_fails {
            Some(error) => Err(error.clone()),
            None => Ok(archive::ask(&self.stored, query)),
        }
    }

    /// The store takes all that waits.
    pub fn store(&mut self) {
        while self.store_as(Ok(())) {}
    }

    /// What becomes of the next batch.
    pub fn store_as(&mut self, outcome: Result<(), StoreError>) -> bool {
        let Some(batch) = self.chat.next_batch() else {
            return false;
        };
        if outcome.is_ok() {
            self.stored.extend(batch.iter().cloned());
        }
        self.links.unix_ms = self.now.unix_ms;
        self.chat.stored(&outcome, self.now, &mut self.links);
        self.deliver();
        true
    }

    /// What a client has heard since it was last asked: each line is one that can be read.
    pub fn heard(&mut self, name: &str) -> Vec<String> {
        let client = self.clients.get_mut(name).expect("a client of this name");
        let bytes = std::mem::take(&mut client.heard);
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
        let lines: Vec<String> = text.split_terminator("\r\n").map(str::to_owned).collect();
        for line in &lines {
            assert!(
                Message::from_server(line.as_bytes()).is_ok(),
                "{line:?} is no line"
            );
        }
        lines
    }

    /// Whether the server has closed a client's connection.
    pub fn is_closed(&self, name: &str) -> bool {
        self.clients[name].closed
    }

    /// Asserts what a client has heard.
    #[track_caller]
    pub fn hears(&mut self, name: &str, expected: &[&str]) {
        assert_eq!(self.heard(name), expected, "what {name} has heard");
    }
}

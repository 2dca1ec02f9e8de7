//! What all handlers of the server share.
//!
//! It must never decide what somebody is told: the chat does, and the sessions.

use std::sync::Arc;
use std::time::Duration;

use switchboard::{Listener, LoopContext, tls};

use super::Start;
use super::certificate::Files;
use super::dice::Dice;
use super::door::Door;
use super::links::{Links, Post};
use super::storage::{Storage, moment};
use crate::accounts::decoys::SECRET_BYTES;
use crate::answers::Answers;
use crate::chat::Chat;
use crate::chat::outlet::Outlet;
use crate::chat::settings::Settings;
use crate::cli::ServeArgs;
use crate::irc::config::IrcConfig;
use crate::limits::Limits;
use crate::store::record::Snapshot;
use crate::wire::detect::Detect;
use crate::wire::http::Site;

/// The state of a running server.
#[derive(Debug)]
pub struct Server {
    pub(super) chat: Chat,
    pub(super) links: Links,
    pub(super) storage: Storage,
    pub(super) limits: Limits,
    pub(super) answers: Answers,
    pub(super) irc: Arc<IrcConfig>,
    pub(super) site: Site,
    /// What TLS is spoken with, and where that was read.
    pub(super) tls: Option<(tls::Server, Files)>,
    /// How long a client may take to say what it speaks, and who it is.
    pub(super) handshake: Duration,
    /// Connections that count against the limit.
    pub(super) clients: usize,
    pub(super) stop: Stop,
    /// Bound, but not listened on before the store is loaded.
    pub(super) entrances: Vec<(Listener, Door)>,
    /// Passwords that are being hashed.
    pub(super) hashing: usize,
    pub(super) dice: Dice,
    pub(super) counters: Counters,
    /// How a process that takes over is started.
    pub(super) again: Option<Start>,
}

/// What a server is asked about itself.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    pub(super) accepted: u64,
    pub(super) turned_away: u64,
    pub(super) messages: u64,
    pub(super) deliveries: u64,
}

/// How far Ctrl-C has come.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum Stop {
    /// It was not pressed.
    No,
    /// What is under way is finished.
    Graceful,
    /// The same, for a process that takes over.
    Replaced,
    /// Nothing is finished.
    AtOnce,
}

impl Server {
    /// Has the chat tell people things, and the store keep what waits after that.
    pub(super) fn tell<T>(
        &mut self,
        cx: &mut LoopContext<'_, Server>,
        act: impl FnOnce(&mut Chat, &mut dyn Outlet) -> T,
    ) -> T {
        let unix_ms = moment(cx).unix_ms;
        let mut post = Post {
            links: &mut self.links,
            counters: &mut self.counters,
            answers: &self.answers,
            server: &self.irc.server,
            unix_ms,
            cx,
        };
        let value = act(&mut self.chat, &mut post);
        if self.chat.is_settled() {
            return value;
        }
        // It fails for want of timers, of which there are enough for all sources; and after a stop,
        // when all that was to be stored is, and what is left is that everybody goes.
        if let Err(error) = self.storage.call(cx)
            && self.stop == Stop::No
        {
            tracing::error!("the store is not called: {error}");
        }
        value
    }

    /// A server as `args` ask for, in which nobody is yet.
    pub fn new(args: &ServeArgs, storage: Storage) -> Server {
        let limits = args.limits();
        let secret = args
            .decoys
            .as_ref()
            .map_or([0; SECRET_BYTES], |secret| secret.0);
        let mut irc = IrcConfig::new(args.name.as_str().into(), &secret);
        irc.network = args.network.as_str().into();
        irc.backlog = args.backlog.0.map_or(0, |count| count as usize);
        irc.motd = args
            .motd_line
            .iter()
            .map(|line| line.as_str().into())
            .collect();
        irc.admin_info = args
            .contact
            .iter()
            .map(|line| line.as_str().into())
            .collect();
        irc.registration_timeout = 3 * args.handshake_timeout.0;
        Server {
            chat: Chat::new(args.settings(), Snapshot::default()),
            links: Links::default(),
            storage,
            answers: Answers::new(&limits),
            limits,
            irc: Arc::new(irc),
            site: Site::default()
                .with_metrics(args.metrics)
                .with_origins(args.allow_origin.iter().cloned())
                .with_name(&args.name)
                .with_hosts(args.allow_host.iter().cloned()),
            tls: None,
            handshake: args.handshake_timeout.0,
            clients: 0,
            stop: Stop::No,
            entrances: Vec::new(),
            hashing: 0,
            dice: Dice::default(),
            counters: Counters::default(),
            again: None,
        }
    }

    /// With bounds of the chat that no flag sets.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Server {
        self.chat = Chat::new(settings, Snapshot::default());
        self
    }

    /// How many clients are connected, and how many of them are users: by the counts that limits
    /// look at.
    pub fn counts(&self) -> (usize, usize) {
        (self.clients, self.links.tokens().count())
    }

    /// Random bytes for one call of a session.
    pub(super) fn dice(&mut self) -> Dice {
        self.dice.split()
    }

    /// How far it is stopped.
    pub fn stop(&self) -> Stop {
        self.stop
    }

    /// The chat, to look at.
    pub fn chat(&self) -> &Chat {
        &self.chat
    }
}

impl Default for Protocols {
    fn default() -> Protocols {
        Protocols {
            detect: Detect::ALL,
            plain: true,
        }
    }
}

/// What is spoken on one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocols {
    /// Which greetings are looked for.
    pub detect: Detect,
    /// Whether what greets in no such way is a plain client.
    pub plain: bool,
}

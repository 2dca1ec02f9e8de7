//! The old process's side: whoever connects to the upgrade socket is given the sockets, and when it
//! says that it is ready, this process hands over.
//! It must never hand over before that, nor to another user.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::geteuid;

use super::Offered;
use super::message::{LIMIT, Message, Record, VERSION};
use crate::{Context, Error, Handler, LoopContext, Result, Stream, TimerId, Token};

/// How long a new process may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) type HandedOver<S> = Box<dyn FnOnce(&mut S, &mut LoopContext<'_, S>)>;

/// The handler of the upgrade socket.
pub(super) struct Door<S: 'static> {
    offered: Vec<Offered>,
    handed_over: Option<HandedOver<S>>,
    /// The new process, and its number.
    taker: Option<(Token, Option<u32>)>,
}

impl<S: 'static> Door<S> {
    pub(super) fn new(offered: Vec<Offered>, handed_over: HandedOver<S>) -> Door<S> {
        Door {
            offered,
            handed_over: Some(handed_over),
            taker: None,
        }
    }

    /// Why this one is given nothing.
    fn refusal(&self, cx: &Context<'_, S>, user: u32) -> Option<&'static str> {
        if user != geteuid().as_raw() {
            return Some("the process that serves belongs to another user");
        }
        let is_taken = |(taker, _): (Token, _)| cx.is_open(taker);
        if self.taker.is_some_and(is_taken) || self.handed_over.is_none() {
            return Some("another process is about to take over");
        }
        None
    }
}

impl<S: 'static> Handler<S> for Door<S> {
    fn handle_accepted(
        &mut self,
        _: &mut S,
        cx: &mut Context<'_, S>,
        mut stream: Stream,
    ) -> Result {
        let peer = stream.peer_credentials()?;
        let mut answer = Vec::new();
        if let Some(why) = self.refusal(cx, peer.uid) {
            tracing::warn!(pid = ?peer.pid, uid = peer.uid, why, "an upgrade was refused");
            let refusing = Giver::refusing(cx.token());
            let token = cx.register(stream, refusing)?;
            cx.send_to(token, Message::Refused(why.to_owned()).encode())?;
            cx.close_source(token);
            return Ok(());
        }
        for offered in &self.offered {
            let copies = offered.descriptors.iter().map(OwnedFd::try_clone);
            answer.push((offered.record.clone(), copies.collect::<Result<_, _>>()?));
        }
        stream.enable_descriptors(LIMIT)?;
        let giver = Giver {
            door: cx.token(),
            answer: Some(answer),
            is_given: false,
        };
        let token = cx.register(stream, giver)?;
        cx.set_source_timer(token, PATIENCE)?;
        self.taker = Some((token, peer.pid));
        Ok(())
    }

    /// The new process is ready.
    fn handle_timer(&mut self, state: &mut S, cx: &mut Context<'_, S>, _: TimerId) -> Result {
        let Some(handed_over) = self.handed_over.take() else {
            return Ok(());
        };
        let process = self.taker.and_then(|(_, process)| process);
        tracing::info!(?process, "another process serves from now on");
        for offered in self.offered.drain(..) {
            if let Some(claim) = offered.claim {
                claim.set_stays(true); // it is the new process's
            }
        }
        cx.core.report_successor(process);
        cx.close();
        handed_over(state, cx);
        Ok(())
    }
}

/// The handler of one connection to it.
struct Giver {
    door: Token,
    /// What it will be given.
    answer: Option<Vec<(Record, Vec<OwnedFd>)>>,
    is_given: bool,
}

impl Giver {
    fn refusing(door: Token) -> Giver {
        Giver {
            door,
            answer: None,
            is_given: false,
        }
    }

    fn obey<S: 'static>(&mut self, cx: &mut Context<'_, S>, message: &Message) -> Result {
        match message {
            Message::Hello { version } if *version != VERSION => {
                let why = format!(
                    "the process that serves speaks version {VERSION} of the upgrade, and not \
                     {version}: stop it, and start the new one"
                );
                cx.send(Message::Refused(why).encode())?;
                cx.close();
                Ok(())
            }
            Message::Hello { .. } => self.give(cx),
            Message::Ready if self.is_given => {
                cx.send(Message::Released.encode())?;
                cx.close();
                cx.set_source_timer(self.door, Duration::ZERO).map(drop)
            }
            _ => Err(Error::other("a new process has said what it should not")),
        }
    }

    fn give<S: 'static>(&mut self, cx: &mut Context<'_, S>) -> Result {
        let Some(answer) = self.answer.take() else {
            return Err(Error::other("a new process has asked twice"));
        };
        let descriptors: usize = answer.iter().map(|(_, all)| all.len()).sum();
        let offer = Message::Offer {
            sockets: u16::try_from(answer.len()).map_err(Error::other)?,
            descriptors: u16::try_from(descriptors).map_err(Error::other)?,
        };
        cx.send(offer.encode())?;
        for (record, descriptors) in answer {
            cx.send_with_descriptors(Message::Socket(record).encode(), descriptors)?;
        }
        self.is_given = true;
        Ok(())
    }
}

impl<S: 'static> Handler<S> for Giver {
    fn handle_read(&mut self, _: &mut S, cx: &mut Context<'_, S>) -> Result {
        while let Some((message, length)) = Message::decode(cx.data())? {
            cx.consume(length);
            self.obey(cx, &message)?;
        }
        Ok(())
    }

    fn handle_timer(&mut self, _: &mut S, _: &mut Context<'_, S>, _: TimerId) -> Result {
        Err("a new process is not ready after a minute: this one goes on".into())
    }
}

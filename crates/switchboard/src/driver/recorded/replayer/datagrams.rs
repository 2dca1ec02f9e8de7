//! Replaying datagrams: what is sent is compared with what was sent then, one by one.
//! It must never let one pass that differs, or that was to go elsewhere.

use std::io;
use std::net::SocketAddr;

use super::super::datagrams::SentDatagrams;
use super::super::entry::{Answer, Call, Entry};
use super::super::text::Text;
use super::Replayer;
use crate::datagrams::{Datagrams, Undelivered};
use crate::net::{Endpoint, UdpSocket};
use crate::replayable::Replayable;
use crate::{Address, Token};

impl Replayer {
    pub(crate) fn bind_udp(&mut self, endpoint: &Endpoint) -> io::Result<UdpSocket> {
        let nowhere = Address::Ip(([0; 4], 0).into());
        match self.expect(&Call::BindUdp(endpoint.to_string())) {
            Some(Answer::Addresses(addresses)) => {
                let local = addresses.into_iter().next();
                Ok(UdpSocket::replayed(local.unwrap_or(nowhere)))
            }
            Some(Answer::Failed(error)) => Err(error),
            // Whatever the program does with it, nothing will come of it.
            _ => Ok(UdpSocket::replayed(nowhere)),
        }
    }

    pub(crate) fn listen_udp(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        self.began(&Call::ListenUdp(token, addresses.to_vec()))
    }

    pub(crate) fn send_datagrams(
        &mut self,
        token: Token,
        queue: &mut Datagrams,
    ) -> Option<Undelivered> {
        if !self.is_over
            && let Ok((Entry::SentDatagrams(then), size)) = self.reader.peek()
            && then.token == token
        {
            if let Some((then, now)) = difference(&then, queue) {
                self.diverge(Some(token), &then, &now);
                return swallow(queue);
            }
            let (left, undelivered) = (then.left.len(), then.undelivered);
            self.reader.skip(size);
            for _ in 0..left {
                queue.pop();
            }
            return undelivered;
        }
        if !self.is_over {
            let first = queue.front();
            let text = first.map(|first| text_of(first.to, first.bytes));
            let text = text.unwrap_or_else(|| Text::plain("send no datagram"));
            self.differ((Some(token), text));
        }
        swallow(queue)
    }
}

/// Nobody is there to wait for.
fn swallow(queue: &mut Datagrams) -> Option<Undelivered> {
    while queue.pop().is_some() {}
    None
}

/// The two sides, if what waits now is not what waited then, as far as that is written.
fn difference(then: &SentDatagrams<'_>, queue: &Datagrams) -> Option<(Text, Text)> {
    let mut now = queue.iter();
    for (to, bytes) in &then.left {
        let now = now.next();
        if !now.is_some_and(|now| now.bytes == *bytes && is_same(now.to, to.as_ref())) {
            let now = now.map(|now| text_of(now.to, now.bytes));
            let nothing = || Text::plain("nothing more");
            return Some((text_of(to.as_ref(), bytes), now.unwrap_or_else(nothing)));
        }
    }
    let counted = |(count, cost)| Text::plain(format!("{count} datagrams wait ({cost} bytes)"));
    let waiting = (queue.count(), queue.cost());
    (then.waited != waiting).then(|| (counted(then.waited), counted(waiting)))
}

pub(in super::super) fn text_of(to: Option<&Address>, bytes: &[u8]) -> Text {
    match to {
        Some(to) => Text::bytes(format!("send a datagram to {to},"), bytes),
        None => Text::bytes("send a datagram,", bytes),
    }
}

/// As far as a recording holds addresses.
fn is_same(now: Option<&Address>, then: Option<&Address>) -> bool {
    let written = |address: Option<&Address>| {
        let mut bytes = Vec::new();
        address.cloned().encode(&mut bytes);
        bytes
    };
    now == then || written(now) == written(then)
}

//! Datagrams in a recording: those that came, those that left, and what could not be delivered.
//! It must never write one that still waits: it is written when it leaves.

use std::io;
use std::net::SocketAddr;

use super::Recorder;
use super::entry::{Answer, Call, tag};
use crate::datagrams::{Datagrams, Outgoing, Undelivered};
use crate::driver::Datagram;
use crate::net::{Endpoint, UdpSocket, copy_of};
use crate::replayable::{Replayable, put_slice, take_slice};
use crate::{Address, Token};

/// What a socket has sent was given to the driver.
#[derive(Debug)]
pub(super) struct SentDatagrams<'f> {
    pub(super) token: Token,
    /// How many waited, and what they counted.
    pub(super) waited: (usize, usize),
    /// Those that left, the one that failed included, and where they were to go.
    pub(super) left: Vec<(Option<Address>, &'f [u8])>,
    pub(super) undelivered: Option<Undelivered>,
}

impl<'f> SentDatagrams<'f> {
    pub(super) fn take(bytes: &mut &'f [u8]) -> Option<SentDatagrams<'f>> {
        let (token, waited, count) = Replayable::decode(bytes)?;
        let count: usize = count;
        let mut left = Vec::new();
        for _ in 0..count {
            left.push((Replayable::decode(bytes)?, take_slice(bytes)?));
        }
        Some(SentDatagrams {
            token,
            waited,
            left,
            undelivered: Replayable::decode(bytes)?,
        })
    }
}

pub(super) fn put_datagram(out: &mut Vec<u8>, token: Token, datagram: &Datagram<'_>) {
    out.push(tag::DATAGRAM);
    token.encode(out);
    datagram.is_truncated.encode(out);
    datagram.from.encode(out);
    put_slice(out, datagram.bytes);
}

pub(super) fn put_outgoing(out: &mut Vec<u8>, datagram: &Outgoing<'_>) {
    datagram.to.is_some().encode(out);
    datagram.to.iter().for_each(|to| to.encode(out));
    put_slice(out, datagram.bytes);
}

/// `left` datagrams left of those that waited; `written` is what [`put_outgoing`] has made of them.
pub(super) fn put_sent_datagrams(
    out: &mut Vec<u8>,
    token: Token,
    waited: (usize, usize),
    (left, written): (usize, &[u8]),
    undelivered: Option<&Undelivered>,
) {
    out.push(tag::SENT_DATAGRAMS);
    token.encode(out);
    waited.encode(out);
    left.encode(out);
    out.extend_from_slice(written);
    undelivered.is_some().encode(out);
    undelivered.iter().for_each(|what| what.encode(out));
}

impl Replayable for Undelivered {
    fn encode(&self, out: &mut Vec<u8>) {
        self.to.encode(out);
        self.error.encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Undelivered> {
        let (to, error) = Replayable::decode(bytes)?;
        Some(Undelivered { to, error })
    }
}

impl Recorder {
    pub(crate) fn bind_udp(&mut self, endpoint: &Endpoint) -> io::Result<UdpSocket> {
        let socket = self.inner.bind_udp(endpoint);
        if !self.is_over() {
            let answer = match &socket {
                Ok(socket) => {
                    let local = socket.local().ok();
                    Answer::Addresses(local.into_iter().collect())
                }
                Err(error) => Answer::Failed(copy_of(error)),
            };
            self.note(&Call::BindUdp(endpoint.to_string()), &answer);
        }
        socket
    }

    pub(crate) fn listen_udp(&mut self, token: Token, addresses: &[SocketAddr]) -> io::Result<()> {
        let result = self.inner.listen_udp(token, addresses);
        let call = Call::ListenUdp(token, addresses.to_vec());
        self.note(&call, &Answer::of(&result));
        result
    }

    pub(crate) fn send_datagrams(
        &mut self,
        token: Token,
        queue: &mut Datagrams,
    ) -> Option<Undelivered> {
        if self.is_over() {
            return self.inner.send_datagrams(token, queue);
        }
        let waited = (queue.count(), queue.cost());
        // Written before they are given away, as far as they go: which of them do is not known yet.
        let (mut all, mut ends) = (Vec::new(), vec![0]);
        for datagram in queue.iter() {
            put_outgoing(&mut all, &datagram);
            ends.push(all.len());
        }
        let undelivered = self.inner.send_datagrams(token, queue);
        let left = waited.0 - queue.count();
        let entries = self.sink.entries();
        let written = (left, &all[..ends[left]]);
        put_sent_datagrams(entries, token, waited, written, undelivered.as_ref());
        self.sink.cut();
        undelivered
    }
}

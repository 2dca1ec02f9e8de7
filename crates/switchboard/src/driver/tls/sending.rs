//! From what the core sends to what the driver below is given: encrypted, and no more ahead of the
//! kernel than a bound. It must never put anything in front of what is on its way already.

use std::io;
use std::ops::Range;

use super::link::{Link, Stage, Work};
use super::{Layer, Lent, find};
use crate::Token;
use crate::driver::Driver;
use crate::outbox::Outbox;
use crate::stage::{Stage as SmallSends, Staged};

/// Plaintext encrypted in one go, in bytes: four records.
const CHUNK: usize = 64 * 1024;

/// Plaintext encrypted in one call of `send`, in bytes, if the kernel has not taken it by then.
const AHEAD: usize = 256 * 1024;

/// Pieces shorter than this are gathered into one record.
const SMALL: usize = 4 * 1024;

impl Layer {
    pub(crate) fn send(&mut self, token: Token, outbox: &mut Outbox) -> io::Result<()> {
        let Some(link) = find(&mut self.links, token) else {
            return self.inner.send(token, outbox);
        };
        if link.stage != Stage::Open {
            // `Secured` or `Failed` will come; unless nobody takes what has to be told before.
            return link.take_withheld().map_or(Ok(()), Err);
        }
        let mut ahead = 0;
        ship(&mut self.inner, link, token, &mut self.work)?;
        while link.can_seal() && !outbox.is_empty() {
            if ahead >= AHEAD && !self.inner.is_flushed(token) {
                return Ok(()); // `Sent` will come
            }
            let sealed = seal_front(link, outbox, &mut self.work)?;
            ship(&mut self.inner, link, token, &mut self.work)?;
            outbox.advance(sealed); // not before: if it is lost, the core has to see that
            ahead += sealed;
        }
        Ok(())
    }

    /// All or nothing of a few bytes.
    fn send_bytes(&mut self, token: Token, bytes: Bytes<'_>) -> io::Result<usize> {
        let Some(link) = find(&mut self.links, token) else {
            return Ok(0);
        };
        if !link.can_seal() {
            return Ok(0);
        }
        let len = match bytes {
            Bytes::Staged(bytes) => {
                link.seal(bytes, &mut self.work)?;
                bytes.len()
            }
            Bytes::Inner(range) => {
                let bytes = self.inner.lent(range);
                link.seal(bytes, &mut self.work)?;
                bytes.len()
            }
            Bytes::Ours(range) => {
                let len = range.len();
                let plain = std::mem::take(&mut self.work.plain); // what is lent stays as it is
                let sealed = link.seal(&plain[range], &mut self.work);
                self.work.plain = plain;
                sealed?;
                len
            }
        };
        ship(&mut self.inner, link, token, &mut self.work)?;
        Ok(len)
    }

    pub(crate) fn forward(&mut self, token: Token, lent: Range<usize>) -> io::Result<usize> {
        let is_plain = self.link(token).is_none();
        match self.lent {
            Lent::Inner if is_plain => self.inner.forward(token, lent),
            Lent::Ours if is_plain => Ok(0), // the driver below does not have these
            Lent::Inner => self.send_bytes(token, Bytes::Inner(lent)),
            Lent::Ours => self.send_bytes(token, Bytes::Ours(lent)),
        }
    }

    pub(crate) fn send_staged(
        &mut self,
        token: Token,
        stage: &SmallSends,
        staged: Staged,
    ) -> io::Result<usize> {
        match self.link(token) {
            None => self.inner.send_staged(token, stage, staged),
            Some(_) => self.send_bytes(token, Bytes::Staged(stage.bytes(staged))),
        }
    }

    pub(crate) fn keep_stage(&mut self, stage: &mut SmallSends) {
        self.inner.keep_stage(stage);
    }
}

/// Where the bytes of a small send are.
enum Bytes<'a> {
    Staged(&'a [u8]),
    /// Lent by the driver below.
    Inner(Range<usize>),
    /// Lent from here.
    Ours(Range<usize>),
}

/// Encrypts what goes out next, and says how much of the outbox that is.
fn seal_front(link: &mut Link, outbox: &Outbox, work: &mut Work) -> io::Result<usize> {
    let mut pieces = outbox.pieces(0);
    let Some(first) = pieces.next() else {
        return Ok(0);
    };
    if first.len() >= SMALL || first.len() == outbox.len() {
        let piece = &first[..first.len().min(CHUNK)];
        link.seal(piece, work)?;
        return Ok(piece.len());
    }
    let mut gathered = first.to_vec();
    for piece in pieces {
        if gathered.len() + piece.len() > CHUNK {
            break;
        }
        gathered.extend_from_slice(piece);
    }
    link.seal(&gathered, work)?;
    Ok(gathered.len())
}

/// Gives the driver below what was encrypted, behind what it has not taken yet.
pub(super) fn ship(
    inner: &mut Driver,
    link: &mut Link,
    token: Token,
    work: &mut Work,
) -> io::Result<()> {
    let sealed = &mut work.sealed;
    if !sealed.is_empty() {
        let mut bytes = sealed.bytes();
        if link.wire.is_empty()
            && let Driver::Readiness(driver) = inner
        {
            match driver.send_bytes(token, bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) => {
                    sealed.clear();
                    return Err(error);
                }
            }
        }
        if !bytes.is_empty() {
            link.wire.push(bytes);
        }
        sealed.clear();
    }
    match link.wire.is_empty() {
        true => Ok(()),
        false => inner.send(token, &mut link.wire),
    }
}

//! Descriptors that wait in an outbox, beside the bytes that they go with. It must never let a byte
//! overtake the descriptors that were sent before it.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use super::Outbox;

/// What goes with a byte: how many bytes are before that one, and the descriptors.
pub(super) type Attached = VecDeque<(usize, Vec<OwnedFd>)>;

impl Outbox {
    /// Has `descriptors` go with the first byte of what is pushed next.
    pub(crate) fn attach(&mut self, descriptors: Vec<OwnedFd>) {
        let attached = self.attached.get_or_insert_default();
        attached.push_back((self.len, descriptors));
    }

    /// How many descriptors wait.
    pub(crate) fn attached(&self) -> usize {
        let attached = self.attached.iter().flat_map(|attached| attached.iter());
        attached.map(|(_, descriptors)| descriptors.len()).sum()
    }

    /// What can go out next in one piece, and the descriptors that go with its first byte; `None` if
    /// the outbox is empty.
    pub(crate) fn parcel(&self) -> Option<(&[u8], &[OwnedFd])> {
        let piece = self.pieces(0).next()?;
        let mut attached = self.attached.iter().flat_map(|attached| attached.iter());
        let (descriptors, next) = match attached.next() {
            Some((0, descriptors)) => (&descriptors[..], attached.next()),
            next => (&[][..], next),
        };
        // A byte that descriptors go with begins a piece of its own.
        let end = next.map_or(piece.len(), |(before, _)| piece.len().min(*before));
        Some((&piece[..end], descriptors))
    }

    /// Notes that the first `n` bytes of the last parcel have gone out, and its descriptors if there
    /// were any such bytes.
    pub(crate) fn advance_parcel(&mut self, n: usize) {
        self.advance(n);
        let Some(attached) = self.attached.as_mut().filter(|_| n > 0) else {
            return;
        };
        attached.pop_front_if(|(before, _)| *before == 0);
        attached.iter_mut().for_each(|(before, _)| *before -= n);
        if attached.is_empty() {
            self.attached = None;
        }
    }
}

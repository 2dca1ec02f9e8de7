//! What a program hands over to be sent, and whether that needs a copy.
//! It must never be kept: the outbox stores bytes of its own.

use bytes::Bytes;

/// Bytes to send: borrowed ones are copied into the outbox, [`Bytes`] and owned ones are not.
#[derive(Debug)]
pub enum Payload<'a> {
    /// To be copied, together with its neighbours.
    Copied(&'a [u8]),
    /// To be shared: a message to many receivers lies in memory once.
    Shared(Bytes),
    /// The same of bytes that the caller keeps, for the next receiver: nothing is counted up and down
    /// for each.
    Lent(&'a Bytes),
}

impl Payload<'_> {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        match self {
            Payload::Copied(bytes) => bytes.len(),
            Payload::Shared(bytes) => bytes.len(),
            Payload::Lent(bytes) => bytes.len(),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Payload::Copied(bytes) => bytes,
            Payload::Shared(bytes) => bytes,
            Payload::Lent(bytes) => bytes,
        }
    }

    /// The bytes, if copying them is right: if they are borrowed, or not more than `share`.
    #[inline]
    pub(crate) fn to_copy(&self, share: usize) -> Option<&[u8]> {
        match self {
            Payload::Copied(bytes) => Some(bytes),
            Payload::Shared(bytes) => (bytes.len() <= share).then_some(bytes),
            Payload::Lent(bytes) => (bytes.len() <= share).then_some(bytes),
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self {
            Payload::Copied(bytes) => Bytes::copy_from_slice(bytes),
            Payload::Shared(bytes) => bytes,
            Payload::Lent(bytes) => bytes.clone(),
        }
    }
}

macro_rules! payload_from {
    ($($from:ty, $value:ident => $payload:expr;)*) => {$(
        impl<'a> From<$from> for Payload<'a> {
            #[inline]
            fn from($value: $from) -> Payload<'a> {
                $payload
            }
        }
    )*};
}

payload_from! {
    &'a [u8], bytes => Payload::Copied(bytes);
    &'a str, text => Payload::Copied(text.as_bytes());
    &'a String, text => Payload::Copied(text.as_bytes());
    &'a Vec<u8>, bytes => Payload::Copied(bytes);
    &'a Bytes, bytes => Payload::Lent(bytes);
    Bytes, bytes => Payload::Shared(bytes);
    Vec<u8>, bytes => Payload::Shared(bytes.into());
    String, text => Payload::Shared(text.into());
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Payload<'a> {
        Payload::Copied(bytes)
    }
}

//! Values that a recording can hold: how they become bytes, and values again.
//! It must never read the bytes of a value as another type's, nor trust a length that it reads.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

/// A value that a recording can hold, so that a replay has it again without doing the work: what a
/// job of [`offload_replayable`](crate::Context::offload_replayable) returns.
///
/// Implement it for a type of your own by encoding its parts in order, and decoding them in the
/// same order:
///
/// ```
/// use switchboard::Replayable;
///
/// #[derive(Debug, PartialEq)]
/// struct User {
///     name: String,
///     age: Option<u8>,
/// }
///
/// impl Replayable for User {
///     fn encode(&self, out: &mut Vec<u8>) {
///         self.name.encode(out);
///         self.age.encode(out);
///     }
///
///     fn decode(bytes: &mut &[u8]) -> Option<User> {
///         let (name, age) = Replayable::decode(bytes)?;
///         Some(User { name, age })
///     }
/// }
///
/// let user = User { name: "Ada".to_owned(), age: Some(36) };
/// let mut bytes = Vec::new();
/// user.encode(&mut bytes);
/// assert_eq!(User::decode(&mut &bytes[..]), Some(user));
/// ```
///
/// Numbers take one byte for each seven bits (LEB128, as in the DWARF standard, version 5, section
/// 7.6), signed ones after the zigzag mapping; lengths stand in front of what they count.
pub trait Replayable: Sized {
    /// Appends the value to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes a value off the front of `bytes`; `None` if there is none of this type.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;
}

/// Takes `n` bytes off the front, if there are as many.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(n)?;
    *bytes = rest;
    Some(taken)
}

/// Appends `bytes` with their length in front.
pub(crate) fn put_slice(out: &mut Vec<u8>, bytes: &[u8]) {
    bytes.len().encode(out);
    out.extend_from_slice(bytes);
}

/// Takes off what [`put_slice`] has appended, without a copy.
pub(crate) fn take_slice<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::decode(bytes)?;
    take(bytes, len)
}

impl Replayable for u64 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    }

    fn decode(bytes: &mut &[u8]) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = u8::decode(bytes)?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None; // more than 64 bits
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl Replayable for i64 {
    fn encode(&self, out: &mut Vec<u8>) {
        ((self << 1) ^ (self >> 63)).cast_unsigned().encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<i64> {
        let folded = u64::decode(bytes)?;
        Some((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }
}

impl Replayable for u8 {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn decode(bytes: &mut &[u8]) -> Option<u8> {
        take(bytes, 1).map(|one| one[0])
    }
}

/// Numbers that travel as the widest of their kind, and are refused when they do not fit.
macro_rules! narrow {
    ($($narrow:ty as $wide:ty),*) => {$(
        impl Replayable for $narrow {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                (*self as $wide).encode(out);
            }

            fn decode(bytes: &mut &[u8]) -> Option<$narrow> {
                <$wide>::decode(bytes)?.try_into().ok()
            }
        }
    )*};
}

narrow! { u16 as u64, u32 as u64, usize as u64, i16 as i64, i32 as i64, isize as i64 }

/// Numbers whose bytes travel as they are, the lowest first.
macro_rules! fixed {
    ($($number:ty),*) => {$(
        impl Replayable for $number {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn decode(bytes: &mut &[u8]) -> Option<$number> {
                let bytes = take(bytes, size_of::<$number>())?;
                Some(<$number>::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

fixed! { i8, u128, i128, f32, f64 }

impl Replayable for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push((*self).into());
    }

    fn decode(bytes: &mut &[u8]) -> Option<bool> {
        match u8::decode(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Replayable for char {
    fn encode(&self, out: &mut Vec<u8>) {
        u32::from(*self).encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<char> {
        char::from_u32(u32::decode(bytes)?)
    }
}

impl Replayable for String {
    fn encode(&self, out: &mut Vec<u8>) {
        put_slice(out, self.as_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<String> {
        String::from_utf8(take_slice(bytes)?.to_vec()).ok()
    }
}

impl Replayable for Arc<str> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_slice(out, self.as_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Arc<str>> {
        str::from_utf8(take_slice(bytes)?).ok().map(Arc::from)
    }
}

/// What is shared is shared no more after a recording.
impl<T: Replayable> Replayable for Arc<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        T::encode(self, out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Arc<T>> {
        T::decode(bytes).map(Arc::new)
    }
}

impl Replayable for Bytes {
    fn encode(&self, out: &mut Vec<u8>) {
        put_slice(out, self);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Bytes> {
        take_slice(bytes).map(Bytes::copy_from_slice)
    }
}

impl<T: Replayable> Replayable for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.len().encode(out);
        self.iter().for_each(|item| item.encode(out));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Vec<T>> {
        let len = usize::decode(bytes)?;
        // Memory is taken for what is there, never for what a broken length promises.
        let mut items = Vec::with_capacity(len.min(bytes.len()));
        for _ in 0..len {
            items.push(T::decode(bytes)?);
        }
        Some(items)
    }
}

impl<T: Replayable> Replayable for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Option<T>> {
        match bool::decode(bytes)? {
            true => T::decode(bytes).map(Some),
            false => Some(None),
        }
    }
}

impl<T: Replayable, E: Replayable> Replayable for Result<T, E> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_ok().encode(out);
        match self {
            Ok(value) => value.encode(out),
            Err(error) => error.encode(out),
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Result<T, E>> {
        match bool::decode(bytes)? {
            true => T::decode(bytes).map(Ok),
            false => E::decode(bytes).map(Err),
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident),*);)*) => {$(
        #[allow(non_snake_case, unused_variables, reason = "the parts have no other names")]
        impl<$($part: Replayable),*> Replayable for ($($part,)*) {
            fn encode(&self, out: &mut Vec<u8>) {
                let ($($part,)*) = self;
                $($part.encode(out);)*
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode(bytes)?,)*))
            }
        }
    )*};
}

tuples! {
    ();
    (A);
    (A, B);
    (A, B, C);
    (A, B, C, D);
}

/// To the nanosecond.
impl Replayable for Duration {
    fn encode(&self, out: &mut Vec<u8>) {
        self.as_secs().encode(out);
        self.subsec_nanos().encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Duration> {
        let (seconds, nanos) = (u64::decode(bytes)?, u32::decode(bytes)?);
        (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
    }
}

impl Replayable for SystemTime {
    fn encode(&self, out: &mut Vec<u8>) {
        let since = self.duration_since(SystemTime::UNIX_EPOCH);
        since.map_err(|before| before.duration()).encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<SystemTime> {
        match Replayable::decode(bytes)? {
            Ok(after) => SystemTime::UNIX_EPOCH.checked_add(after),
            Err(before) => SystemTime::UNIX_EPOCH.checked_sub(before),
        }
    }
}

/// Without the flow label and scope of IPv6.
impl Replayable for SocketAddr {
    fn encode(&self, out: &mut Vec<u8>) {
        match self.ip() {
            IpAddr::V4(ip) => Ok::<u32, u128>(ip.to_bits()).encode(out),
            IpAddr::V6(ip) => Err::<u32, u128>(ip.to_bits()).encode(out),
        }
        self.port().encode(out);
    }

    fn decode(bytes: &mut &[u8]) -> Option<SocketAddr> {
        let ip: IpAddr = match Result::<u32, u128>::decode(bytes)? {
            Ok(v4) => IpAddr::V4(v4.into()),
            Err(v6) => IpAddr::V6(v6.into()),
        };
        Some(SocketAddr::new(ip, u16::decode(bytes)?))
    }
}

/// The system's number, if it has one; otherwise the kind and the text. Of an error that wraps
/// another one, its text is kept, not its type.
impl Replayable for io::Error {
    fn encode(&self, out: &mut Vec<u8>) {
        self.raw_os_error().encode(out);
        if self.raw_os_error().is_none() {
            let kind = KINDS.iter().position(|kind| *kind == self.kind());
            kind.unwrap_or(KINDS.len()).encode(out);
            self.to_string().encode(out);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<io::Error> {
        if let Some(code) = Replayable::decode(bytes)? {
            return Some(io::Error::from_raw_os_error(code));
        }
        let (kind, text): (usize, String) = Replayable::decode(bytes)?;
        let kind = KINDS.get(kind).copied().unwrap_or(io::ErrorKind::Other);
        // One without a text of its own shows its kind's.
        let plain = io::Error::from(kind);
        let same = plain.to_string() == text;
        Some(if same {
            plain
        } else {
            io::Error::new(kind, text)
        })
    }
}

/// The kinds of errors, by number: new ones go to the end.
const KINDS: [io::ErrorKind; 33] = {
    use io::ErrorKind::*;
    [
        NotFound,
        PermissionDenied,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkUnreachable,
        ConnectionAborted,
        NotConnected,
        AddrInUse,
        AddrNotAvailable,
        NetworkDown,
        BrokenPipe,
        AlreadyExists,
        WouldBlock,
        NotADirectory,
        IsADirectory,
        DirectoryNotEmpty,
        ReadOnlyFilesystem,
        StaleNetworkFileHandle,
        InvalidInput,
        InvalidData,
        TimedOut,
        WriteZero,
        StorageFull,
        NotSeekable,
        QuotaExceeded,
        FileTooLarge,
        ResourceBusy,
        Interrupted,
        Unsupported,
        UnexpectedEof,
        OutOfMemory,
        Deadlock,
    ]
};

#[cfg(test)]
mod tests;

//! Frames that begin with their length.
//! It must never look at a frame's bytes, nor reserve memory because a length says so.

use super::{Codec, DEFAULT_MAX, Frame};
use crate::{Error, Result};

/// A varint of 64 bits has seven of them in each byte.
const VARINT_MAX: usize = 10;

/// A frame is preceded by its length in bytes, which does not count itself: in two or four bytes,
/// big-endian unless said otherwise, or as a varint (the base 128 varint of Protocol Buffers: seven
/// bits in a byte, the lowest ones first, and the eighth bit says that another byte follows).
///
/// A stream that ends within a frame, or within a length, is reported as unfinished.
///
/// ```
/// use switchboard::codec::{Codec, LengthPrefixed};
///
/// let mut out = Vec::new();
/// LengthPrefixed::u16().encode(b"hello", &mut out)?;
/// assert_eq!(out, b"\x00\x05hello");
///
/// let mut codec = LengthPrefixed::u16().with_max(1024);
/// assert_eq!(codec.decode(&out)?.expect("it is whole").bytes, b"hello");
/// let error = codec.decode(b"\xff\xff").unwrap_err();
/// assert!(error.to_string().contains("65535 bytes"));
/// # Ok::<(), switchboard::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LengthPrefixed {
    prefix: Prefix,
    little: bool,
    max: usize,
    /// Fewer bytes than this hold no frame.
    needed: usize,
}

#[derive(Clone, Copy, Debug)]
enum Prefix {
    U16,
    U32,
    Varint,
}

impl LengthPrefixed {
    /// Lengths of two bytes; frames of up to 65,535 bytes.
    pub const fn u16() -> LengthPrefixed {
        LengthPrefixed::new(Prefix::U16)
    }

    /// Lengths of four bytes; frames of up to 64 KiB.
    pub const fn u32() -> LengthPrefixed {
        LengthPrefixed::new(Prefix::U32)
    }

    /// Lengths of one to ten bytes; frames of up to 64 KiB.
    pub const fn varint() -> LengthPrefixed {
        LengthPrefixed::new(Prefix::Varint)
    }

    const fn new(prefix: Prefix) -> LengthPrefixed {
        LengthPrefixed {
            prefix,
            little: false,
            max: DEFAULT_MAX,
            needed: 0,
        }
    }

    /// The most bytes of one frame, its length not counted (default 64 KiB). What a peer announces
    /// beyond that is an error at once, before any of it has come.
    #[must_use]
    pub const fn with_max(mut self, bytes: usize) -> LengthPrefixed {
        self.max = bytes;
        self
    }

    /// The lowest byte of a length comes first. A varint is that way already.
    #[must_use]
    pub const fn with_little_endian(mut self) -> LengthPrefixed {
        self.little = true;
        self
    }

    /// The length, and how many bytes it takes up; `None` if it is not whole.
    fn prefix(&self, data: &[u8]) -> Result<Option<(u64, usize)>> {
        Ok(match self.prefix {
            Prefix::U16 => data.first_chunk().map(|bytes| {
                let len = match self.little {
                    true => u16::from_le_bytes(*bytes),
                    false => u16::from_be_bytes(*bytes),
                };
                (len.into(), 2)
            }),
            Prefix::U32 => data.first_chunk().map(|bytes| {
                let len = match self.little {
                    true => u32::from_le_bytes(*bytes),
                    false => u32::from_be_bytes(*bytes),
                };
                (len.into(), 4)
            }),
            Prefix::Varint => varint(data)?,
        })
    }

    fn check(&self, len: u64) -> Result<usize> {
        let most = match self.prefix {
            Prefix::U16 => u16::MAX as usize,
            Prefix::U32 => u32::MAX as usize,
            Prefix::Varint => usize::MAX,
        };
        let limit = self.max.min(most);
        match usize::try_from(len) {
            Ok(len) if len <= limit => Ok(len),
            _ => Err(Error::FrameTooLong { len, limit }),
        }
    }
}

fn varint(data: &[u8]) -> Result<Option<(u64, usize)>> {
    let mut value = 0;
    for (at, byte) in data.iter().take(VARINT_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if at == VARINT_MAX - 1 && *byte > 1 {
            return Err(Error::BadFrame("a varint exceeds 64 bits"));
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    Ok(None)
}

impl Codec for LengthPrefixed {
    fn decode<'d>(&mut self, data: &'d [u8]) -> Result<Option<Frame<'d>>> {
        if data.len() < self.needed {
            return Ok(None);
        }
        let Some((len, start)) = self.prefix(data)? else {
            return Ok(None);
        };
        let end = start.saturating_add(self.check(len)?);
        let Some(bytes) = data.get(start..end) else {
            self.needed = end;
            return Ok(None);
        };
        self.needed = 0;
        Ok(Some(Frame {
            bytes,
            consumed: end,
        }))
    }

    fn encode(&self, frame: &[u8], out: &mut Vec<u8>) -> Result {
        let len = self.check(frame.len() as u64)?;
        match self.prefix {
            // `check` has seen to it that none of the casts cuts anything off.
            Prefix::U16 if self.little => out.extend((len as u16).to_le_bytes()),
            Prefix::U16 => out.extend((len as u16).to_be_bytes()),
            Prefix::U32 if self.little => out.extend((len as u32).to_le_bytes()),
            Prefix::U32 => out.extend((len as u32).to_be_bytes()),
            Prefix::Varint => {
                let mut rest = len;
                while rest > 0x7f {
                    out.push(rest as u8 | 0x80);
                    rest >>= 7;
                }
                out.push(rest as u8);
            }
        }
        out.extend_from_slice(frame);
        Ok(())
    }

    fn unread_max(&self) -> usize {
        let prefix = match self.prefix {
            Prefix::U16 => 2,
            Prefix::U32 => 4,
            Prefix::Varint => VARINT_MAX,
        };
        self.max.saturating_add(prefix)
    }

    fn rewind(&mut self) {
        self.needed = 0;
    }
}

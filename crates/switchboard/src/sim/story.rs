//! The log of a simulation: what happened, when and where; for people to read, and as a hash that
//! two runs can be compared by. It must never hold an address of memory or the wall clock's time,
//! and never leave bytes out of the hash that it leaves out of the text.

use std::collections::VecDeque;
use std::fmt::Write;

use super::world::MachineId;
use crate::{Time, Token};

/// Entries that are kept for people; the hash covers all.
const KEPT: usize = 10_000;

/// Bytes of a message that are shown.
const EXCERPT: usize = 48;

pub(crate) struct Entry<'a> {
    pub(crate) machine: Option<MachineId>,
    pub(crate) what: &'static str,
    pub(crate) token: Option<Token>,
    pub(crate) detail: Detail<'a>,
}

/// What an entry is about.
pub(crate) enum Detail<'a> {
    None,
    Bytes(&'a [u8]),
    Text(String),
}

struct Kept {
    at: Time,
    machine: Option<MachineId>,
    what: &'static str,
    token: Option<Token>,
    detail: String,
}

pub(crate) struct Story {
    hash: Fnv,
    kept: VecDeque<Kept>,
    entries: u64,
}

impl Story {
    pub(crate) fn new(seed: u64) -> Story {
        let mut hash = Fnv::new();
        hash.number(seed);
        Story {
            hash,
            kept: VecDeque::new(),
            entries: 0,
        }
    }

    pub(crate) fn tell(&mut self, at: Time, entry: Entry<'_>) {
        self.entries += 1;
        self.hash.number(at.as_nanos());
        self.hash
            .number(entry.machine.map_or(0, |id| id.0 as u64 + 1));
        self.hash.bytes(entry.what.as_bytes());
        if let Some(token) = entry.token {
            self.hash
                .number(u64::from(token.slot) << 32 | u64::from(token.generation));
        }
        let detail = match entry.detail {
            Detail::None => String::new(),
            Detail::Bytes(bytes) => {
                self.hash.bytes(bytes);
                excerpt(bytes)
            }
            Detail::Text(text) => {
                self.hash.bytes(text.as_bytes());
                text
            }
        };
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept {
            at,
            machine: entry.machine,
            what: entry.what,
            token: entry.token,
            detail,
        });
    }

    pub(crate) fn hash(&self) -> u128 {
        self.hash.0
    }

    /// The log as lines of text, the newest last.
    pub(crate) fn text(&self, name: impl Fn(MachineId) -> String) -> String {
        let mut text = String::new();
        let dropped = self.entries - self.kept.len() as u64;
        if dropped > 0 {
            let _ = writeln!(text, "({dropped} earlier entries are not kept)");
        }
        for entry in &self.kept {
            let nanos = entry.at.as_nanos();
            let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
            let machine = entry.machine.map_or("network".to_owned(), &name);
            let token = entry.token.map_or(String::new(), |token| token.to_string());
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "{seconds:>4}.{rest:09} s  {machine:<10} {:<15} {token}",
                entry.what
            );
            if !entry.detail.is_empty() {
                let _ = write!(text, "  {}", entry.detail);
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

fn excerpt(bytes: &[u8]) -> String {
    let shown = bytes[..bytes.len().min(EXCERPT)].escape_ascii();
    let more = if bytes.len() > EXCERPT { "..." } else { "" };
    format!("{} bytes \"{shown}{more}\"", bytes.len())
}

/// FNV-1a with 128 bits (Fowler, Noll, Vo; draft-eastlake-fnv): the same for all processes and machines.
struct Fnv(u128);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    /// The length goes first: "ab" and "c" are not "a" and "bc".
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        for byte in bytes {
            self.byte(*byte);
        }
    }

    fn number(&mut self, number: u64) {
        for byte in number.to_le_bytes() {
            self.byte(byte);
        }
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        const PRIME: u128 = (1 << 88) + 0x13b;
        self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(PRIME);
    }
}

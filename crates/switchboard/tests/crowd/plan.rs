//! Who is in the crowd, what each one sends, and what each one has to be answered. All of it
//! follows from one seed.

use std::time::Duration;

use fastrand::Rng;

/// Messages of a client that is not a flood.
pub const MESSAGES: u32 = 100;

/// Over how long the clients arrive.
const ARRIVAL: u64 = 300;

/// The longest padding of a message, in bytes.
const PADDING: usize = 60;

/// What a client does. Where it leaves is a place in its script, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends its script, finishes sending, and reads until the server closes.
    Stays,
    /// Finishes sending in the middle, often of a message, and reads until the server closes.
    Finishes(usize),
    /// Closes the socket in the middle.
    Drops(usize),
    /// Reads nothing, so that closing the socket in the middle resets the connection.
    Resets(usize),
    /// Sends without end, as much as is taken, and never reads.
    NeverReads,
    /// As `NeverReads`, until all others have gone: then finishes sending, and reads everything.
    ReadsLate,
}

impl Role {
    /// Whether it floods the server, rather than sending a script.
    pub fn floods(self) -> bool {
        matches!(self, Role::NeverReads | Role::ReadsLate)
    }

    /// Whether it reads until the server closes.
    pub fn hears_the_end(self) -> bool {
        matches!(self, Role::Stays | Role::Finishes(_) | Role::ReadsLate)
    }
}

/// One client's part.
#[derive(Clone, Debug)]
pub struct Part {
    pub id: u32,
    pub role: Role,
    /// All that it sends. Empty for a flood, which makes its messages as it goes.
    pub script: Vec<u8>,
    pub arrives_after: Duration,
    /// Seeds what it decides on its way.
    pub seed: u64,
}

impl Part {
    /// How many messages it has sent completely when it has sent all that it will.
    pub fn messages(&self) -> u32 {
        let sent = match self.role {
            Role::Finishes(at) | Role::Drops(at) | Role::Resets(at) => &self.script[..at],
            _ => &self.script[..],
        };
        sent.iter().filter(|byte| **byte == b'\n').count() as u32
    }
}

/// Gives `clients` clients their parts: 10 % leave in the middle, in three ways; 5 % never read,
/// and another 2 % read late.
pub fn cast(seed: u64, clients: usize) -> Vec<Part> {
    let mut rng = Rng::with_seed(seed);
    let mut ids: Vec<u32> = (0..clients as u32).collect();
    rng.shuffle(&mut ids);
    let part = |(index, id): (usize, u32)| {
        let script = script(&mut rng, id);
        let at = rng.usize(1..script.len());
        let role = match index * 100 / clients {
            0..4 => Role::Finishes(at),
            4..6 => Role::Drops(at),
            6..10 => Role::Resets(at),
            10..15 => Role::NeverReads,
            15..17 => Role::ReadsLate,
            _ => Role::Stays,
        };
        Part {
            id,
            role,
            script: if role.floods() { Vec::new() } else { script },
            arrives_after: Duration::from_millis(rng.u64(0..ARRIVAL)),
            seed: rng.u64(..),
        }
    };
    ids.into_iter().enumerate().map(part).collect()
}

fn script(rng: &mut Rng, id: u32) -> Vec<u8> {
    let mut script = Vec::new();
    for number in 0..MESSAGES {
        let padding = rng.usize(..=PADDING);
        script.extend(message(id, number, padding).into_bytes());
    }
    script
}

/// A message: who sends it, its number, and padding of `padding` bytes.
pub fn message(id: u32, number: u32, padding: usize) -> String {
    format!("{id} {number} {:x<padding$}\n", "")
}

/// The answer to a message.
pub fn receipt(id: u32, number: u32) -> String {
    format!("receipt {id} {number}\n")
}

/// What one client has been answered, compared byte for byte with what it has to be.
#[derive(Debug)]
pub struct Receipts {
    id: u32,
    /// Receipts that have come completely.
    pub whole: u32,
    /// The one that is coming, and how much of it has come.
    next: String,
    come: usize,
}

impl Receipts {
    pub fn new(id: u32) -> Receipts {
        Receipts {
            id,
            whole: 0,
            next: receipt(id, 0),
            come: 0,
        }
    }

    /// Takes what has come; an error says what should have.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let owed = &self.next.as_bytes()[self.come..];
            let n = owed.len().min(bytes.len());
            let (come, rest) = bytes.split_at(n);
            if come != &owed[..n] {
                let come = come.escape_ascii();
                return Err(format!("{:?} is owed, {come} came", self.next));
            }
            bytes = rest;
            self.come += n;
            if self.come == self.next.len() {
                self.come = 0;
                self.whole += 1;
                self.next = receipt(self.id, self.whole);
            }
        }
        Ok(())
    }

    /// Whether exactly `messages` receipts have come, and not a byte more.
    pub fn are_exactly(&self, messages: u32) -> bool {
        self.whole == messages && self.come == 0
    }
}

//! What was handed to `send`, and what came out at the peer's `recv`: the same bytes, in the same
//! order, once. It must never be changed by a crash: it stands outside of the simulated world.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use switchboard::Close;

/// One direction of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    pub connection: u64,
    /// From the end that connected.
    pub forth: bool,
}

impl Flow {
    /// The other direction.
    pub fn back(self) -> Flow {
        Flow {
            forth: !self.forth,
            ..self
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Bytes for which `send` was `Ok`.
    pub taken: u64,
    /// Bytes that the peer has consumed.
    pub got: u64,
    /// The peer has seen the end behind them.
    pub eof: bool,
    /// The sender's reason, if it was told one.
    pub ended: Option<String>,
    /// That promises that all was delivered.
    pub clean: bool,
}

/// Shared by all hosts of one simulation.
#[derive(Clone, Default)]
pub struct Ledger {
    accounts: Rc<RefCell<BTreeMap<Flow, Account>>>,
    connections: Rc<Cell<u64>>,
    changes: Rc<Cell<u64>>,
    /// Somebody on the way may end a connection: an end says nothing of what came before.
    loses: Rc<Cell<bool>>,
}

impl Ledger {
    fn with<T>(&self, flow: Flow, change: impl FnOnce(&mut Account) -> T) -> T {
        self.changes.set(self.changes.get() + 1);
        change(self.accounts.borrow_mut().entry(flow).or_default())
    }

    pub fn allow_losses(&self) {
        self.loses.set(true);
    }

    /// The outgoing flow of a new connection.
    pub fn open(&self) -> Flow {
        self.connections.set(self.connections.get() + 1);
        Flow {
            connection: self.connections.get(),
            forth: true,
        }
    }

    pub fn of(&self, flow: Flow) -> Account {
        let accounts = self.accounts.borrow();
        accounts.get(&flow).cloned().unwrap_or_default()
    }

    /// How much has happened: as long as this does not change, nothing moves.
    pub fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// The next bytes to send, which `taken` is told of if they were.
    pub fn next(&self, flow: Flow, len: usize) -> Vec<u8> {
        let at = self.of(flow).taken;
        (at..at + len as u64).map(|at| byte(flow, at)).collect()
    }

    pub fn taken(&self, flow: Flow, len: usize) {
        self.with(flow, |account| account.taken += len as u64);
    }

    /// The peer has consumed these bytes, which `like` says the content of.
    pub fn got(&self, flow: Flow, like: Flow, bytes: &[u8]) {
        self.with(flow, |account| {
            for (offset, got) in bytes.iter().enumerate() {
                let at = account.got + offset as u64;
                assert_eq!(*got, byte(like, at), "{flow:?} is wrong from byte {at} on");
            }
            account.got += bytes.len() as u64;
            let Account { taken, got, .. } = *account;
            assert!(
                got <= taken,
                "{flow:?}: {got} bytes came, {taken} were sent"
            );
        });
    }

    pub fn eof(&self, flow: Flow) {
        self.with(flow, |account| account.eof = true);
        self.settle(flow);
    }

    pub fn ended(&self, flow: Flow, why: &Close) {
        self.with(flow, |account| {
            account.ended = Some(why.to_string());
            account.clean = matches!(why, Close::Requested | Close::Eof);
        });
        self.settle(flow);
    }

    /// A clean end of the sender and the end seen by the peer: nothing may be missing.
    fn settle(&self, flow: Flow) {
        let account = self.of(flow);
        if account.eof && account.clean && !self.loses.get() {
            let Account { taken, got, .. } = account;
            assert_eq!(got, taken, "{flow:?}: bytes are missing before the end");
        }
    }
}

/// The content of a flow: no two places of it look alike.
pub fn byte(flow: Flow, at: u64) -> u8 {
    let of = flow.connection * 2 + u64::from(flow.forth);
    let mixed = (at ^ of << 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 56) as u8
}

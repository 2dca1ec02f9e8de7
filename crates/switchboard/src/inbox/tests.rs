//! The inbox against a plain vector that moves its bytes all the time.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Consume(prop::sample::Index),
    ConsumeAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..200).prop_map(Step::Append),
        3 => any::<prop::sample::Index>().prop_map(Step::Consume),
        1 => Just(Step::ConsumeAll),
    ]
}

/// An inbox, what it should hold, and what it has cost.
struct Pair {
    inbox: Inbox,
    model: Vec<u8>,
    appended: usize,
    consumed: usize,
    moved: usize,
}

impl Pair {
    fn new(first: usize) -> Pair {
        let mut pair = Pair {
            inbox: Inbox::default(),
            model: Vec::new(),
            appended: 0,
            consumed: 0,
            moved: 0,
        };
        let bytes = pair.next_bytes(first);
        pair.inbox = Inbox::from_slice(&bytes);
        pair.model.extend(&bytes);
        pair
    }

    /// Bytes that differ from their neighbours, so that a lost one shows.
    fn next_bytes(&mut self, len: usize) -> Vec<u8> {
        let start = self.appended;
        self.appended += len;
        (start..self.appended).map(|i| (i % 251) as u8).collect()
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Append(len) => {
                let bytes = self.next_bytes(*len);
                self.model.extend(&bytes);
                let (head, left) = (self.inbox.head, self.inbox.len());
                assert_eq!(self.inbox.append(&bytes), self.model);
                if self.inbox.head != head {
                    self.moved += left;
                }
                // Consumed bytes never take more room than the unread ones.
                assert!(self.inbox.buffer.len() <= 2 * self.model.len());
            }
            Step::Consume(index) => self.consume(index.index(self.model.len() + 1)),
            Step::ConsumeAll => self.consume(self.model.len()),
        }
    }

    fn consume(&mut self, n: usize) {
        self.inbox.consume(n);
        self.model.drain(..n);
        self.consumed += n;
    }

    fn check(&self) {
        assert_eq!(self.inbox.bytes(), self.model);
        assert_eq!(self.inbox.len(), self.model.len());
        assert!(
            self.moved <= self.consumed,
            "{} bytes moved for {} consumed",
            self.moved,
            self.consumed
        );
    }
}

proptest! {
    #[test]
    fn agrees_with_a_vector(
        first in 0usize..100,
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut pair = Pair::new(first);
        for step in &steps {
            pair.run(step);
            pair.check();
        }
    }
}

/// A handler that takes a byte at a time out of a large inbox: with a move for each, that would be
/// 5 GB of them.
#[test]
fn single_bytes_of_a_large_inbox_are_not_moved_again_and_again() {
    const BYTES: usize = 100_000;
    let mut pair = Pair::new(BYTES);
    for _ in 0..BYTES {
        pair.inbox.consume(1);
        pair.consumed += 1;
        let (head, left) = (pair.inbox.head, pair.inbox.len());
        pair.inbox.append(&[]);
        if pair.inbox.head != head {
            pair.moved += left;
        }
    }
    assert!(pair.moved <= BYTES, "{} bytes moved", pair.moved);
    assert_eq!(pair.inbox.len(), 0);
}

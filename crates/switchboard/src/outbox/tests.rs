//! The outbox against a queue of the messages that were sent, each as it was.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    PushShared(usize),
    Advance(prop::sample::Index),
    AdvanceAll,
    DropOldest,
}

/// Most messages are small; some are as large as a chunk, and some much larger.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        4 => 0usize..300,
        1 => CHUNK - 2..CHUNK + 2,
        1 => CHUNK..3 * CHUNK,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => length().prop_map(Step::Push),
        2 => length().prop_map(Step::PushShared),
        3 => any::<prop::sample::Index>().prop_map(Step::Advance),
        1 => Just(Step::AdvanceAll),
        1 => Just(Step::DropOldest),
    ]
}

/// As under the policy that drops: each message keeps to itself.
fn shared_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..50).prop_map(Step::PushShared),
        2 => any::<prop::sample::Index>().prop_map(Step::Advance),
        1 => Just(Step::AdvanceAll),
        2 => Just(Step::DropOldest),
    ]
}

struct Message {
    bytes: Vec<u8>,
    /// How many of them have gone out.
    sent: usize,
}

/// An outbox, and the messages that should be in it.
#[derive(Default)]
struct Pair {
    outbox: Outbox,
    model: VecDeque<Message>,
    pushed: usize,
}

fn unsent<'m>(messages: impl IntoIterator<Item = &'m Message>) -> Vec<u8> {
    let rests = messages
        .into_iter()
        .map(|message| &message.bytes[message.sent..]);
    rests.collect::<Vec<_>>().concat()
}

/// What `gather` finds with room for `room` slices.
fn gathered(outbox: &Outbox, room: usize) -> (usize, Vec<u8>) {
    let mut slices = vec![IoSlice::new(&[]); room];
    let filled = outbox.gather(&mut slices);
    let pieces: Vec<&[u8]> = slices[..filled].iter().map(|slice| &slice[..]).collect();
    (filled, pieces.concat())
}

impl Pair {
    /// A message that differs from those before it, so that a mix-up shows.
    fn message(&mut self, len: usize) -> Vec<u8> {
        self.pushed += 1;
        let bytes: Vec<u8> = (0..len).map(|i| (self.pushed * 7 + i) as u8).collect();
        if len > 0 {
            self.model.push_back(Message {
                bytes: bytes.clone(),
                sent: 0,
            });
        }
        bytes
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Push(len) => {
                let bytes = self.message(*len);
                self.outbox.push(&bytes);
            }
            Step::PushShared(len) => {
                let bytes = self.message(*len);
                self.outbox.push_shared(bytes.into());
            }
            Step::Advance(index) => self.advance(index.index(self.outbox.len() + 1)),
            Step::AdvanceAll => self.advance(self.outbox.len()),
            Step::DropOldest => self.drop_oldest(),
        }
    }

    fn advance(&mut self, mut n: usize) {
        self.outbox.advance(n);
        while let Some(first) = self.model.front_mut() {
            let taken = n.min(first.bytes.len() - first.sent);
            first.sent += taken;
            n -= taken;
            if first.sent < first.bytes.len() {
                return;
            }
            self.model.pop_front();
        }
    }

    /// Whatever was dropped has to be a row of whole messages of which nothing has gone out.
    fn drop_oldest(&mut self) {
        let Some(dropped) = self.outbox.drop_oldest() else {
            return;
        };
        let (_, left) = gathered(&self.outbox, 1000);
        for start in 0..self.model.len() {
            let mut end = start;
            let mut len = 0;
            while len < dropped && end < self.model.len() && self.model[end].sent == 0 {
                len += self.model[end].bytes.len();
                end += 1;
            }
            let others = self.model.range(..start).chain(self.model.range(end..));
            if len == dropped && unsent(others) == left {
                self.model.drain(start..end);
                return;
            }
        }
        panic!("the {dropped} bytes that were dropped are no whole messages");
    }

    fn check(&self) {
        let expected = unsent(&self.model);
        assert_eq!(self.outbox.len(), expected.len());
        assert_eq!(self.outbox.is_empty(), expected.is_empty());
        let (chunks, bytes) = gathered(&self.outbox, 1000);
        assert!(bytes == expected, "other bytes wait than were sent");
        let (filled, first) = gathered(&self.outbox, 2);
        assert_eq!(filled, chunks.min(2));
        assert!(expected.starts_with(&first));
        match self.outbox.single() {
            Some(bytes) => assert!(bytes == expected, "all of it lies in one piece"),
            None => assert!(chunks > 0),
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_queue_of_messages(steps in prop::collection::vec(step(), 1..80)) {
        let mut pair = Pair::default();
        for step in &steps {
            pair.run(step);
            pair.check();
        }
        pair.run(&Step::AdvanceAll);
        pair.check();
        prop_assert!(pair.outbox.is_empty());
    }

    #[test]
    fn drops_the_oldest_message_that_has_not_begun(
        steps in prop::collection::vec(shared_step(), 1..80),
    ) {
        let mut pair = Pair::default();
        for step in &steps {
            if let Step::DropOldest = step {
                let unbegun = pair.model.iter().position(|message| message.sent == 0);
                let oldest = unbegun.and_then(|index| pair.model.remove(index));
                let expected = oldest.map(|message| message.bytes.len());
                prop_assert_eq!(pair.outbox.drop_oldest(), expected);
            } else {
                pair.run(step);
            }
            pair.check();
        }
    }
}

#[test]
fn small_messages_share_chunks() {
    let mut outbox = Outbox::default();
    for _ in 0..1000 {
        outbox.push(&[b'x'; 100]);
    }
    let (chunks, _) = gathered(&outbox, 1000);
    assert!(chunks <= 100_000 / CHUNK + 2, "{chunks} chunks");
}

#[test]
fn shared_bytes_are_not_copied() {
    let bytes = Bytes::from(vec![b'x'; 100]);
    let mut outbox = Outbox::default();
    outbox.push(b"before");
    outbox.push_shared(bytes.clone());
    let mut slices = [IoSlice::new(&[]); 2];
    assert_eq!(outbox.gather(&mut slices), 2);
    assert_eq!(slices[1].as_ptr(), bytes.as_ptr());
}

/// Spare outboxes wait by the hundred: what one connection needed in a bad moment must not stay.
#[test]
fn an_outbox_that_has_grown_large_is_not_kept() {
    let mut many_chunks = Outbox::default();
    for _ in 0..10_000 {
        many_chunks.push_shared(Bytes::from_static(b"x"));
    }
    many_chunks.advance(10_000);
    assert!(many_chunks.is_empty() && !many_chunks.is_reusable());
    let mut long_tail = Outbox::default();
    long_tail.push(&[b'x'; 2 * CHUNK]);
    long_tail.advance(2 * CHUNK);
    assert!(long_tail.is_empty() && !long_tail.is_reusable());
    let mut usual = Outbox::default();
    usual.push(&[b'x'; 100]);
    usual.push_shared(Bytes::from_static(b"x"));
    usual.advance(101);
    assert!(usual.is_empty() && usual.is_reusable());
}

#[test]
fn descriptors_go_with_their_byte() {
    let descriptor = || std::io::pipe().unwrap().0.into();
    let mut outbox = Outbox::default();
    outbox.push(b"abc");
    outbox.attach(vec![descriptor(), descriptor()]);
    outbox.push(b"de");
    outbox.attach(vec![descriptor()]);
    outbox.push_shared(Bytes::from_static(b"f"));
    let parcel = |outbox: &Outbox| {
        let parcel = outbox.parcel();
        parcel.map(|(bytes, descriptors)| (bytes.to_vec(), descriptors.len()))
    };
    assert_eq!(outbox.attached(), 3);
    assert_eq!(parcel(&outbox), Some((b"abc".to_vec(), 0)));
    outbox.advance_parcel(2);
    assert_eq!(parcel(&outbox), Some((b"c".to_vec(), 0)));
    outbox.advance_parcel(1);
    assert_eq!(parcel(&outbox), Some((b"de".to_vec(), 2)));
    outbox.advance_parcel(0);
    assert_eq!(parcel(&outbox), Some((b"de".to_vec(), 2)));
    outbox.advance_parcel(1);
    assert_eq!(parcel(&outbox), Some((b"e".to_vec(), 0)));
    outbox.advance_parcel(1);
    assert_eq!(
        (outbox.attached(), parcel(&outbox)),
        (1, Some((b"f".to_vec(), 1)))
    );
    outbox.advance_parcel(1);
    assert_eq!((outbox.attached(), parcel(&outbox)), (0, None));
}

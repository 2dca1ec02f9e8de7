//! Framing does not depend on how the network cuts a stream: any cutting gives the same messages.

use proptest::prelude::*;
use switchboard_chat::framing::{Decoder, Step};

const TEXT_BYTES_MAX: usize = 6;

/// What a stream amounts to: messages with their kind of end, and whether it was refused.
#[derive(Debug, Default, PartialEq, Eq)]
struct Received {
    messages: Vec<(Vec<u8>, bool)>,
    too_long: bool,
}

/// The rules, written down the slow way on the whole stream.
fn model(stream: &[u8]) -> Received {
    let mut received = Received::default();
    let mut rest = stream;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..at];
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if text.len() > TEXT_BYTES_MAX {
            received.too_long = true;
            return received;
        }
        received.messages.push((text.to_vec(), true));
        rest = &rest[at + 1..];
    }
    if rest.len() > TEXT_BYTES_MAX {
        received.too_long = true;
    } else if !rest.is_empty() {
        received.messages.push((rest.to_vec(), false));
    }
    received
}

/// The way of a handler: bytes arrive in pieces, unread ones stay in front of the next piece.
fn receive<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Received {
    let mut decoder = Decoder::new(TEXT_BYTES_MAX);
    let mut inbox = Vec::new();
    let mut received = Received::default();
    let mut take = |step: Step<'_>| match step {
        Step::Message {
            text,
            consumed,
            newline,
        } => {
            received.messages.push((text.to_vec(), newline));
            Some(consumed)
        }
        Step::NeedMore => None,
        Step::TooLong => {
            received.too_long = true;
            None
        }
    };
    for piece in pieces {
        inbox.extend_from_slice(piece);
        while let Some(consumed) = take(decoder.next(&inbox)) {
            inbox.drain(..consumed);
        }
        assert!(decoder.pending() <= decoder.buffer_bytes_max());
    }
    take(decoder.on_end(&inbox));
    received
}

fn chatty_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![4 => Just(b'x'), 2 => Just(b'\n'), 2 => Just(b'\r'), 1 => any::<u8>()];
    prop::collection::vec(byte, 0..60)
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_messages(
        stream in chatty_bytes(),
        sizes in prop::collection::vec(1_usize..9, 60),
    ) {
        let mut rest = stream.as_slice();
        let pieces = sizes.into_iter().map(|size| {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            rest = behind;
            piece
        });
        prop_assert_eq!(receive(pieces), model(&stream));
    }

    #[test]
    fn whole_and_byte_by_byte_are_the_same(stream in chatty_bytes()) {
        prop_assert_eq!(receive(std::iter::once(stream.as_slice())), model(&stream));
        prop_assert_eq!(receive(stream.chunks(1)), model(&stream));
    }
}

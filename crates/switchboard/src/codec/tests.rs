//! Codecs against models that see the whole stream at once, and the work that they do: fed through
//! the inbox as the reactor does, so each sees what is unread from its first byte on, always again.

use std::cell::Cell;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Error;
use crate::inbox::Inbox;

thread_local! {
    static SEARCHED: Cell<usize> = const { Cell::new(0) };
}

/// Counts bytes that were looked at for the end of a frame.
pub(super) fn note_searched(bytes: usize) {
    SEARCHED.set(SEARCHED.get() + bytes);
}

/// A codec over an inbox.
struct Feed<C> {
    codec: C,
    inbox: Inbox,
    frames: Vec<Vec<u8>>,
}

impl<C: Codec> Feed<C> {
    fn new(codec: C) -> Feed<C> {
        SEARCHED.set(0);
        Feed {
            codec,
            inbox: Inbox::default(),
            frames: Vec::new(),
        }
    }

    /// Hands over `bytes`, and takes each frame that they complete.
    fn push(&mut self, bytes: &[u8]) -> Result {
        self.push_with(bytes, |_, _| ())
    }

    /// The same; `next` is told how many frames there have been.
    fn push_with(&mut self, bytes: &[u8], next: impl Fn(&mut C, usize)) -> Result {
        self.inbox.append(bytes);
        loop {
            let data = self.inbox.bytes();
            let Some(frame) = self.codec.decode(data)? else {
                assert!(data.len() <= self.codec.unread_max());
                return Ok(());
            };
            assert!(data.as_ptr_range().contains(&frame.bytes.as_ptr()) || frame.bytes.is_empty());
            self.frames.push(frame.bytes.to_vec());
            self.inbox.consume(frame.consumed);
            next(&mut self.codec, self.frames.len());
        }
    }

    fn push_in_pieces(&mut self, stream: &[u8], cuts: &[prop::sample::Index]) -> Result {
        pieces(stream, cuts)
            .into_iter()
            .try_for_each(|piece| self.push(piece))
    }
}

/// `stream`, cut there.
fn pieces<'d>(stream: &'d [u8], cuts: &[prop::sample::Index]) -> Vec<&'d [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    let pairs = places.windows(2);
    pairs.map(|pair| &stream[pair[0]..pair[1]]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    vec(any::<prop::sample::Index>(), 0..40)
}

/// Bytes among which newlines and parts of terminators are frequent.
fn text(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'x'), any::<u8>()];
    vec(byte, 0..most)
}

fn length_prefixed() -> impl Strategy<Value = LengthPrefixed> {
    let width = prop_oneof![
        Just(LengthPrefixed::u16()),
        Just(LengthPrefixed::u32()),
        Just(LengthPrefixed::varint())
    ];
    (width, any::<bool>()).prop_map(|(codec, little)| match little {
        true => codec.with_little_endian(),
        false => codec,
    })
}

/// The lines of a whole stream, and whether each fits.
fn lines_of(stream: &[u8], max: usize) -> (Vec<Vec<u8>>, bool) {
    let mut lines = Vec::new();
    let mut rest = stream;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.len() > max {
            return (lines, false);
        }
        lines.push(line.to_vec());
        rest = &rest[end + 1..];
    }
    let begun = rest.strip_suffix(b"\r").unwrap_or(rest);
    (lines, begun.len() <= max)
}

/// The frames of a whole stream, up to the first that does not fit.
fn frames_of(stream: &[u8], terminator: &[u8], max: usize) -> (Vec<Vec<u8>>, bool) {
    let mut frames = Vec::new();
    let mut rest = stream;
    let is_at = |rest: &[u8], at: usize| rest[at..].starts_with(terminator);
    while let Some(end) = (0..rest.len()).find(|at| is_at(rest, *at)) {
        if end > max {
            return (frames, false);
        }
        frames.push(rest[..end].to_vec());
        rest = &rest[end + terminator.len()..];
    }
    (frames, rest.len() < max + terminator.len())
}

const TERMINATORS: &[&[u8]] = &[b"\n", b"\r\n\r\n", b"xx", b"x\rx"];

proptest! {
    #[test]
    fn any_cutting_gives_the_same_lines(stream in text(200), max in 0usize..20, cuts in cuts()) {
        let mut feed = Feed::new(Lines::new().with_max(max));
        let outcome = feed.push_in_pieces(&stream, &cuts);
        let (lines, fit) = lines_of(&stream, max);
        prop_assert_eq!(&feed.frames, &lines);
        prop_assert_eq!(outcome.is_ok(), fit);
        if fit {
            prop_assert!(SEARCHED.get() <= stream.len());
        }
    }

    #[test]
    fn any_cutting_gives_the_same_terminated_frames(
        stream in text(200),
        terminator in prop::sample::select(TERMINATORS),
        max in 0usize..30,
        cuts in cuts(),
    ) {
        let mut feed = Feed::new(Terminated::new(terminator).with_max(max));
        let outcome = feed.push_in_pieces(&stream, &cuts);
        let (frames, fit) = frames_of(&stream, terminator, max);
        prop_assert_eq!(&feed.frames, &frames);
        prop_assert_eq!(outcome.is_ok(), fit);
        if fit {
            prop_assert!(SEARCHED.get() <= stream.len());
        }
    }

    #[test]
    fn any_cutting_gives_the_same_counted_frames(
        codec in length_prefixed(),
        frames in vec(vec(any::<u8>(), 0..300), 0..10),
        cuts in cuts(),
    ) {
        let mut stream = Vec::new();
        for frame in &frames {
            codec.encode(frame, &mut stream)?;
        }
        let mut feed = Feed::new(codec);
        feed.push_in_pieces(&stream, &cuts)?;
        prop_assert_eq!(feed.frames, frames);
        prop_assert_eq!(feed.inbox.len(), 0);
    }

    #[test]
    fn a_terminator_can_be_another_one_after_each_frame(
        frames in vec((vec(b'a'..b'f', 0..20), any::<Option<bool>>()), 1..10),
        cuts in cuts(),
    ) {
        let terminator = |at: usize| -> Terminator {
            match frames.get(at) {
                Some((_, Some(true))) => b"\r\n".into(),
                Some((_, Some(false))) => b"-".into(),
                Some((frame, None)) => frame.len().into(),
                None => Terminator::Bytes(Bytes::from_static(b"the end")),
            }
        };
        let mut codec = Terminated::new(terminator(0));
        let mut stream = Vec::new();
        for (at, (frame, _)) in frames.iter().enumerate() {
            codec.set_terminator(terminator(at));
            codec.encode(frame, &mut stream)?;
        }
        codec.set_terminator(terminator(0));
        let mut feed = Feed::new(codec);
        for piece in pieces(&stream, &cuts) {
            feed.push_with(piece, |codec, count| codec.set_terminator(terminator(count)))?;
        }
        let frames: Vec<_> = frames.into_iter().map(|(frame, _)| frame).collect();
        prop_assert_eq!(feed.frames, frames);
    }

    #[test]
    fn what_is_sent_as_a_line_is_read_as_that_line(line in text(40), crlf in any::<bool>()) {
        let codec = if crlf { Lines::new().with_crlf() } else { Lines::new() };
        let codec = codec.with_max(20);
        let mut out = b"before".to_vec();
        let outcome = codec.encode(&line, &mut out);
        let sendable = line.len() <= 20 && !line.contains(&b'\n') && (crlf || !line.ends_with(b"\r"));
        prop_assert_eq!(outcome.is_ok(), sendable);
        let mut feed = Feed::new(codec);
        if sendable {
            feed.push(&out[6..])?;
            prop_assert_eq!(feed.frames, [line]);
        } else {
            prop_assert_eq!(out, b"before");
        }
    }

    #[test]
    fn what_is_sent_with_a_terminator_is_read_as_that_frame(frame in text(12)) {
        for terminator in [&b"x"[..], b"\r\n", b"xx", b"\n\r\n"] {
            let codec = Terminated::new(terminator);
            let mut out = b"before".to_vec();
            let outcome = codec.encode(&frame, &mut out);
            let sent = [&frame, terminator].concat();
            let sendable = frames_of(&sent, terminator, 100).0 == [frame.clone()];
            prop_assert_eq!(outcome.is_ok(), sendable);
            prop_assert_eq!(&out[..6], b"before");
            prop_assert_eq!(&out[6..], if sendable { &sent[..] } else { b"" });
        }
    }

    #[test]
    fn nonsense_is_an_error_or_not_whole_yet(
        codec in length_prefixed(),
        stream in vec(any::<u8>(), 0..40),
        cuts in cuts(),
    ) {
        let mut feed = Feed::new(codec.with_max(16));
        let outcome = feed.push_in_pieces(&stream, &cuts);
        if let Err(error) = outcome {
            let of_codec = matches!(error, Error::FrameTooLong { .. } | Error::BadFrame(_));
            prop_assert!(of_codec, "{}", error);
        }
    }
}

const MANY: usize = 1024 * 1024;

#[track_caller]
fn push_byte_by_byte<C: Codec>(codec: C, stream: &[u8]) -> Vec<Vec<u8>> {
    let mut feed = Feed::new(codec);
    for byte in stream {
        feed.push(std::slice::from_ref(byte)).expect("it is short");
    }
    feed.frames
}

/// Looking at all that is unread for each byte that comes would be half a million million.
#[test]
fn a_mebibyte_that_comes_byte_by_byte_is_searched_once() {
    let mut stream = vec![b'x'; MANY];
    stream.push(b'\n');
    let frames = push_byte_by_byte(Lines::new().with_max(MANY), &stream);
    assert!(frames[0].len() == MANY && frames.len() == 1);
    assert_eq!(SEARCHED.get(), stream.len());

    stream.extend(b"\r\n.\r\n");
    let codec = Terminated::new(b"\r\n.\r\n").with_max(2 * MANY);
    assert_eq!(push_byte_by_byte(codec, &stream)[0].len(), MANY + 1);
    assert_eq!(SEARCHED.get(), stream.len());

    let mut stream = Vec::new();
    let codec = LengthPrefixed::varint().with_max(MANY);
    codec
        .encode(&vec![b'x'; MANY], &mut stream)
        .expect("it fits");
    assert_eq!(push_byte_by_byte(codec, &stream)[0].len(), MANY);
    assert_eq!(SEARCHED.get(), 0);
}

#[test]
fn many_lines_that_come_at_once_are_searched_once() {
    let stream = b"a line\r\n".repeat(MANY / 8);
    let mut feed = Feed::new(Lines::new());
    for part in stream.chunks(256 * 1024) {
        feed.push(part).expect("they are short");
    }
    assert_eq!(feed.frames.len(), MANY / 8);
    assert_eq!(SEARCHED.get(), stream.len());
}

#[test]
fn a_length_has_a_limit_before_its_frame_has_come() {
    let mut codec = LengthPrefixed::u32().with_max(10);
    let error = codec.decode(b"GET / HTTP").unwrap_err();
    let expected = "a frame of 1195725856 bytes or more exceeds the codec's maximum of 10 bytes";
    assert_eq!(error.to_string(), expected);
    assert!(codec.decode(b"\0\0\0\x0a").expect("it fits").is_none());
}

#[test]
fn a_varint_has_at_most_ten_bytes() {
    let mut codec = LengthPrefixed::varint().with_max(usize::MAX);
    let longest = [[0xff; 9].as_slice(), &[1]].concat();
    let error = codec.encode(&[], &mut Vec::new()).and_then(|()| {
        assert!(codec.decode(&longest)?.is_none());
        codec.rewind();
        codec.decode(&[0xff; 10]).map(drop)
    });
    let error = error.expect_err("that is too much");
    assert_eq!(error.to_string(), "a varint exceeds 64 bits");
}

#[test]
fn without_a_terminator_what_has_come_is_a_frame() {
    for terminator in [Terminator::None, b"".into()] {
        let mut feed = Feed::new(Terminated::new(terminator).with_max(4));
        feed.push(b"abcdef").expect("any bytes will do");
        feed.push(b"g").expect("any bytes will do");
        assert_eq!(feed.frames, [&b"abcd"[..], b"ef", b"g"]);
    }
}

#[test]
fn a_count_beyond_the_maximum_is_an_error_and_none_is_an_empty_frame() {
    let mut codec = Terminated::new(5).with_max(4);
    let error = codec.decode(b"a").unwrap_err();
    assert!(matches!(error, Error::FrameTooLong { len: 5, limit: 4 }));
    codec.set_terminator(0);
    assert!(codec.next_is_empty());
    let frame = codec.decode(b"a").expect("it fits").expect("it is there");
    assert_eq!((frame.bytes, frame.consumed), (&b""[..], 0));
    assert_eq!(*codec.terminator(), Terminator::None);
}

#[test]
fn the_last_line_is_one_unless_the_program_says_otherwise() {
    let mut lines = Lines::new().with_max(4);
    let last = lines.decode_at_end(b"last").expect("it fits");
    assert_eq!(last.expect("it is a line").bytes, b"last");
    assert!(lines.decode_at_end(b"").expect("it fits").is_none());
    assert!(lines.decode_at_end(b"last\r").is_err());
    let mut strict = lines.with_last_line(false);
    assert!(strict.decode_at_end(b"last").expect("it fits").is_none());
}

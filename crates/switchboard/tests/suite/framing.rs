//! Connections whose bytes come in frames: whole ones, in order, and no more of them than their
//! handler has asked for.

use std::time::Duration;

use switchboard::codec::{
    Codec, FrameContext, FrameHandler, Framed, LengthPrefixed, Lines, Terminated,
};
use switchboard::{Close, Context, FileDone, OpenOptions, Result, TimerId};

use crate::probe::{Log, Probe, brief};
use crate::world::{World, assert_same, pattern};

type Cx<'a, C> = FrameContext<'a, Log, C>;
type OnFrame<C> = Box<dyn FnMut(&mut Log, &mut Cx<'_, C>, &[u8]) -> Result>;
type OnTimer<C> = Box<dyn FnMut(&mut Log, &mut Cx<'_, C>) -> Result>;

/// Notes each frame as `[text]`, and what else it is told, under the name `near`.
struct Frames<C> {
    on_frame: OnFrame<C>,
    on_timer: OnTimer<C>,
}

/// A handler that does this with each frame once it is noted.
fn frames<C: Codec>(
    codec: C,
    on_frame: impl FnMut(&mut Log, &mut Cx<'_, C>, &[u8]) -> Result + 'static,
) -> Framed<C, Frames<C>> {
    frames_and_timer(codec, on_frame, |_, _| Ok(()))
}

fn frames_and_timer<C: Codec>(
    codec: C,
    on_frame: impl FnMut(&mut Log, &mut Cx<'_, C>, &[u8]) -> Result + 'static,
    on_timer: impl FnMut(&mut Log, &mut Cx<'_, C>) -> Result + 'static,
) -> Framed<C, Frames<C>> {
    let handler = Frames {
        on_frame: Box::new(on_frame),
        on_timer: Box::new(on_timer),
    };
    Framed::new(codec, handler)
}

impl<C: Codec> FrameHandler<Log> for Frames<C> {
    type Codec = C;

    fn handle_frame(&mut self, log: &mut Log, cx: &mut Cx<'_, C>, frame: &[u8]) -> Result {
        log.note_of("near", format_args!("[{}]", frame.escape_ascii()));
        (self.on_frame)(log, cx, frame)
    }

    fn handle_timer(&mut self, log: &mut Log, cx: &mut Cx<'_, C>, _: TimerId) -> Result {
        log.note_of("near", "timer");
        (self.on_timer)(log, cx)
    }

    fn handle_file(&mut self, log: &mut Log, _: &mut Cx<'_, C>, done: FileDone) -> Result {
        done.result?;
        log.note_of("near", "file");
        Ok(())
    }

    fn handle_eof(&mut self, log: &mut Log, cx: &mut Cx<'_, C>) -> Result {
        log.note_of("near", "eof");
        cx.close();
        Ok(())
    }

    fn handle_close(&mut self, log: &mut Log, _: &mut Cx<'_, C>, why: &Close) {
        log.note_of("near", format_args!("closed {}", brief(why)));
    }
}

fn how_many(world: &World) -> usize {
    let notes = world.log().of("near");
    notes.iter().filter(|note| note.starts_with('[')).count()
}

pub fn lines_are_frames_however_they_are_cut(world: &mut World) {
    let (_, peer) = world.open(frames(Lines::new(), |_, _, _| Ok(())));
    for part in ["a li", "ne\r", "\n\nand three\nmo", "re\nlines"] {
        world.send(peer, part);
        world.settle();
    }
    let lines = ["[a line]", "[]", "[and three]", "[more]"];
    assert_eq!(world.log().of("near"), lines);
    assert_eq!(world.reactor.buffered(), "lines".len());
}

pub fn a_stream_that_comes_byte_by_byte_is_the_same_frames(world: &mut World) {
    let (_, peer) = world.open(frames(LengthPrefixed::varint(), |log, _, frame| {
        log.note_of("long", frame.len());
        Ok(())
    }));
    let codec = LengthPrefixed::varint();
    let mut stream = Vec::new();
    for len in [200, 0, 1] {
        let encoded = codec.encode(&pattern(len), &mut stream);
        encoded.expect("it is short");
    }
    for byte in stream.chunks(1) {
        world.send_at_once(peer, byte);
        world.turn(Duration::ZERO).expect("a turn goes well");
    }
    world.drive_until("all frames", |world| how_many(world) == 3);
    assert_eq!(world.log().of("long"), ["200", "0", "1"]);
}

pub fn a_frame_in_one_piece_is_lent_from_where_it_lies(world: &mut World) {
    let (_, peer) = world.open(frames(Lines::new(), |_, cx, frame| {
        if !cx.data().is_empty() {
            let newline = frame.as_ptr_range().end;
            assert_eq!(newline.wrapping_add(1), cx.data().as_ptr(), "a copy");
        }
        Ok(())
    }));
    world.send_at_once(peer, "one\ntwo\nthr");
    world.drive_until("two frames", |world| how_many(world) == 2);
    world.send_at_once(peer, "ee\nfour\n"); // from the inbox
    world.drive_until("all frames", |world| how_many(world) == 4);
}

pub fn a_frame_sent_is_the_same_frame_received(world: &mut World) {
    let (_, peer) = world.open(frames(LengthPrefixed::u16(), |_, cx, frame| {
        let again = cx.encode("again")?;
        cx.send_frame(frame)?;
        cx.send(again)
    }));
    world.send(peer, b"\0\x05hello");
    world.drive_until_received(peer, b"\0\x05hello\0\x05again");
}

/// A head, and then as many bytes as it says: none, once.
pub fn a_terminator_can_be_changed_from_within_handle_frame(world: &mut World) {
    let mut is_head = true;
    let codec = Terminated::new(b"\r\n\r\n");
    let (_, peer) = world.open(frames(codec, move |_, cx, frame| {
        if is_head {
            let text = std::str::from_utf8(frame)?;
            let len: usize = text.parse().map_err(switchboard::Error::other)?;
            cx.codec().set_terminator(len);
        } else {
            cx.codec().set_terminator(b"\r\n\r\n");
        }
        is_head = !is_head;
        Ok(())
    }));
    world.send(peer, "8\r\n\r\nnot\r\n\r\nA0\r\n\r\n");
    world.settle();
    let all = ["[8]", "[not\\r\\n\\r\\nA]", "[0]", "[]"];
    assert_eq!(world.log().of("near"), all);
    world.send(peer, "1\r\n\r\n");
    world.settle();
    world.send(peer, "x");
    world.settle();
    assert_eq!(world.log().of("near")[4..], ["[1]", "[x]"]);
}

pub fn a_terminator_changed_by_a_timer_finds_what_has_come_already(world: &mut World) {
    let (token, peer) = world.open(frames_and_timer(
        Terminated::new(b"\n"),
        |_, _, _| Ok(()),
        |_, cx| {
            cx.codec().set_terminator(b";");
            Ok(())
        },
    ));
    world.send(peer, "a;b;c");
    world.settle();
    assert!(world.log().of("near").is_empty());
    let timer = world.with(|cx| cx.set_source_timer(token, Duration::from_millis(1)));
    timer.expect("there is room");
    world.drive_until("both frames", |world| how_many(world) == 2);
    assert_eq!(world.log().of("near"), ["timer", "[a]", "[b]"]);
}

pub fn a_frame_may_be_longer_than_the_inbox_was_allowed_to_be(world: &mut World) {
    const LEN: usize = 100 * 1024;
    world.with_options(|options| options.with_inbox_limit(4096));
    let codec = LengthPrefixed::u32().with_max(LEN);
    let mut stream = Vec::new();
    codec
        .encode(&pattern(LEN), &mut stream)
        .expect("it is allowed");
    let (_, peer) = world.open(frames(codec, |log, _, frame| {
        assert_same(frame, &pattern(LEN));
        log.note_of("long", frame.len());
        Ok(())
    }));
    for _ in 0..2 {
        world.send(peer, &stream);
    }
    world.drive_until("both frames", |world| world.log().of("long").len() == 2);
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn a_frame_beyond_the_maximum_ends_its_source(world: &mut World) {
    let (_, peer) = world.open(frames(Lines::new().with_max(4), |_, _, _| Ok(())));
    world.send(peer, "four\nfive.");
    let why = world.drive_to_end("near");
    assert!(why.contains("maximum of 4 bytes"), "{why}");
    assert_eq!(world.log().of("near")[0], "[four]");
    assert_eq!(how_many(world), 1);
}

pub fn frames_wait_while_reading_is_paused(world: &mut World) {
    let (token, peer) = world.open(frames(Lines::new(), |_, cx, _| {
        cx.pause_reading();
        Ok(())
    }));
    world.send_at_once(peer, "1\n2\n3\n");
    for count in 1..=3 {
        world.drive_until("the next frame", |world| how_many(world) == count);
        world.settle();
        assert_eq!(how_many(world), count, "in a pause");
        world.with(|cx| cx.resume_source(token));
    }
    assert_eq!(world.log().of("near"), ["[1]", "[2]", "[3]"]);
}

const QUESTIONS: usize = 300;
const ANSWER: usize = 1024;
const LOW: usize = 2048;

/// Answers each line with so much that only two answers fit below the low watermark.
fn answering(world: &mut World) -> Framed<Lines, Frames<Lines>> {
    world.with_options(|options| options.with_watermarks(LOW, LOW + ANSWER));
    frames(Lines::new(), |_, cx, _| {
        cx.send(pattern(ANSWER))?;
        assert!(cx.outbox_len() <= LOW + ANSWER);
        Ok(())
    })
}

pub fn frames_wait_for_a_peer_that_does_not_read(world: &mut World) {
    let handler = answering(world);
    let (_, peer) = world.open_narrow(handler);
    world.set_reads(peer, false);
    world.send(peer, "?\n".repeat(QUESTIONS));
    world.settle();
    let answered = how_many(world);
    assert!(answered < QUESTIONS, "all were answered to nobody");
    assert!(
        world.reactor.buffered() > LOW,
        "nothing waits for the peer, {answered} answered"
    );
    world.set_reads(peer, true);
    world.drive_until_received(peer, pattern(ANSWER).repeat(QUESTIONS));
    world.settle();
    assert_eq!(world.reactor.buffered(), 0);
}

pub fn frames_that_had_to_wait_come_before_the_end(world: &mut World) {
    let handler = answering(world);
    let (_, peer) = world.open_narrow(handler);
    world.send(peer, "?\n".repeat(QUESTIONS) + "the last");
    world.finish(peer);
    world.push(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    world.drive_until("our end", |world| world.end(peer).is_some());
    world.assert_received(peer, pattern(ANSWER).repeat(QUESTIONS + 1));
    let notes = world.log().of("near");
    let end = ["[the last]", "eof", "closed Eof"];
    assert_eq!(notes[notes.len() - 3..], end);
}

pub fn the_rest_of_a_burst_waits_for_the_next_tick(world: &mut World) {
    const LINES: usize = 1000;
    let (_, peer) = world.open(frames(Lines::new(), |_, _, _| Ok(())));
    world.send_at_once(peer, "line\n".repeat(LINES));
    let mut before = 0;
    while before < LINES {
        world.turn(Duration::ZERO).expect("a turn goes well");
        let count = how_many(world);
        // Those of its read, and those that are offered again.
        assert!(count - before <= 2 * 64, "{} in one tick", count - before);
        before = count;
    }
}

pub fn the_last_line_comes_before_the_end(world: &mut World) {
    let (_, peer) = world.open(frames(Lines::new(), |_, _, _| Ok(())));
    world.send(peer, "first\nlast");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Eof");
    let all = ["[first]", "[last]", "eof", "closed Eof"];
    assert_eq!(world.log().of("near"), all);
}

pub fn an_unfinished_frame_is_an_error_at_the_end(world: &mut World) {
    let codec = Lines::new().with_last_line(false);
    let (_, peer) = world.open(frames(codec, |_, _, _| Ok(())));
    world.send(peer, "first\nlast");
    world.finish(peer);
    let why = world.drive_to_end("near");
    assert!(why.contains("4 bytes had come"), "{why}");
    assert_eq!(world.log().of("near").len(), 2);
}

pub fn what_is_behind_a_frame_goes_to_the_handler_that_takes_over(world: &mut World) {
    let (_, peer) = world.open(frames(Lines::new(), |_, cx: &mut Cx<'_, _>, _| {
        cx.replace_handler(Probe::new("next"));
        Ok(())
    }));
    world.send_at_once(peer, "upgrade\nnot\na line");
    world.drive_until("the rest", |world| {
        world.log().bytes("next") == b"not\na line"
    });
    assert_eq!(world.log().of("near"), ["[upgrade]"]);
}

pub fn after_close_no_frame_comes(world: &mut World) {
    let (_, peer) = world.open(frames(Lines::new(), |_, cx, _| {
        let cx: &mut Context<'_, Log> = cx;
        cx.close();
        Ok(())
    }));
    world.send_at_once(peer, "1\n2\n3");
    world.finish(peer);
    assert_eq!(world.drive_to_end("near"), "Requested");
    assert_eq!(how_many(world), 1);
}

pub fn what_is_asked_of_a_file_is_told_too(world: &mut World) {
    let path = world.path("text");
    world.put(&path, b"from the file");
    let handler = frames(Lines::new(), move |_, cx, _| {
        let file = cx.open_file(&path, OpenOptions::new().read(true))?;
        cx.send_file(file, ..).map(drop)
    });
    let (_, peer) = world.open(handler);
    world.send(peer, "go\n");
    world.drive_until_received(peer, "from the file");
    world.drive_until("the news", |world| world.log().count("near", "file") == 2);
}

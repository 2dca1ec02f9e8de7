//! The format, without a reactor: what is put is taken again, and nothing else is.

use std::io::{Cursor, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use proptest::prelude::*;

use super::datagrams::{SentDatagrams, put_outgoing, put_sent_datagrams};
use super::entry::{
    Answer, Call, End, Entry, Send, Went, put_call, put_clock, put_done, put_end, put_event,
    put_nothing_more, put_send, put_sent, put_sent_again, put_stop, put_tick, put_unflushed,
    put_wall_time,
};
use super::frame::{FRAME_HEAD, Found, put_frame, read_frame};
use super::relays::Relays;
use super::*;
use crate::datagrams::{Outgoing, Undelivered};
use crate::driver::Datagram;
use crate::net::KnownEnds;
use crate::sources::Kind;
use crate::{Address, FileDone, FileId, FileOutcome, JobId, Stream};

/// Entries as they are put, and as they are shown when they are taken.
fn put(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes);
    let len = bytes.len();
    for cut in 0..len {
        assert!(
            Entry::take(&mut &bytes[..cut]).is_none(),
            "{bytes:?} at {cut}"
        );
    }
    bytes.extend_from_slice(b"rest");
    let mut rest = &bytes[..];
    let entry = Entry::take(&mut rest).expect("it was put");
    assert_eq!(rest, b"rest");
    format!("{entry:?}")
}

fn addresses() -> impl Strategy<Value = Vec<SocketAddr>> {
    let v4 = any::<(u32, u16)>().prop_map(|(ip, port)| (std::net::Ipv4Addr::from(ip), port).into());
    let v6 =
        any::<(u128, u16)>().prop_map(|(ip, port)| (std::net::Ipv6Addr::from(ip), port).into());
    prop::collection::vec(prop_oneof![v4, v6], 0..4)
}

fn unix_addresses() -> impl Strategy<Value = UnixAddress> {
    let path = any::<std::path::PathBuf>().prop_map(UnixAddress::Path);
    let others = prop_oneof![path, Just(UnixAddress::Unnamed)];
    #[cfg(target_os = "linux")]
    let others = prop_oneof![others, any::<Vec<u8>>().prop_map(UnixAddress::Abstract)];
    others
}

fn names() -> impl Strategy<Value = Vec<Address>> {
    let unix = unix_addresses().prop_map(Address::Unix);
    (addresses(), unix)
        .prop_map(|(ip, unix)| ip.into_iter().map(Address::Ip).chain([unix]).collect())
}

fn tokens() -> impl Strategy<Value = Token> {
    any::<(u32, u32)>().prop_map(|(slot, generation)| Token { slot, generation })
}

fn errors() -> impl Strategy<Value = io::Error> {
    prop_oneof![
        (1..130).prop_map(io::Error::from_raw_os_error),
        any::<String>().prop_map(|text| io::Error::new(ErrorKind::TimedOut, text)),
        Just(()).prop_map(|()| ErrorKind::NotFound.into()),
    ]
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(()).prop_map(|()| Answer::Nothing),
        Just(()).prop_map(|()| Answer::Began),
        any::<usize>().prop_map(Answer::Count),
        names().prop_map(Answer::Addresses),
        errors().prop_map(Answer::Failed),
        any::<String>().prop_map(Answer::Panicked),
    ]
}

fn calls() -> impl Strategy<Value = Call> {
    let how = prop_oneof![
        Just(Shutdown::Read),
        Just(Shutdown::Write),
        Just(Shutdown::Both)
    ];
    let kind = prop_oneof![
        Just(Kind::Stream),
        Just(Kind::Listener),
        Just(Kind::Watch),
        Just(Kind::Signals),
        Just(Kind::Child),
        Just(Kind::Datagram)
    ];
    let address = addresses().prop_filter_map("an address", |all| all.first().copied());
    prop_oneof![
        any::<String>().prop_map(Call::Bind),
        any::<String>().prop_map(Call::BindUdp),
        (tokens(), addresses()).prop_map(|(token, all)| Call::ListenUdp(token, all)),
        (tokens(), kind).prop_map(|(token, kind)| Call::Register(token, kind)),
        (tokens(), addresses()).prop_map(|(token, all)| Call::Listen(token, all)),
        (tokens(), address).prop_map(|(token, address)| Call::Connect(token, address)),
        (tokens(), unix_addresses()).prop_map(|(token, name)| Call::ConnectUnix(token, name)),
        (tokens(), any::<String>()).prop_map(|(token, name)| Call::Resolve(token, name)),
        (tokens(), any::<u64>()).prop_map(|(token, job)| Call::Offload(token, job)),
        (tokens(), any::<u64>(), any::<u32>())
            .prop_map(|(token, job, lane)| Call::OffloadOn(token, job, lane)),
        (tokens(), any::<Range<usize>>()).prop_map(|(token, range)| Call::Forward(token, range)),
        (tokens(), any::<bool>()).prop_map(|(token, on)| Call::SetReading(token, on)),
        (tokens(), any::<usize>()).prop_map(|(token, room)| Call::SetRoom(token, room)),
        (tokens(), how).prop_map(|(token, how)| Call::Shutdown(token, how)),
        (tokens(), any::<i32>()).prop_map(|(token, signal)| Call::KillChild(token, signal)),
        (tokens(), any::<String>()).prop_map(|(token, what)| Call::AskFile(token, what)),
        tokens().prop_map(Call::Close),
        Just(Call::Drop),
    ]
}

fn ends() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Complete),
        Just(End::AtBound),
        Just(End::TooSlow),
        any::<String>().prop_map(End::Unrecordable),
    ]
}

fn files() -> impl Strategy<Value = FileDone> {
    let outcome = prop_oneof![
        any::<u64>().prop_map(|len| FileOutcome::Opened { len }),
        any::<(u64, Vec<u8>)>().prop_map(|(offset, bytes)| {
            let bytes = bytes.into();
            FileOutcome::Read { offset, bytes }
        }),
        any::<usize>().prop_map(|len| FileOutcome::Written { len }),
        Just(FileOutcome::Synced),
        Just(FileOutcome::Closed),
    ];
    let result = prop_oneof![outcome.prop_map(Ok), errors().prop_map(Err)];
    (any::<(u64, u64)>(), result).prop_map(|((file, job), result)| FileDone {
        file: FileId(file),
        job: JobId(job),
        result,
    })
}

fn events() -> impl Strategy<Value = Event<'static>> {
    let known = (names(), errors()).prop_map(|(mut peer, local)| {
        let peer = peer.pop();
        let peer = peer.ok_or_else(|| io::Error::from(ErrorKind::NotConnected).into());
        Event::Accepted(Stream::replayed(KnownEnds::new(peer, Err(local.into()))))
    });
    let outbox = any::<(Vec<Vec<u8>>, Vec<u8>, u8)>().prop_map(|(chunks, tail, went)| {
        let mut outbox = Outbox::default();
        let chunks = chunks.into_iter().map(bytes::Bytes::from);
        chunks.for_each(|chunk| outbox.push_shared(chunk));
        outbox.push(&tail);
        outbox.advance(usize::from(went).min(outbox.len()));
        Event::Unsent(Box::new(outbox))
    });
    prop_oneof![
        known,
        outbox,
        errors().prop_map(Event::AcceptFailed),
        Just(()).prop_map(|()| Event::Connected),
        Just(()).prop_map(|()| Event::EndOfFile),
        Just(()).prop_map(|()| Event::Sent),
        errors().prop_map(Event::Failed),
        errors().prop_map(|error| Event::Undelivered(Undelivered { to: None, error })),
        any::<i32>().prop_map(Event::Signal),
        files().prop_map(|done| Event::File(Box::new(done))),
        any::<i32>().prop_map(|status| Event::Exited(ExitStatus::from_raw(status))),
        (any::<String>(), addresses()).prop_map(|(host, all)| Event::Resolved(host, Ok(all))),
        (any::<String>(), errors()).prop_map(|(host, error)| Event::Resolved(host, Err(error))),
    ]
}

proptest! {
    #[test]
    fn calls_come_back(call in calls(), answer in answers()) {
        let entry = put(|out| put_call(out, &call, &answer));
        prop_assert_eq!(entry, format!("{:?}", Entry::Call(call, answer)));
    }

    #[test]
    fn events_come_back(token in tokens(), event in events(), bytes: Vec<u8>) {
        let entry = put(|out| put_event(out, token, &event));
        prop_assert_eq!(entry, format!("{:?}", Entry::Happened(token, event)));
        let entry = put(|out| put_event(out, token, &Event::Received(&bytes)));
        prop_assert_eq!(entry, format!("{:?}", Entry::Received(token, &bytes)));
    }

    #[test]
    fn sends_come_back(
        token in tokens(),
        pieces: Vec<Vec<u8>>,
        went in prop_oneof![Just(Went::All), any::<usize>().prop_map(Went::Some)],
        failed in prop::option::of(errors()),
    ) {
        let new = pieces.concat();
        let entry = put(|out| {
            put_send(out, token, new.len(), pieces.iter().map(Vec::as_slice));
            put_sent(out, went, failed.as_ref());
        });
        let new = &new[..];
        prop_assert_eq!(entry, format!("{:?}", Entry::Send(Send { token, new, went, failed })));
    }

    #[test]
    fn datagrams_come_back(
        token in tokens(),
        addresses in addresses(),
        is_truncated: bool,
        all: Vec<Vec<u8>>,
        waited: (usize, usize),
        error in prop::option::of(errors()),
    ) {
        let address = addresses.first().copied().map(Address::Ip);
        let from = address.clone().unwrap_or_else(|| SocketAddr::from(([0; 4], 0)).into());
        let bytes = &all.concat()[..];
        let datagram = Event::Datagram(Datagram { bytes, from: &from, is_truncated });
        let entry = put(|out| put_event(out, token, &datagram));
        let expected = Entry::Datagram { token, is_truncated, from: from.clone(), bytes };
        prop_assert_eq!(entry, format!("{expected:?}"));

        let undelivered = error.map(|error| Undelivered { to: address.clone(), error });
        let entry = put(|out| {
            let mut written = Vec::new();
            for bytes in &all {
                put_outgoing(&mut written, &Outgoing { bytes, to: address.as_ref() });
            }
            let left = (all.len(), &written[..]);
            put_sent_datagrams(out, token, waited, left, undelivered.as_ref());
        });
        let left = all.iter().map(|bytes| (address.clone(), &bytes[..])).collect();
        let expected = Entry::SentDatagrams(SentDatagrams { token, waited, left, undelivered });
        prop_assert_eq!(entry, format!("{expected:?}"));
    }

    #[test]
    fn the_rest_comes_back(
        token in tokens(),
        nanos: u64,
        level: u8,
        value: Result<Vec<u8>, String>,
        end in ends(),
    ) {
        let time = Time::from_nanos(nanos);
        let wall = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos);
        let shown = |entry: Entry<'_>| format!("{entry:?}");
        prop_assert_eq!(put(|out| put_tick(out, time)), shown(Entry::Tick(time)));
        prop_assert_eq!(put(|out| put_clock(out, time)), shown(Entry::Clock(time)));
        prop_assert_eq!(put(|out| put_wall_time(out, wall)), shown(Entry::WallTime(wall)));
        prop_assert_eq!(put(|out| put_stop(out, level)), shown(Entry::Stop(level)));
        let (back, len) = (usize::from(level), level.into());
        let entry = put(|out| put_sent_again(out, token, back, len));
        prop_assert_eq!(entry, shown(Entry::SentAgain { token, back, len }));
        prop_assert_eq!(put(|out| put_unflushed(out, token)), shown(Entry::Unflushed(token)));
        prop_assert_eq!(put(put_nothing_more), shown(Entry::NothingMore));
        prop_assert_eq!(put(|out| put_end(out, &end)), shown(Entry::End(end)));
        let entry = put(|out| put_done(out, token, nanos, value.as_deref()));
        let value = value.as_deref().map_err(Clone::clone);
        prop_assert_eq!(entry, shown(Entry::Done { token, job: nanos, value }));
    }

    #[test]
    fn nonsense_is_no_entry_and_no_panic(bytes: Vec<u8>) {
        let mut rest = &bytes[..];
        while !rest.is_empty() && Entry::take(&mut rest).is_some() {}
    }

    #[test]
    fn frames_come_back(payloads: Vec<Vec<u8>>) {
        let mut bytes = Vec::new();
        payloads.iter().for_each(|payload| put_frame(&mut bytes, payload));
        let mut file = Cursor::new(&bytes);
        let mut payload = Vec::new();
        for expected in &payloads {
            let left = bytes.len() as u64 - file.position();
            prop_assert_eq!(read_frame(&mut file, left, &mut payload)?, Found::Frame);
            prop_assert_eq!(&payload, expected);
        }
        prop_assert_eq!(read_frame(&mut file, 0, &mut payload)?, Found::End);
    }

    #[test]
    fn a_changed_bit_is_noticed(payload: Vec<u8>, place: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, &payload);
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        let mut out = Vec::new();
        let found = read_frame(&mut Cursor::new(&bytes), bytes.len() as u64, &mut out)?;
        prop_assert_eq!(found, Found::Corrupt);
    }
}

#[test]
fn a_frame_that_was_cut_is_torn_at_every_byte() {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, b"payload");
    for cut in 1..bytes.len() {
        let mut payload = Vec::new();
        let found = read_frame(&mut Cursor::new(&bytes[..cut]), cut as u64, &mut payload);
        assert_eq!(found.unwrap(), Found::Torn, "at {cut}");
    }
    let zeros = [0; FRAME_HEAD + 5];
    let found = read_frame(&mut Cursor::new(&zeros), 17, &mut Vec::new());
    assert_eq!(found.unwrap(), Found::Torn, "what a crash has left");
}

#[test]
fn an_outbox_is_known_as_far_as_it_was_flushed() {
    let token = Token {
        slot: 2,
        generation: 7,
    };
    let mut outboxes = Outboxes::default();
    let mut outbox = Outbox::default();
    outbox.push(b"abc");
    assert_eq!(outboxes.known(token, &mut outbox), 0);
    outbox.advance(1);
    outboxes.flushed(token, outbox.len());
    outbox.push(b"def");
    assert_eq!(outboxes.known(token, &mut outbox), 2);
    let new: Vec<u8> = outbox.pieces(2).flatten().copied().collect();
    assert_eq!(new, b"def");
    outboxes.put_back(token, 4);
    assert_eq!(
        outboxes.known(token, &mut outbox),
        outbox.len(),
        "and no more"
    );
    let later = Token {
        slot: 2,
        generation: 8,
    };
    assert_eq!(outboxes.known(later, &mut outbox), 0);
}

/// Echoes are in the order of what was received; a broadcast is the same again and again.
#[test]
fn what_goes_out_as_it_came_in_is_found() {
    let frame = b"head:first message.second message.and a third one.";
    let mut relays = Relays::default();
    for (start, len) in [(5, 14), (5, 14 + 15), (19, 15), (34, 16)] {
        relays.note(start, len); // the first is too short, and so is the third
    }
    assert_eq!(relays.find(frame, &frame[5..34]), Some(5), "the next one");
    assert_eq!(
        relays.find(frame, &frame[5..34]),
        Some(5),
        "the same once more"
    );
    assert_eq!(relays.find(frame, b"something quite different"), None);
    assert_eq!(relays.find(frame, &frame[34..50]), Some(34));
    assert_eq!(relays.find(frame, &frame[5..34]), None, "too far back");
    relays.clear();
    assert_eq!(relays.find(frame, &frame[34..50]), None, "another frame");
}

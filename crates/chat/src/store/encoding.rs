//! What is stored, asked and answered as bytes: for recordings, and for the log. It must never
//! change what a byte means, except with the version of whatever holds the bytes.

use switchboard::Replayable;

use super::StoreError;
use super::query::{Answer, Entry};
use super::record::{
    AccountRecord, Happening, MaskChange, MaskEntry, RoomRecord, ServerBan, Snapshot, What, Write,
};
use crate::chat::command::{Flag, Kind, MaskList, Role};
use crate::chat::event::{Identity, Message, Place, Redaction};
use crate::chat::ids::Msgid;

/// A structure: its fields in order.
macro_rules! fields {
    ($($type:ident { $($field:ident),* $(,)? })*) => {$(
        impl Replayable for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                let $type { $($field),* } = self;
                $($field.encode(out);)*
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                $(let $field = Replayable::decode(bytes)?;)*
                Some($type { $($field),* })
            }
        }
    )*};
}

fields! {
    Msgid { database, sequence }
    Identity { nick, user, host, account, realname, bot }
    Redaction { by, reason, unix_ms }
    Message { msgid, unix_ms, place, from, kind, text, tags, redacted }
    Happening { msgid, unix_ms, room, source, account, what }
    MaskEntry { mask, by, unix_ms }
    RoomRecord { name, created_unix_ms, topic, flags, key, limit }
    AccountRecord { name, verifier, created_unix_ms, certificates, suspended }
    ServerBan { mask, reason, by, created_unix_ms, until_unix_ms }
    Snapshot {
        database, last_sequence, last_unix_ms, rooms, masks, roles, accounts, bans, invitations,
    }
}

/// One of several: its number, and what it holds in order.
macro_rules! variants {
    ($($type:ident { $($number:literal $variant:ident
        $( ( $($part:ident),* ) )? $( { $($field:ident),* } )? ),* $(,)? })*) => {$(
        impl Replayable for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                match self {$(
                    $type::$variant $(($($part),*))? $({ $($field),* })? => {
                        out.push($number);
                        $($($part.encode(out);)*)?
                        $($($field.encode(out);)*)?
                    }
                )*}
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(match u8::decode(bytes)? {
                    $($number => {
                        $($(let $part = Replayable::decode(bytes)?;)*)?
                        $($(let $field = Replayable::decode(bytes)?;)*)?
                        $type::$variant $(($($part),*))? $({ $($field),* })?
                    })*
                    _ => return None,
                })
            }
        }
    )*};
}

variants! {
    Place { 0 Room(name), 1 Person { nick, account } }
    Kind { 0 Message, 1 Notice, 2 Tags }
    Role { 0 Member, 1 Voice, 2 Operator, 3 Owner }
    MaskList { 0 Ban, 1 Exemption, 2 Invitation, 3 Mute }
    Flag {
        0 InviteOnly, 1 Moderated, 2 NoOutsiders, 3 Secret, 4 TopicLocked, 5 AccountsOnly,
        6 AccountsSpeak,
    }
    What {
        0 Joined { realname }, 1 Parted(reason), 2 Quit(reason), 3 Kicked { nick, reason },
        4 Renamed(nick), 5 Topic(text), 6 Modes(text),
    }
    MaskChange { 0 Added(entry), 1 Removed { mask } }
    Write {
        0 Message(message), 1 Happened(happening), 2 Redact { msgid, redaction }, 3 Room(room),
        4 Mask { room, list, entry }, 5 Role { room, account, role }, 6 Account(account),
        7 ReadMark { account, target, unix_ms }, 8 ServerBan(ban), 9 NoServerBan { mask },
        10 Invitation { code, used_by }, 11 Audit { unix_ms, admin, action },
        12 NoRoom { room, history },
    }
    Entry { 0 Message(message), 1 Happening(happening) }
    Answer {
        0 Entries(entries), 1 Targets(targets), 2 Message(message), 3 ReadMarks(marks),
        4 Audit(entries),
    }
    StoreError { 0 Full, 1 Failed(why), 2 TooNew { found, known } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back<T: Replayable + PartialEq + std::fmt::Debug>(value: &T) {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        let mut rest = &bytes[..];
        assert_eq!(T::decode(&mut rest).as_ref(), Some(value));
        assert!(rest.is_empty());
        for len in 0..bytes.len() {
            assert_eq!(T::decode(&mut &bytes[..len]), None, "of {len} bytes");
        }
    }

    #[test]
    fn what_crosses_a_lane_can_be_recorded() {
        read_back(&StoreError::Full);
        read_back(&StoreError::Failed("why".to_owned()));
        read_back(&StoreError::TooNew { found: 2, known: 1 });
        let targets = vec![("#a".into(), 5)];
        read_back(&Answer::Targets(targets.clone()));
        read_back(&Answer::ReadMarks(targets));
        read_back(&Answer::Audit(vec![(1, "ann".into(), "did".into())]));
        read_back(&Answer::Message(None));
        let entry = MaskEntry {
            mask: "a!*@*".into(),
            by: "op".into(),
            unix_ms: 3,
        };
        let room = RoomRecord {
            name: "#a".into(),
            topic: Some(("it".into(), "ann".into(), 4)),
            flags: vec![Flag::Secret, Flag::AccountsSpeak],
            limit: Some(3),
            ..RoomRecord::default()
        };
        read_back(&Snapshot {
            database: 7,
            last_sequence: u64::MAX,
            last_unix_ms: 8,
            rooms: vec![room],
            masks: vec![("#a".into(), MaskList::Mute, entry)],
            roles: vec![("#a".into(), "ann".into(), Role::Owner)],
            accounts: vec![AccountRecord::default()],
            bans: Vec::new(),
            invitations: vec!["code".into()],
        });
    }

    #[test]
    fn entries_can_be_recorded() {
        let msgid = Msgid {
            database: 1,
            sequence: 300,
        };
        let message = Message {
            msgid,
            unix_ms: 1_000_000,
            place: Place::Person {
                nick: "bob".into(),
                account: None,
            },
            from: Identity {
                nick: "ann".into(),
                user: "a".into(),
                host: "h".into(),
                account: Some("Ann".into()),
                realname: "".into(),
                bot: true,
            }
            .into(),
            kind: Kind::Tags,
            text: "".into(),
            tags: vec![("react".into(), ":-)".into())],
            redacted: None,
        };
        let happening = Happening {
            msgid,
            unix_ms: 5,
            room: "#a".into(),
            source: "ann!a@h".into(),
            account: None,
            what: What::Kicked {
                nick: "bob".into(),
                reason: "why".into(),
            },
        };
        read_back(&Answer::Entries(vec![
            Entry::Message(message.into()),
            Entry::Happening(happening.into()),
        ]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_none(bytes: Vec<u8>) {
            let _ = Answer::decode(&mut &bytes[..]);
            let _ = Snapshot::decode(&mut &bytes[..]);
            let _ = Write::decode(&mut &bytes[..]);
        }
    }
}

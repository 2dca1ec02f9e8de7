//! An archive of what was stored, as plain as can be. It must never look at who asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_chat::chat::event::{Message, Place};
use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::store::query::{Anchor, Answer, Conversation, Entry, Query, Span};
use switchboard_chat::store::record::{Write, conversation};

pub fn ask(stored: &[Write], query: &Query) -> Answer {
    match query {
        Query::Message(msgid) => {
            let found = messages(stored).find(|message| message.msgid == *msgid);
            Answer::Message(found.map(Arc::new))
        }
        Query::History {
            conversation,
            span,
            limit,
            happenings,
        } => {
            let is_asked = |entry: &Entry| matches!(entry, Entry::Message(_)) || *happenings;
            let entries = history(stored, conversation).into_iter();
            Answer::Entries(cut(entries.filter(is_asked).collect(), *span, *limit))
        }
        Query::Targets {
            account,
            rooms,
            between,
            limit,
        } => Answer::Targets(targets(stored, account.as_deref(), rooms, *between, *limit)),
        Query::Search {
            conversations,
            words,
            limit,
            ..
        } => {
            let found = conversations
                .iter()
                .flat_map(|conversation| history(stored, conversation))
                .filter(|entry| match entry {
                    Entry::Message(message) => words.split(' ').all(|w| message.text.contains(w)),
                    Entry::Happening(_) => false,
                });
            Answer::Entries(found.take(*limit).collect())
        }
        Query::ReadMarks { account } => {
            let mut marks = BTreeMap::new();
            for write in stored {
                if let Write::ReadMark {
                    account: whose,
                    target,
                    unix_ms,
                } = write
                    && whose == account
                {
                    marks.insert(Arc::clone(target), *unix_ms);
                }
            }
            Answer::ReadMarks(marks.into_iter().collect())
        }
        Query::Audit { limit } => {
            let entries = stored.iter().rev().filter_map(|write| match write {
                Write::Audit {
                    unix_ms,
                    admin,
                    action,
                } => Some((*unix_ms, Arc::clone(admin), Arc::clone(action))),
                _ => None,
            });
            Answer::Audit(entries.take(*limit).collect())
        }
    }
}

/// All messages, as they are now.
fn messages(stored: &[Write]) -> impl Iterator<Item = Message> {
    let redaction = |msgid: Msgid| {
        let mut all = stored.iter();
        all.find_map(|write| match write {
            Write::Redact {
                msgid: which,
                redaction,
            } if *which == msgid => Some(Arc::clone(redaction)),
            _ => None,
        })
    };
    stored.iter().filter_map(move |write| match write {
        Write::Message(message) => {
            let mut message = Message::clone(message);
            message.redacted = redaction(message.msgid);
            if message.redacted.is_some() {
                message.text = "".into();
            }
            Some(message)
        }
        _ => None,
    })
}

fn history(stored: &[Write], asked: &Conversation) -> Vec<Entry> {
    let key = match asked {
        Conversation::Room(name) => name.to_string(),
        Conversation::Between(one, other) => format!("{one} {other}"),
    };
    let said = messages(stored).filter(|message| {
        conversation(&message.place, message.from.account.as_deref()).as_ref() == Some(&key)
    });
    let mut entries: Vec<Entry> = said
        .map(|message| Entry::Message(Arc::new(message)))
        .collect();
    entries.extend(stored.iter().filter_map(|write| match write {
        Write::Happened(past) if past.room.to_ascii_lowercase() == key => {
            Some(Entry::Happening(Arc::clone(past)))
        }
        _ => None,
    }));
    entries.sort_by_key(|entry| place(entry).0.sequence);
    entries
}

fn place(entry: &Entry) -> (Msgid, u64) {
    match entry {
        Entry::Message(message) => (message.msgid, message.unix_ms),
        Entry::Happening(happening) => (happening.msgid, happening.unix_ms),
    }
}

fn is_after(entry: &Entry, anchor: Anchor) -> bool {
    match anchor {
        Anchor::Msgid(msgid) => place(entry).0.sequence > msgid.sequence,
        Anchor::Time(unix_ms) => place(entry).1 > unix_ms,
    }
}

fn is_before(entry: &Entry, anchor: Anchor) -> bool {
    match anchor {
        Anchor::Msgid(msgid) => place(entry).0.sequence < msgid.sequence,
        Anchor::Time(unix_ms) => place(entry).1 < unix_ms,
    }
}

fn cut(mut entries: Vec<Entry>, span: Span, limit: usize) -> Vec<Entry> {
    let last = |mut entries: Vec<Entry>| entries.split_off(entries.len().saturating_sub(limit));
    match span {
        Span::Latest(None) => last(entries),
        Span::Latest(Some(from)) => {
            entries.retain(|entry| is_after(entry, from));
            last(entries)
        }
        Span::Before(until) => {
            entries.retain(|entry| is_before(entry, until));
            last(entries)
        }
        Span::After(from) => {
            entries.retain(|entry| is_after(entry, from));
            entries.truncate(limit);
            entries
        }
        Span::Around(at) => {
            let middle = entries.iter().position(|entry| !is_before(entry, at));
            let middle = middle.unwrap_or(entries.len());
            let mut around = entries.split_off(middle.saturating_sub(limit / 2));
            around.truncate(limit);
            around
        }
        Span::Between(one, other) => {
            let forwards = |entry: &Entry| is_after(entry, one) && is_before(entry, other);
            let backwards = |entry: &Entry| is_before(entry, one) && is_after(entry, other);
            let is_forwards = entries.iter().any(forwards);
            entries.retain(|entry| forwards(entry) || backwards(entry));
            if is_forwards {
                entries.truncate(limit);
                return entries;
            }
            last(entries)
        }
    }
}

fn targets(
    stored: &[Write],
    account: Option<&str>,
    rooms: &[Arc<str>],
    (one, other): (u64, u64),
    limit: usize,
) -> Vec<(Arc<str>, u64)> {
    let mut latest: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for message in messages(stored) {
        let name = match (&message.place, &message.from.account, account) {
            (Place::Room(name), _, _) if rooms.contains(&name.to_ascii_lowercase().into()) => {
                Arc::clone(name)
            }
            (
                Place::Person {
                    account: Some(to), ..
                },
                Some(from),
                Some(own),
            ) => match (**from == *own, **to == *own) {
                (true, _) => Arc::clone(to),
                (_, true) => Arc::clone(from),
                _ => continue,
            },
            _ => continue,
        };
        latest.insert(name, message.unix_ms);
    }
    let range = one.min(other)..one.max(other);
    let mut found: Vec<_> = latest
        .into_iter()
        .filter(|(_, unix_ms)| range.contains(unix_ms))
        .collect();
    found.sort_by_key(|(_, unix_ms)| *unix_ms);
    found.truncate(limit);
    found
}

//! What clients have sent, were told is stored, and have seen, against what is stored. It must never
//! pass over a message that nobody has sent.

use super::history::{Rooms, Seen};

/// What one client knows.
#[derive(Debug, Default, Clone)]
pub struct Log {
    /// Who messages are from that it sends.
    pub nick: String,
    /// Rooms and texts, in order.
    pub sent: Vec<(String, String)>,
    /// Which of them were refused.
    pub refused: Vec<usize>,
    /// How many of the others were receipted.
    pub receipts: usize,
    /// All that it saw, from the first message of the round on. Receipts with a name are among them.
    pub seen: Rooms,
    /// The same of a client that sees no names: who and what.
    pub heard: Option<(String, Vec<(String, String)>)>,
}

/// Whether what is stored is what it has to be.
///
/// # Errors
/// What is not as it has to be.
pub fn check(stored: &Rooms, logs: &[Log]) -> Result<(), String> {
    let mut known = 0;
    for log in logs {
        known += of_sender(stored, log).map_err(|why| format!("{}: {why}", log.nick))?;
        seen(stored, log).map_err(|why| format!("{} saw {why}", log.nick))?;
    }
    let all: usize = stored.values().map(Vec::len).sum();
    match all == known {
        true => Ok(()),
        false => Err(format!("{} messages are nobody's", all - known)),
    }
}

/// Its messages are those that it has sent, in order, up to one at least as late as the last one that
/// was receipted; how many.
fn of_sender(stored: &Rooms, log: &Log) -> Result<usize, String> {
    let own = stored.iter().flat_map(|(room, messages)| {
        let own = messages.iter().filter(|seen| seen.nick == log.nick);
        own.map(move |seen| (seen.msgid.sequence, room, &seen.text))
    });
    let mut own: Vec<(u64, &String, &String)> = own.collect();
    own.sort_unstable();
    let taken = log.sent.iter().enumerate();
    let taken = taken.filter(|(number, _)| !log.refused.contains(number));
    let mut taken = taken.map(|(_, sent)| sent);
    for (_, room, text) in &own {
        let Some(sent) = taken.next() else {
            return Err(format!(
                "{text} is stored in {room}, and was never sent, or is twice"
            ));
        };
        if (*room, *text) != (&sent.0, &sent.1) {
            return Err(format!("{text} is stored in {room} in place of {sent:?}"));
        }
    }
    if own.len() < log.receipts {
        return Err(format!(
            "{} receipts for {} messages",
            log.receipts,
            own.len()
        ));
    }
    Ok(own.len())
}

/// It has seen the first messages of each of its rooms.
fn seen(stored: &Rooms, log: &Log) -> Result<(), String> {
    for (room, seen) in &log.seen {
        let stored = stored.get(room).map(Vec::as_slice).unwrap_or_default();
        if let Some(at) = difference(seen, stored, Seen::eq) {
            return Err(format!(
                "{:?}, but in {room} is {:?}",
                seen[at],
                stored.get(at)
            ));
        }
    }
    if let Some((room, heard)) = &log.heard {
        let stored = stored.get(room).map(Vec::as_slice).unwrap_or_default();
        let same = |one: &(String, String), other: &Seen| {
            one.0 == other.nick.trim_end_matches("/line") && one.1 == other.text
        };
        if let Some(at) = difference(heard, stored, same) {
            return Err(format!(
                "{:?}, but in {room} is {:?}",
                heard[at],
                stored.get(at)
            ));
        }
    }
    Ok(())
}

/// The first of `seen` that is not the same in `stored`.
fn difference<T>(seen: &[T], stored: &[Seen], same: impl Fn(&T, &Seen) -> bool) -> Option<usize> {
    let is_same = |(at, one)| stored.get(at).is_some_and(|other| same(one, other));
    let mut all = seen.iter().enumerate();
    all.find(|it| !is_same(*it)).map(|(at, _)| at)
}

/// Everything that could have happened to what is stored is found.
///
/// `stored` and `logs` are those of a round in which somebody saw messages.
pub fn finds_everything(stored: &Rooms, logs: &[Log]) {
    let (room, last) = logs.iter().flat_map(|log| &log.seen).fold(
        (String::new(), 0),
        |(room, last), (other, seen)| match seen.len() > last {
            true => (other.clone(), seen.len()),
            false => (room, last),
        },
    );
    assert!(last >= 2, "nobody has seen anything");
    let damages: [fn(&mut Vec<Seen>, usize); 6] = [
        |messages, at| drop(messages.remove(at)),
        |messages, at| messages.truncate(at),
        |messages, at| messages.swap(at - 1, at),
        |messages, at| messages.insert(at, messages[at].clone()),
        |messages, at| messages[at].msgid.sequence += 1_000_000,
        |messages, at| messages[at].text.push('!'),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let mut damaged = stored.clone();
        damage(damaged.get_mut(&room).expect("it is there"), last - 1);
        assert!(
            check(&damaged, logs).is_err(),
            "damage {number} is not found"
        );
    }
}

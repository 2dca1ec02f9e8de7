//! The letters of a room's settings, as IRC has them, and changes of them as its history keeps them.
//! It must never tell the history a key.

use std::sync::Arc;

use super::command::{Change, Flag, MaskList, Role};

/// What is in front of a mask that mutes: it stands on the list of the bans.
pub const MUTE_PREFIX: &str = "~m:";

/// Changes of one entry of a history, and bytes of their arguments: as many as a line of IRC has
/// room for.
const CHANGES_MAX: usize = 12;
const BYTES_MAX: usize = 250;

/// The letter of a switch.
pub const fn of_flag(flag: Flag) -> char {
    match flag {
        Flag::InviteOnly => 'i',
        Flag::Moderated => 'm',
        Flag::NoOutsiders => 'n',
        Flag::Secret => 's',
        Flag::TopicLocked => 't',
        Flag::AccountsOnly => 'R',
        Flag::AccountsSpeak => 'M',
    }
}

/// The letter of a list.
const fn of_list(list: MaskList) -> char {
    match list {
        MaskList::Ban | MaskList::Mute => 'b',
        MaskList::Exemption => 'e',
        MaskList::Invitation => 'I',
    }
}

/// The letter of a role; a member without one has none, and is never given or taken.
const fn of_role(role: Role) -> char {
    match role {
        Role::Owner => 'q',
        Role::Operator => 'o',
        Role::Voice | Role::Member => 'v',
    }
}

/// Whether a change adds, and the letter of what it changes.
pub fn of_change(change: &Change) -> (bool, char) {
    match change {
        Change::Flag(flag, on) => (*on, of_flag(*flag)),
        Change::Key(key) => (key.is_some(), 'k'),
        Change::Limit(limit) => (limit.is_some(), 'l'),
        Change::Mask { list, add, .. } => (*add, of_list(*list)),
        Change::Role { role, add, .. } => (*add, of_role(*role)),
    }
}

/// What stands behind the letter.
pub fn argument(change: &Change) -> Option<String> {
    match change {
        Change::Flag(..) | Change::Limit(None) => None,
        Change::Key(key) => Some(key.as_deref().unwrap_or("*").to_owned()),
        Change::Limit(Some(limit)) => Some(limit.to_string()),
        Change::Mask { list, mask, .. } => Some(entry(*list, mask)),
        Change::Role { nick, .. } => Some(nick.to_string()),
    }
}

/// A mask as it stands on a list.
pub fn entry(list: MaskList, mask: &str) -> String {
    match list {
        MaskList::Mute => format!("{MUTE_PREFIX}{mask}"),
        _ => mask.to_owned(),
    }
}

/// Changes as a history keeps them, `+o-v ann bob`: an entry for each of these.
pub(super) fn written(changes: &[Change]) -> Vec<Arc<str>> {
    let mut entries = Vec::new();
    let (mut letters, mut arguments, mut count) = (String::new(), String::new(), 0);
    let mut sign = None;
    for change in changes {
        let (add, letter) = of_change(change);
        // Who comes into the room later is not to learn it from what was before.
        let argument = match change {
            Change::Key(_) => Some("*".to_owned()),
            other => argument(other),
        };
        let argument = argument.unwrap_or_default();
        if count == CHANGES_MAX || (count > 0 && arguments.len() + argument.len() > BYTES_MAX) {
            entries.push((std::mem::take(&mut letters) + &arguments).into());
            arguments.clear();
            (count, sign) = (0, None);
        }
        if sign.replace(add) != Some(add) {
            letters.push(if add { '+' } else { '-' });
        }
        letters.push(letter);
        if !argument.is_empty() {
            arguments.push(' ');
            arguments.push_str(&argument);
        }
        count += 1;
    }
    if count > 0 {
        entries.push((letters + &arguments).into());
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(nick: &str, add: bool) -> Change {
        Change::Role {
            nick: nick.into(),
            role: Role::Operator,
            add,
        }
    }

    #[test]
    fn changes_are_written_in_the_words_of_irc() {
        let mute = Change::Mask {
            list: MaskList::Mute,
            mask: "eve!*@*".into(),
            add: true,
        };
        let changes = [
            role("ann", true),
            Change::Flag(Flag::Secret, true),
            Change::Limit(None),
            Change::Key(Some("tea".into())),
            mute,
        ];
        assert_eq!(written(&changes), ["+os-l+kb ann * ~m:eve!*@*".into()]);
        assert_eq!(written(&[]), [] as [Arc<str>; 0]);
    }

    #[test]
    fn an_entry_has_no_more_than_a_line_has_room_for() {
        let many: Vec<Change> = (0..CHANGES_MAX + 1).map(|_| role("a", false)).collect();
        assert_eq!(
            written(&many),
            [
                ("-".to_owned() + &"o".repeat(12) + &" a".repeat(12)).into(),
                Arc::from("-o a")
            ]
        );
        let long: Vec<Change> = (0..3).map(|_| role(&"x".repeat(120), true)).collect();
        assert_eq!(written(&long).len(), 2);
    }
}

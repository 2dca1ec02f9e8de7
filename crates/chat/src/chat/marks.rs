//! Up to where accounts have read, of those that are connected and whose clients want to know. It
//! must never let a mark go back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ids::UserId;
use super::{Chat, names};

/// Marks of one account that are kept in memory; those above are in the store alone.
pub const MARKS_MAX: usize = 1000;

/// By the accounts' folded names; of each, by the targets' folded names.
pub(super) type Marks = BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>;

impl Chat {
    /// Whether the marks of this user's account are here: if not, ask the archive, and
    /// [`learn`](Chat::learn_marks). Without an account there are none to know.
    pub fn knows_marks(&self, user: UserId) -> bool {
        let account = self.users.get(user).and_then(|user| user.account());
        account.is_none_or(|account| self.marks.contains_key(names::fold(account).as_ref()))
    }

    /// What the archive has of the marks of `account`; what was read meanwhile stays.
    pub fn learn_marks(&mut self, account: &str, stored: &[(Arc<str>, u64)]) {
        if self.users.of_account(account).is_empty() {
            return;
        }
        let marks = self.marks.entry(names::folded(account)).or_default();
        for (target, unix_ms) in stored.iter().take(MARKS_MAX) {
            let mark = marks.entry(Arc::clone(target)).or_default();
            *mark = (*mark).max(*unix_ms);
        }
    }

    /// Up to where the account of this user has read there, in milliseconds since 1970.
    pub fn mark(&self, user: UserId, target: &str) -> Option<u64> {
        let account = self.users.get(user)?.account()?;
        let marks = self.marks.get(names::fold(account).as_ref())?;
        marks.get(names::fold(target).as_ref()).copied()
    }

    /// The last connection of an account is gone: its marks are in the store.
    pub(super) fn forget_marks(&mut self, account: Option<&Arc<str>>) {
        if let Some(account) = account
            && self.users.of_account(account).is_empty()
        {
            self.marks.remove(names::fold(account).as_ref());
        }
    }

    /// A mark is stored. Gives the latest one that is: another one may have been on its way.
    pub(super) fn keep_mark(&mut self, account: &str, target: &str, unix_ms: u64) -> u64 {
        let target = names::folded(target);
        if let Some(marks) = self.marks.get_mut(names::fold(account).as_ref())
            && (marks.len() < MARKS_MAX || marks.contains_key(&target))
        {
            let mark = marks.entry(target).or_default();
            *mark = (*mark).max(unix_ms);
            return *mark;
        }
        unix_ms
    }
}

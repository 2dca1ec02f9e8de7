//! Who was called so before: the last names that nobody has any more. It must never tell of more
//! than its bound, nor survive the server.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::Identity;
use super::{Chat, names};

/// Names that are remembered, the oldest go first.
pub const FORMER_MAX: usize = 256;

/// The names, the newest last.
#[derive(Debug, Default)]
pub(super) struct Former {
    names: VecDeque<(Arc<Identity>, u64)>,
}

impl Former {
    pub(super) fn add(&mut self, who: &Arc<Identity>, unix_ms: u64) {
        if self.names.len() >= FORMER_MAX {
            self.names.pop_front();
        }
        self.names.push_back((Arc::clone(who), unix_ms));
    }
}

impl Chat {
    /// Who was called so and is not any more, with the time of the end in milliseconds since 1970;
    /// the newest first. Walks at most [`FORMER_MAX`] names.
    pub fn former(&self, nick: &str) -> impl Iterator<Item = (&Arc<Identity>, u64)> {
        let all = self.former.names.iter().rev();
        let same = all.filter(move |(who, _)| names::are_same(&who.nick, nick));
        same.map(|(who, unix_ms)| (who, *unix_ms))
    }
}

//! Places in histories: what comes before what, and which part of a history a question means. It
//! must never ask where entries are kept: both stores answer by it.

use super::query::{Anchor, Span};
use crate::chat::ids::Msgid;

/// What entries are ordered by: time, then the database and the number of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// In milliseconds since 1970.
    pub unix_ms: u64,
    /// See [`Msgid`].
    pub database: u32,
    /// See [`Msgid`].
    pub sequence: u64,
}

impl Place {
    /// Before everything.
    pub const FIRST: Place = Place::start_of(0);
    /// Behind everything.
    pub const LAST: Place = Place::end_of(u64::MAX);

    /// That of an entry.
    pub const fn of(unix_ms: u64, msgid: Msgid) -> Place {
        Place {
            unix_ms,
            database: msgid.database,
            sequence: msgid.sequence,
        }
    }

    /// Before everything of this millisecond.
    const fn start_of(unix_ms: u64) -> Place {
        Place {
            unix_ms,
            database: 0,
            sequence: 0,
        }
    }

    /// Behind everything of this millisecond.
    const fn end_of(unix_ms: u64) -> Place {
        Place {
            unix_ms,
            database: u32::MAX,
            sequence: u64::MAX,
        }
    }
}

/// Entries between two places, both exclusive, and which of them if there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Behind this.
    pub after: Place,
    /// And before that.
    pub before: Place,
    /// At most so many.
    pub limit: usize,
    /// The last ones of them, not the first ones.
    pub newest: bool,
}

/// Where what is meant by an anchor begins. `find` as for [`ranges`].
///
/// # Errors
/// Those of `find`.
pub fn start<E>(anchor: Anchor, find: impl FnOnce(Msgid) -> Result<Place, E>) -> Result<Place, E> {
    match anchor {
        Anchor::Time(unix_ms) => Ok(Place::start_of(unix_ms)),
        Anchor::Msgid(msgid) => find(msgid),
    }
}

/// What a [`Span`] means: one range, or two of which the second one follows the first.
///
/// `find` is asked for the place of a message by its name, whether or not it is there.
///
/// # Errors
/// Those of `find`.
pub fn ranges<E>(
    span: Span,
    limit: usize,
    mut find: impl FnMut(Msgid) -> Result<Place, E>,
) -> Result<Vec<Range>, E> {
    // The places that an anchor's entries are between: nothing, for that of a message.
    let mut edges = |anchor| -> Result<(Place, Place), E> {
        Ok(match anchor {
            Anchor::Time(unix_ms) => (Place::start_of(unix_ms), Place::end_of(unix_ms)),
            Anchor::Msgid(msgid) => {
                let place = find(msgid)?;
                (place, place)
            }
        })
    };
    let range = |after, before, newest| Range {
        after,
        before,
        limit,
        newest,
    };
    Ok(match span {
        Span::Latest(None) => vec![range(Place::FIRST, Place::LAST, true)],
        Span::Latest(Some(anchor)) => vec![range(edges(anchor)?.1, Place::LAST, true)],
        Span::Before(anchor) => vec![range(Place::FIRST, edges(anchor)?.0, true)],
        Span::After(anchor) => vec![range(edges(anchor)?.1, Place::LAST, false)],
        Span::Between(one, other) => {
            let (one, other) = (edges(one)?, edges(other)?);
            if one.0 <= other.0 {
                vec![range(one.1, other.0, false)]
            } else {
                vec![range(other.1, one.0, true)]
            }
        }
        Span::Around(anchor) => {
            let place = edges(anchor)?.0;
            let half = limit / 2;
            vec![
                Range {
                    limit: half,
                    ..range(Place::FIRST, place, true)
                },
                Range {
                    limit: limit - half,
                    ..range(place.just_before(), Place::LAST, false)
                },
            ]
        }
    })
}

impl Place {
    /// Such that what is behind it is this one, or later.
    fn just_before(self) -> Place {
        match (self.sequence.checked_sub(1), self.database.checked_sub(1)) {
            (Some(sequence), _) => Place { sequence, ..self },
            (None, Some(database)) => Place {
                database,
                sequence: u64::MAX,
                ..self
            },
            (None, None) => match self.unix_ms.checked_sub(1) {
                Some(unix_ms) => Place::end_of(unix_ms),
                None => self,
            },
        }
    }
}

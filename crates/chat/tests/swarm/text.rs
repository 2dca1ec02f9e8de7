//! What is said: texts that tell who said them, which one it is, and whether it is whole. It must
//! never make two texts of one id, nor one of two.

use std::fmt::{self, Display, Formatter};

/// A message: of whom, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub person: usize,
    pub number: u32,
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.person, self.number)
    }
}

impl Id {
    /// The text of this message: of many lengths, within a line of IRC.
    pub fn text(self) -> String {
        let mix = (self.person as u32 * 31 + self.number).wrapping_mul(0x9E37_79B9);
        let len = match mix >> 30 {
            0 => 0,
            1 | 2 => mix >> 8 & 31,
            _ => mix >> 8 & 255,
        };
        let letters = (0..len).map(|at| char::from(b'a' + ((mix >> 16) + at) as u8 % 26));
        let mut text = self.to_string();
        if len > 0 {
            text.push(' ');
            text.extend(letters);
        }
        text.push('!'); // so that no beginning of it is another one
        text
    }

    /// Which message has this text; `None`: no message.
    pub fn of(text: &str) -> Option<Id> {
        let name = text.strip_suffix('!')?.split(' ').next()?;
        let (person, number) = name.split_once('.')?;
        let id = Id {
            person: person.parse().ok()?,
            number: number.parse().ok()?,
        };
        (id.text() == text).then_some(id)
    }
}

//! How things look, with colours and without. It must never choose a colour that cannot be read on
//! both a dark and a light background.

use ratatui::style::{Color, Modifier, Style};

/// Colours of names, out of the 256 of common terminals: none is near black or near white.
const NICKS: [u8; 12] = [1, 2, 4, 5, 6, 28, 31, 64, 97, 130, 132, 166];

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Not if `NO_COLOR` is set (<https://no-color.org>).
    pub has_colours: bool,
}

impl Theme {
    fn coloured(self, colour: u8, style: Style) -> Style {
        match self.has_colours {
            true => style.fg(Color::Indexed(colour)),
            false => style,
        }
    }

    /// A bar across the screen.
    pub fn bar(self) -> Style {
        match self.has_colours {
            true => Style::new().bg(Color::Indexed(24)).fg(Color::Indexed(255)),
            false => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// What matters in it.
    pub fn bar_strong(self) -> Style {
        self.bar().add_modifier(Modifier::BOLD)
    }

    /// A bar that says what is wrong.
    pub fn alarm(self) -> Style {
        match self.has_colours {
            true => Style::new().bg(Color::Indexed(124)).fg(Color::Indexed(255)),
            false => Style::new().add_modifier(Modifier::REVERSED | Modifier::BOLD),
        }
    }

    /// What is in the background.
    pub fn faint(self) -> Style {
        self.coloured(244, Style::new())
    }

    /// What matters.
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The window that is shown.
    pub fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What speaks of us.
    pub fn mention(self) -> Style {
        self.coloured(166, self.strong())
    }

    /// What went wrong.
    pub fn error(self) -> Style {
        self.coloured(160, Style::new())
    }

    /// A name, the same for the same name.
    pub fn nick(self, nick: &str) -> Style {
        // FNV-1a: small, and the same everywhere.
        let hash = nick.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
        });
        let colour = NICKS[hash as usize % NICKS.len()];
        self.coloured(colour, Style::new())
    }
}

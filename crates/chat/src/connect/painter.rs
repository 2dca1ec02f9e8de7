//! The picture on the terminal: only what has changed since the last one is written.
//!
//! It must never ask the terminal anything: the answer would come between the keys. And it must never
//! leave the terminal on its second screen, whatever happens: when dropped, it goes back.

use std::io::{self, Write, stdout};

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::queue;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::Rect;
use switchboard_chat::screen::Client;
use switchboard_chat::screen::view::{Theme, draw};

/// See the [module](self).
#[derive(Debug)]
pub struct Painter {
    theme: Theme,
    before: Buffer,
    is_forgotten: bool,
}

impl Painter {
    /// Goes to the terminal's second screen.
    ///
    /// # Errors
    /// The terminal takes nothing.
    pub fn enter(theme: Theme, size: (u16, u16)) -> io::Result<Painter> {
        let mut painter = Painter {
            theme,
            before: Buffer::empty(area(size)),
            is_forgotten: true,
        };
        painter.come_back()?;
        Ok(painter)
    }

    /// Goes to the second screen again.
    ///
    /// # Errors
    /// The terminal takes nothing.
    pub fn come_back(&mut self) -> io::Result<()> {
        self.forget();
        let mut out = stdout().lock();
        queue!(out, EnterAlternateScreen)?;
        out.flush()
    }

    /// Goes back to the first screen, which is as it was.
    ///
    /// # Errors
    /// The terminal takes nothing.
    pub fn leave(&mut self) -> io::Result<()> {
        let mut out = stdout().lock();
        queue!(out, Show, LeaveAlternateScreen)?;
        out.flush()
    }

    /// Draws everything anew the next time.
    pub fn forget(&mut self) {
        self.is_forgotten = true;
    }

    /// The screen has another size now.
    pub fn resize(&mut self, size: (u16, u16)) {
        self.before = Buffer::empty(area(size));
        self.forget();
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// The terminal takes nothing.
    pub fn paint(&mut self, client: &Client) -> io::Result<()> {
        let area = self.before.area;
        if area.is_empty() {
            return Ok(());
        }
        let mut now = Buffer::empty(area);
        let cursor = draw(client, self.theme, area, &mut now);
        let mut bytes = Vec::new();
        queue!(bytes, Hide)?;
        if std::mem::take(&mut self.is_forgotten) {
            queue!(bytes, Clear(ClearType::All))?;
            self.before.reset();
        }
        let mut backend = CrosstermBackend::new(&mut bytes);
        backend.draw(self.before.diff(&now).into_iter())?;
        backend.set_cursor_position(cursor)?;
        backend.show_cursor()?;
        self.before = now;
        let mut out = stdout().lock();
        out.write_all(&bytes)?;
        out.flush()
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        let _ = self.leave(); // nobody is left to be told
    }
}

fn area((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows)
}

//! The terminal's own settings: raw mode while a line is edited, and back, whatever happens.
//!
//! It must never read keys or draw: it changes how the terminal behaves, and undoes it when dropped
//! (so also when a panic unwinds). A process that is killed by a signal it does not handle drops
//! nothing: handle SIGTERM and SIGHUP, and let the guard go out of scope.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr,
    tcgetwinsize, tcsetattr,
};

/// Asks the terminal to put marks around what is pasted.
const PASTE_MARKS_ON: &[u8] = b"\x1b[?2004h";
const PASTE_MARKS_OFF: &[u8] = b"\x1b[?2004l";

/// The width where the terminal does not tell it, or says 0 as serial lines do.
const COLUMNS_FALLBACK: u16 = 80;
const ROWS_FALLBACK: u16 = 24;

/// The columns of the terminal behind `fd`; 80 if it is none or does not know.
pub fn columns(fd: impl AsFd) -> u16 {
    match tcgetwinsize(fd) {
        Ok(size) if size.ws_col > 0 => size.ws_col,
        _ => COLUMNS_FALLBACK,
    }
}

/// The columns and rows of the terminal behind `fd`; 80 and 24 if it is none or does not know.
pub fn size(fd: impl AsFd) -> (u16, u16) {
    match tcgetwinsize(fd) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (COLUMNS_FALLBACK, ROWS_FALLBACK),
    }
}

/// A terminal in raw mode, until this is dropped.
///
/// Keys arrive as they are pressed, not echoed, and Ctrl-C, Ctrl-Z and Ctrl-S are keys like all
/// others. What is written is still processed (`\n` begins a new line), so that a panic's message
/// stays readable.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
    raw: Termios,
}

impl RawMode {
    /// Switches the terminal behind `fd` to raw mode, and its paste marks on. Keeps a copy of the
    /// descriptor for the way back.
    ///
    /// # Errors
    /// If `fd` is no terminal, cannot be copied, or refuses the settings.
    pub fn enter(fd: impl AsFd) -> io::Result<RawMode> {
        let terminal = fd.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.input_modes -= InputModes::ICRNL
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::ISTRIP
            | InputModes::IXON;
        raw.local_modes -=
            LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
        raw.output_modes |= OutputModes::OPOST | OutputModes::ONLCR;
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        let guard = RawMode {
            terminal,
            before,
            raw,
        };
        guard.take()?;
        Ok(guard)
    }

    /// Gives the terminal back while `meanwhile` runs (which lets this process be stopped, say),
    /// and then takes it again.
    ///
    /// # Errors
    /// If the terminal refuses the settings: it may be gone meanwhile.
    pub fn lend(&self, meanwhile: impl FnOnce()) -> io::Result<()> {
        self.give_back();
        meanwhile();
        self.take()
    }

    fn take(&self) -> io::Result<()> {
        tcsetattr(&self.terminal, OptionalActions::Now, &self.raw)?;
        // Without the marks (the descriptor may be open for reading only) a paste is as if typed.
        let _ = rustix::io::write(&self.terminal, PASTE_MARKS_ON);
        Ok(())
    }

    fn give_back(&self) {
        // Nobody is left to be told, and the terminal may be gone (its window was closed).
        let _ = rustix::io::write(&self.terminal, PASTE_MARKS_OFF);
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        self.give_back();
    }
}

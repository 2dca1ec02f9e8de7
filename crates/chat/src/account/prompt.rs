//! Where a new password comes from: a terminal, which does not show it, or a pipe. It must never leave
//! the terminal as it was not before, nor the password in memory.

use std::io::{self, IsTerminal as _, Read as _, Write as _, stderr, stdin};
use std::os::fd::AsFd;

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use switchboard_chat::accounts::password::PASSWORD_BYTES_MAX;
use zeroize::Zeroizing;

/// What Ctrl-C sends.
const INTERRUPT: u8 = 3;

/// Of a line, so much is read: a longer one is no password.
const LINE_BYTES_MAX: usize = PASSWORD_BYTES_MAX + 2;

/// The password that somebody wants; on a terminal it is typed twice.
pub fn new_password() -> Result<Zeroizing<String>, String> {
    if !stdin().is_terminal() {
        return line().map_err(|why| format!("the password cannot be read: {why}"));
    }
    let say = |why: io::Error| match why.kind() {
        io::ErrorKind::Interrupted => "given up; nothing is changed".to_owned(),
        _ => format!("the password cannot be read: {why}"),
    };
    let first = ask("New password: ").map_err(say)?;
    let second = ask("The same again: ").map_err(say)?;
    match *first == *second {
        true => Ok(first),
        false => Err("the two passwords differ; nothing is changed".to_owned()),
    }
}

fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    let _hidden = Hidden::begin(stdin())?;
    let _ = stderr().write_all(question.as_bytes());
    let line = line();
    let _ = stderr().write_all(b"\n");
    line
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<F: AsFd> {
    terminal: F,
    before: Termios,
}

impl<F: AsFd> Hidden<F> {
    fn begin(terminal: F) -> io::Result<Hidden<F>> {
        let before = tcgetattr(&terminal)?;
        let mut hidden = before.clone();
        // A signal would end the program with the terminal like this. So Ctrl-C is a key, and ends the
        // line as Enter does.
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ISIG;
        hidden.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Hidden { terminal, before })
    }
}

impl<F: AsFd> Drop for Hidden<F> {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// A line of standard input, without its end.
fn line() -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    let mut input = stdin().lock();
    // Byte by byte, so that what is behind an interruption is not waited for.
    while bytes.len() < LINE_BYTES_MAX {
        let Some(byte) = input.by_ref().bytes().next().transpose()? else {
            break;
        };
        match byte {
            b'\n' => break,
            INTERRUPT => return Err(io::ErrorKind::Interrupted.into()),
            byte => bytes.push(byte),
        }
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| io::Error::other("it is no UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

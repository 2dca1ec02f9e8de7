//! Raw mode on a real terminal device: a pseudoterminal whose other end the test holds.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use switchboard_chat::terminal::{RawMode, columns};

fn pseudoterminal() -> (OwnedFd, OwnedFd) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (controller, terminal)
}

fn local_modes(terminal: &OwnedFd) -> LocalModes {
    tcgetattr(terminal).unwrap().local_modes
}

#[test]
fn raw_mode_comes_and_goes() {
    let (controller, terminal) = pseudoterminal();
    let before = local_modes(&terminal);
    assert!(before.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
    let guard = RawMode::enter(&terminal).unwrap();
    let raw = local_modes(&terminal);
    assert!(!raw.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
    drop(guard);
    assert_eq!(local_modes(&terminal), before);
    let mut written = [0; 16];
    File::from(controller).read_exact(&mut written).unwrap();
    assert_eq!(&written, b"\x1b[?2004h\x1b[?2004l");
}

#[test]
fn a_panic_leaves_the_terminal_as_it_was() {
    let (_controller, terminal) = pseudoterminal();
    let before = local_modes(&terminal);
    let outcome = std::panic::catch_unwind(|| {
        let _guard = RawMode::enter(&terminal).unwrap();
        assert_ne!(local_modes(&terminal), before);
        std::panic::resume_unwind(Box::new("a bug"));
    });
    assert!(outcome.is_err());
    assert_eq!(local_modes(&terminal), before);
}

#[test]
fn a_pipe_is_no_terminal() {
    let (reader, _writer) = rustix::pipe::pipe().unwrap();
    assert!(RawMode::enter(&reader).is_err());
    assert_eq!(columns(&reader), 80);
}

#[test]
fn the_width_is_the_terminals() {
    let (_controller, terminal) = pseudoterminal();
    assert_eq!(columns(&terminal), 80, "a new pseudoterminal says 0");
    let size = Winsize {
        ws_row: 40,
        ws_col: 132,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).unwrap();
    assert_eq!(columns(&terminal), 132);
}

//! What a shared description asks for: that no call waits, and that its flags stay as they are.

use std::io::{ErrorKind, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl};

use super::*;

fn shared(fd: impl Into<OwnedFd>) -> Channel {
    Channel::new(fd.into(), Kind::shared(PIPE_ROOM), Way::Both)
}

fn is_blocking(fd: impl AsFd) -> bool {
    !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

fn read(channel: &Channel) -> io::Result<Vec<u8>> {
    let mut buffer = [0; 1000];
    let read = channel.read(&mut buffer)?;
    Ok(buffer[..read.bytes].to_vec())
}

#[test]
fn a_shared_pipe_is_read_without_waiting() {
    let (reader, mut writer): (PipeReader, PipeWriter) = pipe().unwrap();
    let channel = shared(reader.try_clone().unwrap());
    let nothing = read(&channel).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    writer.write_all(b"abc").unwrap();
    assert_eq!(read(&channel).unwrap(), b"abc");
    assert!(read(&channel).is_err());
    drop(writer);
    assert_eq!(read(&channel).unwrap(), b"");
    assert!(is_blocking(reader));
}

#[test]
fn a_shared_pipe_is_filled_without_waiting() {
    let (reader, writer) = pipe().unwrap();
    let channel = shared(writer.try_clone().unwrap());
    let mut outbox = Outbox::default();
    outbox.push_shared(vec![b'x'; 1 << 20].into());
    assert!(!channel.send(&mut outbox).unwrap(), "a pipe holds less");
    let sent = (1 << 20) - outbox.len();
    assert!(sent >= 32 * 1024, "{sent} bytes went");
    assert!(is_blocking(writer));
    drop(reader);
    let gone = channel.send(&mut outbox).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::BrokenPipe);
}

#[test]
#[cfg(target_os = "linux")]
fn a_pipe_is_opened_once_more() {
    let (reader, mut writer) = pipe().unwrap();
    let clone = reader.try_clone().unwrap().into();
    let channel = Channel::open(clone, Way::Reader).unwrap();
    assert!(is_blocking(&reader) && !is_blocking(&channel));
    assert_eq!(read(&channel).unwrap_err().kind(), ErrorKind::WouldBlock);
    writer.write_all(b"abc").unwrap();
    assert_eq!(read(&channel).unwrap(), b"abc");
    drop(writer);
    assert_eq!(read(&channel).unwrap(), b"");
}

#[test]
fn what_makes_nobody_wait_is_read_and_written_as_it_is() {
    let null = std::fs::File::open("/dev/null").unwrap();
    let channel = Channel::open(null.into(), Way::Reader).unwrap();
    assert_eq!(read(&channel).unwrap(), b"");
    let directory = std::fs::File::open("/").unwrap();
    assert!(Channel::open(directory.into(), Way::Reader).is_err());
}

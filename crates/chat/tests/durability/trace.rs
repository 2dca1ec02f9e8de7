//! What a traced process did to its files, read from the lines of `strace`. It must never pass over
//! a call that it does not understand.

use std::collections::BTreeMap;
use std::fmt;

/// One call that has succeeded, on a file by its path.
#[derive(Clone)]
pub enum Call {
    Make(String),
    MakeDirectory(String),
    Write(String, usize, Vec<u8>),
    Truncate(String, usize),
    Sync(String),
    /// A sync that has failed.
    NotSynced(String),
    Unlink(String),
    Rename(String, String),
    /// The process has said this: on its standard error, or to somebody on a socket.
    Said(String),
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Make(name) => write!(f, "make {name}"),
            Call::MakeDirectory(name) => write!(f, "make directory {name}"),
            Call::Write(name, at, bytes) => write!(f, "write {} at {at} of {name}", bytes.len()),
            Call::Truncate(name, len) => write!(f, "cut {name} at {len}"),
            Call::Sync(name) => write!(f, "sync {name}"),
            Call::NotSynced(name) => write!(f, "sync of {name} fails"),
            Call::Unlink(name) => write!(f, "remove {name}"),
            Call::Rename(from, to) => write!(f, "rename {from} {to}"),
            Call::Said(text) => write!(f, "say {text:?}"),
        }
    }
}

/// `strace` as it has to be called.
pub const STRACE: &[&str] = &["strace", "-f", "-xx", "-s", "100000", "-e", CALLS];

const CALLS: &str = "trace=openat,close,pwrite64,pwritev,write,writev,ftruncate,fsync,fdatasync,\
                     rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,lseek,fallocate,dup,\
                     dup2,sendto,sendmsg";

/// Reads the calls on files in `directory`, in order.
pub fn read(text: &str, directory: &str) -> Vec<Call> {
    let mut reader = Reader {
        directory,
        open: BTreeMap::new(),
        calls: Vec::new(),
    };
    let mut unfinished: BTreeMap<&str, String> = BTreeMap::new();
    for line in text.lines() {
        let (process, rest) = line.split_once(' ').expect("a process is named");
        let rest = rest.trim_start();
        if let Some(first) = rest.strip_suffix(" <unfinished ...>") {
            if is_send(first) {
                // From now on somebody may read it.
                reader.calls.push(Call::Said(said(first)));
            }
            unfinished.insert(process, first.to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, second) = resumed.split_once(" resumed>").expect("it is resumed");
            let first = unfinished.remove(process).expect("it was begun");
            if !is_send(&first) {
                reader.line(&(first + second));
            }
        } else {
            reader.line(rest);
        }
    }
    reader.calls
}

fn is_send(line: &str) -> bool {
    line.starts_with("sendto(") || line.starts_with("sendmsg(")
}

/// All that is sent, whether or not all of it is taken.
fn said(arguments: &str) -> String {
    let parts = arguments.split('"').skip(1).step_by(2);
    let bytes: Vec<u8> = parts
        .flat_map(|part| unhex(&format!("\"{part}\"")))
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

struct Reader<'a> {
    directory: &'a str,
    /// The path and the position of each descriptor.
    open: BTreeMap<i32, (String, usize)>,
    calls: Vec<Call>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        if line.starts_with("---") || line.starts_with("+++") {
            return;
        }
        let (name, rest) = line.split_once('(').expect("a call has arguments");
        let (arguments, result) = rest.rsplit_once(" = ").expect("a call has a result");
        let arguments = arguments.trim_end().trim_end_matches(')');
        let result = result.split(' ').next().expect("a result is a number");
        let Ok(result) = result.parse::<i64>() else {
            // The process has ended in it.
            if is_send(line) {
                self.calls.push(Call::Said(said(arguments)));
            }
            return;
        };
        if result >= 0 {
            self.call(name, arguments, result);
        } else if matches!(name, "fsync" | "fdatasync") {
            let descriptor = arguments.parse().expect("a descriptor");
            let file = self.open.get(&descriptor);
            self.calls
                .extend(file.map(|file| Call::NotSynced(file.0.clone())));
        }
    }

    fn call(&mut self, name: &str, arguments: &str, result: i64) {
        let parts: Vec<&str> = arguments.split(", ").collect();
        let descriptor = parts[0].parse::<i32>().unwrap_or(-1);
        let path = self.open.get(&descriptor).map(|it| it.0.clone());
        match (name, path) {
            ("openat", _) => {
                let path = unhex(parts[1]);
                if let Some(path) = self.own(&path) {
                    if parts[2].contains("O_CREAT") {
                        self.calls.push(Call::Make(path.clone()));
                    }
                    if parts[2].contains("O_TRUNC") {
                        self.calls.push(Call::Truncate(path.clone(), 0));
                    }
                    self.open.insert(result as i32, (path, 0));
                }
            }
            ("close", _) => drop(self.open.remove(&descriptor)),
            ("pwrite64", Some(path)) => {
                let offset = parts[3].parse().expect("an offset");
                let mut bytes = unhex(parts[1]);
                bytes.truncate(result as usize);
                self.calls.push(Call::Write(path, offset, bytes));
            }
            ("write", Some(path)) => {
                let mut bytes = unhex(parts[1]);
                bytes.truncate(result as usize);
                let position = &mut self.open.get_mut(&descriptor).expect("it is open").1;
                let offset = std::mem::replace(position, *position + bytes.len());
                self.calls.push(Call::Write(path, offset, bytes));
            }
            ("write", None) if descriptor == 2 => {
                let said = String::from_utf8(unhex(parts[1])).expect("it is text");
                self.calls.push(Call::Said(said));
            }
            ("lseek", Some(_)) => {
                self.open.get_mut(&descriptor).expect("it is open").1 = result as usize;
            }
            ("ftruncate", Some(path)) => {
                let len = parts[1].parse().expect("a length");
                self.calls.push(Call::Truncate(path, len));
            }
            ("fsync" | "fdatasync", Some(path)) => self.calls.push(Call::Sync(path)),
            ("sendto" | "sendmsg", None) => self.calls.push(Call::Said(said(arguments))),
            ("mkdir", _) => {
                let path = unhex(parts[0]);
                self.calls.extend(self.own(&path).map(Call::MakeDirectory));
            }
            ("rename", _) => {
                let (from, to) = (unhex(parts[0]), unhex(parts[1]));
                if let (Some(from), Some(to)) = (self.own(&from), self.own(&to)) {
                    self.calls.push(Call::Rename(from, to));
                }
            }
            ("unlink", _) => {
                let path = unhex(parts[0]);
                self.calls.extend(self.own(&path).map(Call::Unlink));
            }
            // Of other files.
            (_, None) if descriptor >= 0 => {}
            (other, _) => panic!("{other}({arguments}) is not understood"),
        }
    }

    /// The name within the directory; empty for the directory itself.
    fn own(&self, path: &[u8]) -> Option<String> {
        let path = std::str::from_utf8(path).ok()?;
        let name = path.strip_prefix(self.directory)?;
        Some(name.trim_start_matches('/').to_owned())
    }
}

/// The bytes of a string of `\x` and two digits each.
fn unhex(text: &str) -> Vec<u8> {
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let text = text.expect("it is whole, and in quotes");
    let digits = text.split("\\x").skip(1);
    digits
        .map(|digits| u8::from_str_radix(digits, 16).expect("two digits"))
        .collect()
}

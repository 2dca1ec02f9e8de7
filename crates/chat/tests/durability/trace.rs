//! What a traced process did to its files, read from the lines of `strace`. It must never pass over
//! a call that it does not understand.

use std::collections::BTreeMap;

/// One call that has succeeded, on a file by its path.
#[derive(Debug, Clone)]
pub enum Call {
    Make(String),
    Write(String, usize, Vec<u8>),
    Truncate(String, usize),
    Sync(String),
    Unlink(String),
    /// The process has said this.
    Said(String),
}

/// What to ask `strace` for.
pub const CALLS: &str = "trace=openat,close,pwrite64,pwritev,write,ftruncate,fsync,fdatasync,\
                         rename,renameat,renameat2,unlink,unlinkat,lseek,fallocate,dup,dup2";

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
            unfinished.insert(process, first.to_owned());
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, second) = resumed.split_once(" resumed>").expect("it is resumed");
            let first = unfinished.remove(process).expect("it was begun");
            reader.line(&(first + second));
        } else {
            reader.line(rest);
        }
    }
    reader.calls
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
            return; // the process ended in it
        };
        if result >= 0 {
            self.call(name, arguments, result);
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
                    assert!(!parts[2].contains("O_TRUNC"), "{arguments}");
                    if parts[2].contains("O_CREAT") {
                        self.calls.push(Call::Make(path.clone()));
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

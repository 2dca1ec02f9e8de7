//! The beginning of a recording: who made it, of what, and under which bounds; and whether a
//! replay may begin. It must never be guessed at: what does not fit is refused, and says how.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::SystemTime;

use super::frame::{FRAME_HEAD, Found, put_frame, read_frame};
use crate::replayable::Replayable;
use crate::{Error, Recording, Result};

/// The first bytes of every recording, whatever its version.
pub(super) const MAGIC: &[u8; 8] = b"SWBD-REC";

/// Raised whenever an older replayer could not read what is written, or would misread it.
pub(super) const FORMAT: u8 = 5;

/// The library's version: what its core asks of a driver belongs to it.
const LIBRARY: &str = env!("CARGO_PKG_VERSION");

/// What stands in front of the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) library: String,
    pub(crate) system: String,
    pub(crate) program: String,
    pub(crate) version: String,
    pub(crate) made: SystemTime,
    pub(crate) seed: u64,
    /// The reactor's bounds, by name.
    pub(crate) bounds: Vec<(String, u64)>,
    pub(crate) configuration: String,
}

impl Header {
    /// That of a recording which begins now.
    pub(crate) fn new(recording: &Recording, seed: u64, bounds: Vec<(String, u64)>) -> Header {
        Header {
            library: LIBRARY.to_owned(),
            system: std::env::consts::OS.to_owned(),
            program: recording.program.clone(),
            version: recording.version.clone(),
            made: SystemTime::now(),
            seed,
            bounds,
            configuration: recording.configuration.clone(),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        out.push(FORMAT);
        let mut payload = Vec::new();
        (self.library.clone(), self.system.clone()).encode(&mut payload);
        (self.program.clone(), self.version.clone()).encode(&mut payload);
        (self.made, self.seed).encode(&mut payload);
        (self.bounds.clone(), self.configuration.clone()).encode(&mut payload);
        put_frame(out, &payload);
    }

    fn take(payload: &[u8]) -> Option<Header> {
        let bytes = &mut &payload[..];
        let (library, system) = Replayable::decode(bytes)?;
        let (program, version) = Replayable::decode(bytes)?;
        let (made, seed) = Replayable::decode(bytes)?;
        let (bounds, configuration) = Replayable::decode(bytes)?;
        Some(Header {
            library,
            system,
            program,
            version,
            made,
            seed,
            bounds,
            configuration,
        })
    }

    /// Whether this library, on this system, can replay it for that program.
    fn check(&self, program: &str, version: &str) -> std::result::Result<(), String> {
        let both = |what: &str, then: &str, now: &str, advice: &str| match then == now {
            true => Ok(()),
            false => Err(format!("was made {what} {then:?}, not {now:?}: {advice}")),
        };
        both("by the program", &self.program, program, "replay it there")?;
        let old = "replay it with that version, or record again";
        both("by the program's version", &self.version, version, old)?;
        both("with switchboard", &self.library, LIBRARY, old)?;
        let here = std::env::consts::OS;
        both(
            "on",
            &self.system,
            here,
            "error numbers differ, replay it there",
        )
    }

    /// Whether a reactor of this seed, with these bounds, does the same.
    pub(crate) fn check_reactor(
        &self,
        seed: Option<u64>,
        bounds: &[(String, u64)],
    ) -> std::result::Result<(), String> {
        if let Some(seed) = seed.filter(|seed| *seed != self.seed) {
            return Err(format!("was made with the seed {}, not {seed}", self.seed));
        }
        let value = |bounds: &[(String, u64)], name: &str| {
            let found = bounds.iter().find(|(other, _)| other == name);
            found.map_or("none".to_owned(), |(_, value)| value.to_string())
        };
        // Either side may have a bound that the other does not set.
        for (name, _) in bounds.iter().chain(&self.bounds) {
            let (then, now) = (value(&self.bounds, name), value(bounds, name));
            if then != now {
                return Err(format!(
                    "was made with the reactor's {name} at {then}, not {now}"
                ));
            }
        }
        Ok(())
    }
}

/// Opens a recording, and leaves the file at the first frame of entries.
pub(crate) fn open(path: &Path, program: &str, version: &str) -> Result<(Header, Opened)> {
    let unusable = |why: String| Error::Recording(format!("{} {why}", path.display()));
    let cannot_read = |error: io::Error| unusable(format!("cannot be read: {error}"));
    let file = File::open(path).map_err(cannot_read)?;
    let len = file.metadata().map_err(cannot_read)?.len();
    let mut file = BufReader::new(file);
    let mut start = [0; MAGIC.len() + 1];
    let is_ours = match file.read_exact(&mut start) {
        Ok(()) => start.starts_with(MAGIC),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(cannot_read(error)),
    };
    if !is_ours {
        return Err(unusable("is not a recording".to_owned()));
    }
    let format = start[MAGIC.len()];
    if format != FORMAT {
        return Err(unusable(format!(
            "is of version {format} of the format, this program reads version {FORMAT}: record again"
        )));
    }
    let mut payload = Vec::new();
    let left = len.saturating_sub(start.len() as u64);
    let found = read_frame(&mut file, left, &mut payload).map_err(cannot_read)?;
    let header = match found {
        Found::Frame => Header::take(&payload),
        Found::End | Found::Torn => return Err(unusable("ends before it begins".to_owned())),
        Found::Corrupt => None,
    };
    let header = header.ok_or_else(|| unusable("is corrupt at its beginning".to_owned()))?;
    header.check(program, version).map_err(unusable)?;
    let place = (start.len() + FRAME_HEAD + payload.len()) as u64;
    let opened = Opened { file, len, place };
    Ok((header, opened))
}

/// A recording's file, at its first frame of entries.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: BufReader<File>,
    pub(crate) len: u64,
    /// Where that is.
    pub(crate) place: u64,
}

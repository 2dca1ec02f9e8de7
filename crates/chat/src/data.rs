//! `switchboard export`, `import` and `backup`: between a server's data and files.
//!
//! It must never leave a file that is not complete under the name that was asked for.

mod output;
mod progress;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use switchboard_chat::chat::ids::Msgid;
use switchboard_chat::chat::names::folded;
use switchboard_chat::cli::data::{BackupArgs, ExportArgs, Format, ImportArgs};
use switchboard_chat::escape::Escaped;
use switchboard_chat::store::exchange::{html, json, moments, text};
use switchboard_chat::store::query::{
    ANSWER_MAX, Anchor, Answer, Conversation, Entry, Query, Span,
};
use switchboard_chat::store::record::Write;
use switchboard_chat::store::sqlite::{Cursor, SqliteArchive, SqliteStore};
use switchboard_chat::store::{Archive, Store, StoreError};

use output::{Output, Unfinished};
use progress::Progress;

/// Lines that are stored together.
const BATCH: usize = 1000;

/// The longest line that an import reads, in bytes; those of an export are far shorter.
const LINE_MAX: u64 = 1024 * 1024;

/// Writes an export.
///
/// # Errors
/// One line that says why not.
pub fn export(args: &ExportArgs) -> Result<ExitCode, String> {
    let database = args.data.existing_database()?;
    let mut archive = SqliteArchive::open(&database).map_err(say)?;
    let ms = |time: Option<SystemTime>| time.map(|time| moments::unix_ms(time).unwrap_or(0));
    let times = (
        ms(args.since).unwrap_or(0),
        ms(args.until).unwrap_or(u64::MAX),
    );
    let mut output = Output::open(args.file.as_deref(), &database)?;
    match &args.room {
        Some(room) => export_room(&mut archive, room, args.format, times, &mut output)?,
        None => export_all(&mut archive, times, &mut output)?,
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn export_room(
    archive: &mut SqliteArchive,
    room: &str,
    format: Format,
    (since, until): (u64, u64),
    output: &mut Output,
) -> Result<(), String> {
    let key = folded(room);
    // What is at an anchor does not count: it is the millisecond before, or before everything.
    let mut span = Span::After(match since.checked_sub(1) {
        Some(before) => Anchor::Time(before),
        None => Anchor::Msgid(Msgid {
            database: 0,
            sequence: 0,
        }),
    });
    check_room(archive, room, &key)?;
    output.write(&match format {
        Format::Json => format!("{}\n", json::HEADER),
        Format::Text => text::head(room),
        Format::Html => html::head(room),
    })?;
    loop {
        let entries = history(archive, &key, span)?;
        let Some(last) = entries.last() else { break };
        span = Span::After(Anchor::Msgid(msgid(last)));
        for entry in entries.iter().filter(|it| it.place().unix_ms < until) {
            output.write(&match format {
                Format::Json => json::entry(entry) + "\n",
                Format::Text => text::entry(entry),
                Format::Html => html::entry(entry),
            })?;
        }
        if last.place().unix_ms >= until {
            break;
        }
    }
    match format {
        Format::Html => output.write(html::TAIL),
        Format::Json | Format::Text => Ok(()),
    }
}

fn msgid(entry: &Entry) -> Msgid {
    match entry {
        Entry::Message(message) => message.msgid,
        Entry::Happening(happening) => happening.msgid,
    }
}

fn history(archive: &mut SqliteArchive, key: &Arc<str>, span: Span) -> Result<Vec<Entry>, String> {
    let query = Query::History {
        conversation: Conversation::Room(Arc::clone(key)),
        span,
        limit: ANSWER_MAX,
        happenings: true,
    };
    match archive.ask(&query).map_err(say)? {
        Answer::Entries(entries) => Ok(entries),
        _ => Err("the archive does not understand the question".to_owned()),
    }
}

/// A name that was mistyped must not give an empty file.
fn check_room(archive: &mut SqliteArchive, room: &str, key: &Arc<str>) -> Result<(), String> {
    let rooms = archive.settings().map_err(say)?;
    let rooms = rooms.iter().filter_map(|write| match write {
        Write::Room(room) => Some(&*room.name),
        _ => None,
    });
    let rooms: Vec<&str> = rooms.collect();
    let is_known = rooms.iter().any(|known| folded(known) == *key);
    if is_known || !history(archive, key, Span::Latest(None))?.is_empty() {
        return Ok(());
    }
    let list = rooms.join(" ");
    Err(format!(
        "there is no room {}; there are: {}",
        Escaped::new(room.as_bytes()),
        Escaped::new(list.as_bytes()).limit(500)
    ))
}

fn export_all(
    archive: &mut SqliteArchive,
    (since, until): (u64, u64),
    output: &mut Output,
) -> Result<(), String> {
    output.write(&format!("{}\n", json::HEADER))?;
    for write in archive.settings().map_err(say)? {
        output.write(&json::line(&write).map_or_else(String::new, |line| line + "\n"))?;
    }
    let mut cursor = Cursor::default();
    loop {
        let entries = archive.next_entries(&mut cursor).map_err(say)?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            if (since..until).contains(&entry.place().unix_ms) {
                output.write(&(json::entry(&entry) + "\n"))?;
            }
        }
    }
}

/// Stores what is in a file.
///
/// # Errors
/// One line that says why not.
pub fn import(args: &ImportArgs) -> Result<ExitCode, String> {
    let name = args.file.display().to_string();
    let (file, bytes): (Box<dyn Read>, u64) = if name == "-" {
        (Box::new(std::io::stdin()), 0)
    } else {
        let file = File::open(&args.file).map_err(|why| format!("{name}: {why}"))?;
        let bytes = file.metadata().map_or(0, |metadata| metadata.len());
        (Box::new(file), bytes)
    };
    let mut store = SqliteStore::open(args.data.make_database()?).map_err(say)?;
    let mut import = Import {
        lines: BufReader::new(file),
        number: 0,
        read: 0,
        stored: 0,
    };
    let mut progress = Progress::new("imported");
    let outcome = import.run(&mut store, &mut |read| progress.show(read, bytes));
    progress.end();
    outcome.map_err(|why| {
        let stored = import.stored;
        format!(
            "{name}, line {}: {why}; the {stored} lines before are stored",
            import.number
        )
    })?;
    println!("{} lines are stored", import.stored);
    Ok(ExitCode::SUCCESS)
}

struct Import<R> {
    lines: R,
    number: u64,
    read: u64,
    /// Lines that are in the store now, the header not counted.
    stored: u64,
}

impl<R: BufRead> Import<R> {
    fn run(&mut self, store: &mut dyn Store, progress: &mut dyn FnMut(u64)) -> Result<(), String> {
        let header = self.line()?.unwrap_or_default();
        json::check_header(&header)?;
        loop {
            let mut batch = Vec::new();
            while batch.len() < BATCH {
                let Some(line) = self.line()? else { break };
                batch.push(json::read(&line)?);
            }
            if batch.is_empty() {
                return Ok(());
            }
            store.commit(&batch).map_err(say)?;
            self.stored += batch.len() as u64;
            progress(self.read);
        }
    }

    fn line(&mut self) -> Result<Option<String>, String> {
        let mut line = Vec::new();
        self.number += 1;
        let mut limited = (&mut self.lines).take(LINE_MAX);
        let read = limited.read_until(b'\n', &mut line);
        self.read += read.map_err(|why| why.to_string())? as u64;
        if line.is_empty() {
            return Ok(None);
        }
        if line.pop() != Some(b'\n') {
            return Err("the line has no end, the file is not complete".to_owned());
        }
        let line = String::from_utf8(line);
        line.map(Some).map_err(|_| "it is no UTF-8".to_owned())
    }
}

/// Copies the database.
///
/// # Errors
/// One line that says why not.
pub fn back_up(args: &BackupArgs) -> Result<ExitCode, String> {
    let database = args.data.existing_database()?;
    let mut archive = SqliteArchive::open(&database).map_err(say)?;
    let copy = Unfinished::new(&args.file, &database)?;
    let mut progress = Progress::new("copied");
    let outcome = archive.back_up(copy.path(), &mut |done, all| progress.show(done, all));
    progress.end();
    outcome.map_err(say)?;
    copy.finish()?;
    let size = Path::new(&args.file)
        .metadata()
        .map_or(0, |file| file.len());
    let mut out = std::io::stdout();
    // Who does not read this does not mind.
    let _ = writeln!(
        out,
        "{}: {size} bytes, complete and good",
        args.file.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn say(error: StoreError) -> String {
    error.to_string()
}

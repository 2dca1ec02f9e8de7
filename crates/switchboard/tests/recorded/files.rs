//! Files in a recording: a replay has what was read, and opens none; what is asked otherwise is a
//! difference.

use std::path::{Path, PathBuf};
use std::{fs, io};

use switchboard::{
    Builder, Context, Error, FileDone, FileId, FileOutcome, Handler, OpenOptions, Reactor,
    ReplayEnd, Result,
};

use crate::tape::Tape;

/// Copies the words of a file to the end of another one, and syncs that.
struct Copier {
    to: PathBuf,
    words: &'static str,
    log: Option<FileId>,
}

impl Handler<Vec<String>> for Copier {
    fn handle_file(
        &mut self,
        notes: &mut Vec<String>,
        cx: &mut Context<'_, Vec<String>>,
        done: FileDone,
    ) -> Result {
        notes.push(format!("{:?}: {:?}", done.file, done.result));
        match done.result {
            Ok(FileOutcome::Opened { .. }) if self.log.is_none() => {
                let options = OpenOptions::new().append(true).create(true);
                self.log = Some(cx.open_file(&self.to, options)?);
                cx.open_file("no such file", OpenOptions::new().read(true))?;
                cx.read_file(done.file, 0, 100).map(drop)
            }
            Ok(FileOutcome::Read { bytes, .. }) => {
                let log = self.log.expect("it was opened before");
                cx.append_file(log, [&bytes[..], self.words.as_bytes()].concat())?;
                cx.sync_file(log)?;
                cx.close_file(log).map(drop)
            }
            Ok(FileOutcome::Closed) => {
                cx.close();
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}

fn run(builder: Builder, from: &Path, to: &Path, words: &'static str) -> Result<Vec<String>> {
    let mut reactor = builder.build(Vec::new())?;
    let copier = Copier {
        to: to.to_owned(),
        words,
        log: None,
    };
    reactor.with(|_, cx| cx.open(from, OpenOptions::new().read(true), copier))?;
    reactor.run()?;
    Ok(reactor.state().clone())
}

#[test]
fn files_are_replayed_without_being_there() {
    for driver in crate::drivers::working() {
        a_copy_is_replayed(&Tape::on(driver, "files"));
    }
}

fn a_copy_is_replayed(tape: &Tape) {
    let name = |kind| tape.path.with_extension(kind);
    let (from, to) = (name("input"), name("output"));
    fs::write(&from, "all of it ").expect("it can be written");
    let _ = fs::remove_file(&to);
    let recorder = Reactor::builder()
        .driver(tape.driver)
        .record(tape.recording());
    let notes = run(recorder, &from, &to, "and more").expect("it ends well");
    let output = fs::read(&to).expect("it was made");
    assert_eq!(output, b"all of it and more");
    assert!(notes.iter().any(|note| note.contains("NotFound")));
    assert!(notes.last().is_some_and(|note| note.contains("Closed")));
    fs::remove_file(&from).expect("it is there");
    fs::remove_file(&to).expect("it is there");

    let replay = tape.open().expect("it is a recording");
    let replayer = Reactor::builder().replay(&replay);
    assert_eq!(
        run(replayer, &from, &to, "and more").expect("it ends well"),
        notes
    );
    assert_eq!(
        replay.outcome().expect("nothing differs"),
        ReplayEnd::Complete
    );
    assert!(!to.exists() && !from.exists(), "a replay writes nothing");

    let replay = tape.open().expect("it is a recording");
    let replayer = Reactor::builder().replay(&replay);
    let _ = run(replayer, &from, &to, "and less");
    match replay.outcome() {
        Err(Error::Diverged(difference)) => {
            let text = difference.to_string();
            assert!(text.contains("append 18 bytes"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}

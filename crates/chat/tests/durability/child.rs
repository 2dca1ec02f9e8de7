//! The process that stores batches until something ends it. It says on its standard error which
//! ones it was told are stored; it must never say so earlier.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use switchboard_chat::store::Store;

use crate::batches;

const DIRECTORY: &str = "SWITCHBOARD_CRASH_DIRECTORY";
const BATCHES: &str = "SWITCHBOARD_CRASH_BATCHES";

/// How to run it, behind the words of another program, if there are any.
pub fn command(wrapper: &[&str], directory: &Path, batches: u64) -> Command {
    let own = std::env::current_exe().unwrap();
    let mut words = wrapper.iter().map(AsRef::as_ref).chain([own.as_os_str()]);
    let mut command = Command::new(words.next().unwrap());
    command
        .args(words)
        .args(["--exact", "child::stores_until_it_ends", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(BATCHES, batches.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// A running one.
pub struct Storing {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Storing {
    pub fn start(mut command: Command) -> Storing {
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Storing { child, lines }
    }

    /// The next batch that it says is stored; `None` once it has ended.
    pub fn stored(&mut self) -> Option<u64> {
        loop {
            let line = self.lines.next()?.unwrap();
            if let Some(number) = line.strip_prefix("stored ") {
                return Some(number.parse().unwrap());
            }
            if line != "open" {
                let said: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
                panic!("the child fails: {line}{}", said.join("\n"));
            }
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    pub fn wait(mut self) -> bool {
        self.child.wait().unwrap().success()
    }
}

impl Drop for Storing {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing unless the other tests run it.
#[test]
fn stores_until_it_ends() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let batches: u64 = std::env::var(BATCHES).unwrap().parse().unwrap();
    let mut store = batches::open(Path::new(&directory)).unwrap();
    let say = |line: String| std::io::stderr().write_all(line.as_bytes()).unwrap();
    say("open\n".to_owned());
    let first = batches::next(&mut store);
    for batch in first..first + batches {
        let writes = batches::writes(&mut store, batch);
        store.commit(&writes).unwrap();
        say(format!("stored {batch}\n"));
        // Now and then the log is copied into the file and emptied.
        if batch % 7 == 0 {
            while store.prune(0).unwrap() {}
        }
    }
}

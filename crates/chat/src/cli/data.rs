//! The commands on a server's data: their flags, and where the data is. It must never look into it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum, ValueHint};

use crate::durable;

/// The database in a directory of data.
pub const DATABASE: &str = "switchboard.db";

/// Where a server's data is; all commands that use it have this flag.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct DataArgs {
    /// The directory with the server's data [default: $XDG_STATE_HOME/switchboard, or
    /// ~/.local/state/switchboard]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
}

impl DataArgs {
    /// The directory that is meant.
    ///
    /// # Errors
    /// None is named, and there is no home to have one in.
    pub fn directory(&self) -> Result<PathBuf, String> {
        let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
        directory(self.data.as_deref(), variable)
    }

    /// The path of the database there.
    ///
    /// # Errors
    /// As [`directory`](Self::directory).
    pub fn database(&self) -> Result<PathBuf, String> {
        Ok(self.directory()?.join(DATABASE))
    }

    /// The same, in a directory that is made if it is not there, for its owner only.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_database(&self) -> Result<PathBuf, String> {
        let directory = self.directory()?;
        let made = durable::make_directory(&directory);
        made.map_err(|why| format!("{}: {why}", directory.display()))?;
        Ok(directory.join(DATABASE))
    }

    /// The path of a database that has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn existing_database(&self) -> Result<PathBuf, String> {
        let database = self.database()?;
        match database.metadata() {
            Ok(_) => Ok(database),
            Err(why) if why.kind() == ErrorKind::NotFound => Err(format!(
                "there is no {}: name the directory of a server's data by --data DIR",
                database.display()
            )),
            Err(why) => Err(format!("{}: {why}", database.display())),
        }
    }
}

fn directory(
    named: Option<&Path>,
    variable: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    // The XDG Base Directory Specification says that paths which are not absolute do not count.
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")));
    let state = state.ok_or("there is no home directory here: name one by --data DIR")?;
    Ok(state.join("switchboard"))
}

/// How an export looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// One JSON object on each line, for `switchboard import` and other programs
    #[default]
    Json,
    /// Lines for people
    Text,
    /// One page for a browser, complete in itself
    Html,
}

/// Flags of `export`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ExportArgs {
    /// Only this room's messages, and what else happened there. Without it everything is exported:
    /// all rooms, direct messages, accounts with the verifiers of their passwords, bans
    #[arg(long, value_name = "ROOM", required_if_eq_any([("format", "text"), ("format", "html")]))]
    pub room: Option<String>,

    /// How to write it
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,

    /// Only from this time on: a day or a time in UTC, as in 2026-11-24 or 2026-11-24T08:00:00Z, or
    /// how long ago, as in 7d
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub since: Option<SystemTime>,

    /// Only before this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub until: Option<SystemTime>,

    /// Where to write it; only its owner can read it [default: standard output]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Flags of `import`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ImportArgs {
    /// What `switchboard export --format json` has written; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

/// Flags of `backup`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct BackupArgs {
    /// Where to put the copy; only its owner can read it. One that is there already is replaced,
    /// once the new one is complete
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Which data.
    #[command(flatten)]
    pub data: DataArgs,
}

fn time(text: &str) -> Result<SystemTime, String> {
    let day = format!("{text}T00:00:00Z");
    let absolute = humantime::parse_rfc3339_weak(text).or_else(|_| humantime::parse_rfc3339(&day));
    if let Ok(time) = absolute {
        return Ok(time);
    }
    let ago: Option<Duration> = humantime::parse_duration(text).ok();
    ago.and_then(|ago| SystemTime::now().checked_sub(ago))
        .ok_or_else(|| "write a day as 2026-11-24, a time as 2026-11-24T08:00:00Z, or 7d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_where_the_user_wants_it() {
        let at = |named: Option<&str>, state: Option<&str>, home: Option<&str>| {
            let variable = |name: &str| match name {
                "XDG_STATE_HOME" => state.map(PathBuf::from),
                _ => home.map(PathBuf::from),
            };
            directory(named.map(Path::new), variable).map(|it| it.display().to_string())
        };
        let found = |path: &str| Ok(path.to_owned());
        assert_eq!(at(Some("d"), Some("/s"), Some("/h")), found("d"));
        assert_eq!(at(None, Some("/s"), Some("/h")), found("/s/switchboard"));
        let home = found("/h/.local/state/switchboard");
        assert_eq!(at(None, None, Some("/h")), home);
        assert_eq!(at(None, Some("not/absolute"), Some("/h")), home);
        assert!(at(None, None, None).unwrap_err().contains("--data"));
    }

    #[test]
    fn times_are_days_moments_or_ago() {
        let seconds = |text| {
            let since = time(text).unwrap().duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap().as_secs()
        };
        assert_eq!(seconds("1970-01-02"), 86_400);
        assert_eq!(seconds("1970-01-02T00:00:01Z"), 86_401);
        assert_eq!(seconds("1970-01-02 00:00:01"), 86_401);
        assert!(time("7d").unwrap() < SystemTime::now());
        assert!(time("yesterday").is_err());
    }
}

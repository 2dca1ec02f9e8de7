//! The settings file: each key is a flag of `serve` without its dashes, so that both have one
//! meaning, one check and one text of help.
//!
//! It must never know a setting by name, but for those that make no sense in a file.

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Subcommand, ValueHint,
};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Cli;

/// A file with all settings is a few KiB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// They say how one start differs from others.
const NOT_IN_A_FILE: [&str; 6] = ["config", "help", "quiet", "take_over", "verbose", "version"];

/// Who is given one of these on the command line does not want the other from a file.
const TOGETHER: [(&str, &str); 3] = [
    ("tls", "tls_key"),
    ("verbose", "log_level"),
    ("quiet", "log_level"),
];

/// A value of a setting that names files otherwise.
const SELF_SIGNED: &str = "self-signed";

/// Columns of a comment in the example.
const WIDTH: usize = 96;

/// What can be done with settings files.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a server could be started with the settings in FILE.
    ///
    /// Nothing is changed, and a server that runs is not touched.
    ///
    /// Exit status: 0 if it could, 2 if not.
    Check(CheckArgs),
    /// Write a settings file with every setting, what it means and its default, to standard output.
    ///
    /// All settings are comments: take the `#` away from those that you want otherwise.
    Example,
}

/// Flags of `config check`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct CheckArgs {
    /// The settings file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Why there is nothing to be done.
#[derive(Debug)]
pub enum Problem {
    /// The command line is wrong, or help was asked for.
    Usage(clap::Error),
    /// The settings file is.
    File(String),
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Usage(error) => error.fmt(f),
            Problem::File(text) => f.write_str(text),
        }
    }
}

/// What the command line asks for, with the settings of the file that its `--config` names. What
/// is on the command line comes first.
///
/// # Errors
/// What is wrong with the line or the file, in which line of it, and what to write.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Problem> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    let matches = Cli::command().try_get_matches_from(&words);
    let matches = matches.map_err(Problem::Usage)?;
    if let Some(("serve", given)) = matches.subcommand()
        && let Some(file) = given.get_one::<PathBuf>("config")
    {
        let text = read(file).map_err(|why| Problem::File(format!("{}: {why}", file.display())))?;
        words.extend(flags(&text, file, given).map_err(Problem::File)?);
        let matches = Cli::command().try_get_matches_from(&words);
        let matches = matches
            .map_err(|error| Problem::File(format!("{}: {}", file.display(), said(&error))))?;
        return Cli::from_arg_matches(&matches).map_err(Problem::Usage);
    }
    Cli::from_arg_matches(&matches).map_err(Problem::Usage)
}

fn read(file: &Path) -> Result<String, String> {
    let open = std::fs::File::open(file).map_err(|why| why.to_string())?;
    let mut text = String::new();
    let read = open.take(FILE_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|why| why.to_string())?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "no settings file is longer than {FILE_BYTES_MAX} bytes"
        ));
    }
    Ok(text)
}

/// The settings of a file, but for those that `given` has, as flags.
fn flags(text: &str, file: &Path, given: &ArgMatches) -> Result<Vec<OsString>, String> {
    let say = |at: usize, what: &str| {
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        format!("{}, line {line}: {what}", file.display())
    };
    let table = DeTable::parse(text)
        .map_err(|error| say(error.span().map_or(0, |span| span.start), error.message()))?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let serve = serve();
    let directory = file.parent().unwrap_or(Path::new(""));
    let mut flags = Vec::new();
    for (key, value) in entries {
        let at = key.span().start;
        let Some(arg) = find(&serve, key.get_ref()) else {
            return Err(say(at, &unknown(&serve, key.get_ref())));
        };
        let new = flags_of(arg, value, directory).map_err(|what| say(at, &what))?;
        check(&new).map_err(|what| say(at, &what))?;
        if !is_given(given, arg.get_id().as_str()) {
            flags.extend(new);
        }
    }
    Ok(flags)
}

fn serve() -> clap::Command {
    let mut all = Cli::command();
    all.build();
    let serve = all.find_subcommand("serve");
    serve.cloned().unwrap_or_default()
}

fn settings(serve: &clap::Command) -> impl Iterator<Item = (&str, &Arg)> {
    let args = serve.get_arguments().filter(|arg| !arg.is_hide_set());
    let args = args.filter(|arg| !NOT_IN_A_FILE.contains(&arg.get_id().as_str()));
    args.filter_map(|arg| Some((arg.get_long()?, arg)))
}

fn find<'a>(serve: &'a clap::Command, key: &str) -> Option<&'a Arg> {
    settings(serve).find_map(|(name, arg)| (name == key).then_some(arg))
}

fn unknown(serve: &clap::Command, key: &str) -> String {
    // As clap does for flags.
    let alike = |name: &str| strsim::jaro(&key.replace('_', "-"), name);
    let best = settings(serve).max_by(|(a, _), (b, _)| alike(a).total_cmp(&alike(b)));
    let hint = match best {
        Some((name, _)) if alike(name) > 0.7 => format!("; did you mean \"{name}\"?"),
        _ => "; `switchboard config example` shows them all".to_owned(),
    };
    format!("there is no setting \"{}\"{hint}", key.escape_debug())
}

fn is_given(given: &ArgMatches, id: &str) -> bool {
    let on_the_line = |id: &str| given.value_source(id) == Some(ValueSource::CommandLine);
    on_the_line(id)
        || TOGETHER
            .iter()
            .any(|(one, other)| *other == id && on_the_line(one))
}

/// A setting as words of the command line.
fn flags_of(
    arg: &Arg,
    value: &Spanned<DeValue<'_>>,
    directory: &Path,
) -> Result<Vec<OsString>, String> {
    let name = arg.get_long().unwrap_or_default();
    let word = |value: &DeValue<'_>| -> Result<OsString, String> {
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            _ => return Err(format!("\"{name}\" is a text or a number")),
        };
        let mut word = OsString::from(format!("--{name}="));
        let is_file = matches!(
            arg.get_value_hint(),
            ValueHint::FilePath | ValueHint::DirPath
        );
        if is_file && text != SELF_SIGNED {
            word.push(directory.join(text)); // which is the file itself, if that is absolute
        } else {
            word.push(text);
        }
        Ok(word)
    };
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![format!("--{name}").into()]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err(format!("\"{name}\" is true or false")),
        (ArgAction::Append, DeValue::Array(values)) => {
            values.iter().map(|value| word(value.get_ref())).collect()
        }
        (_, DeValue::Array(_)) => Err(format!("\"{name}\" has one value, not a list")),
        (_, value) => Ok(vec![word(value)?]),
    }
}

/// Whether clap takes these, alone.
fn check(flags: &[OsString]) -> Result<(), String> {
    let words = ["switchboard", "serve"].map(OsString::from).into_iter();
    match Cli::command().try_get_matches_from(words.chain(flags.iter().cloned())) {
        // What it lacks, another line may have.
        Err(error) if error.kind() != ErrorKind::MissingRequiredArgument => Err(said(&error)),
        _ => Ok(()),
    }
}

/// What clap has to say, without how to write a command line.
fn said(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let lines = text.lines().map(str::trim);
    let lines =
        lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines.join("; ")
}

/// A file with all settings as comments.
pub fn example() -> String {
    let mut text = String::from(
        "# Settings of `switchboard serve --config FILE`. A flag on the command line comes first.\n\
         # Paths are relative to the directory of this file. `switchboard config check FILE` looks\n\
         # for mistakes.\n",
    );
    let serve = serve();
    for (name, arg) in settings(&serve) {
        text.push('\n');
        let help = arg.get_long_help().or(arg.get_help());
        for line in wrap(&help.map(ToString::to_string).unwrap_or_default()) {
            text.push_str(&format!("# {line}\n"));
        }
        let names = arg.get_value_names().unwrap_or_default();
        let placeholder = names.first().map_or("", |name| name.as_str());
        let defaults = arg
            .get_default_values()
            .iter()
            .map(|it| it.to_string_lossy());
        let mut values: Vec<String> = defaults.map(|value| literal(&value)).collect();
        if values.is_empty() {
            values.push(literal(placeholder));
        }
        let values = values.join(", ");
        text.push_str(&match arg.get_action() {
            ArgAction::SetTrue => format!("#{name} = false\n"),
            ArgAction::Append => format!("#{name} = [{values}]\n"),
            _ => format!("#{name} = {values}\n"),
        });
    }
    text
}

fn literal(value: &str) -> String {
    match value.parse::<u64>() {
        Ok(number) => number.to_string(),
        Err(_) => toml::Value::from(value).to_string(),
    }
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

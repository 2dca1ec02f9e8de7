//! The settings file of `serve --config`: what may be in it, and what is said of mistakes.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};

use switchboard_chat::cli::config::{self, Problem};
use switchboard_chat::cli::{Command as Job, LogLevel, ServeArgs, Tls};

/// A directory that is gone when the test is.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "settings-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn write(&self, text: &str) -> PathBuf {
        let file = self.0.join("switchboard.toml");
        fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What `serve` gets of a file with this text and of these words.
fn serve(text: &str, words: &[&str]) -> Result<ServeArgs, String> {
    let place = Place::new();
    let file = place.write(text);
    let all = ["switchboard", "serve", "--config"].map(OsString::from);
    let all = all.into_iter().chain([file.into_os_string()]);
    match config::parse(all.chain(words.iter().map(OsString::from))) {
        Ok(cli) => match cli.command {
            Job::Serve(mut args) => {
                args.config = None;
                Ok(args)
            }
            other => panic!("{other:?}"),
        },
        Err(Problem::File(problem)) => {
            let place = place.0.display().to_string();
            Err(problem.replace(&format!("{place}/"), ""))
        }
        Err(Problem::Usage(error)) => panic!("{error}"),
    }
}

fn defaults() -> ServeArgs {
    match config::parse(["switchboard", "serve"].map(OsString::from))
        .unwrap()
        .command
    {
        Job::Serve(args) => args,
        other => panic!("{other:?}"),
    }
}

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_switchboard"))
        .args(words)
        .output()
        .unwrap()
}

#[test]
fn a_key_is_a_flag_without_its_dashes() {
    let args = serve(
        "listen = ['127.0.0.1:1', 'ircs://[::1]:2']\nmax-clients = 7\nidle-timeout = '90s'\n\
         metrics = true\nname = \"chat.example.org\"\nkeep-for = 'off'\nlog-level = 'warn'\n\
         allow-origin = []\n",
        &[],
    );
    let args = args.unwrap();
    let listen: Vec<String> = args.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:1", "ircs://[::1]:2"]);
    assert_eq!((args.max_clients, args.metrics), (7, true));
    assert_eq!(args.idle_timeout.to_string(), "1m 30s");
    assert_eq!(args.name, "chat.example.org");
    assert_eq!(args.log.level(LogLevel::Info), LogLevel::Warn);
    assert!(args.allow_origin.is_empty());
}

#[test]
fn the_command_line_comes_first() {
    let text = "listen = ['127.0.0.1:1']\nmax-clients = 7\ntls = 'a.pem'\ntls-key = 'a.key'\n\
                log-level = 'warn'\n";
    let args = serve(text, &["--listen", "[::1]:9", "--tls", "self-signed", "-v"]).unwrap();
    assert_eq!(args.listen.len(), 1);
    assert_eq!(args.listen[0].to_string(), "[::1]:9");
    assert_eq!(args.tls, [Tls::SelfSigned]);
    assert!(args.tls_key.is_empty());
    assert_eq!(args.max_clients, 7);
    assert_eq!(args.log.level(LogLevel::Info), LogLevel::Debug);
}

#[test]
fn paths_begin_at_the_file() {
    let place = Place::new();
    let file = place.write("data = 'here'\nrecord = '/there/it.rec'\ntls = 'self-signed'\n");
    let words = [
        "switchboard".into(),
        "serve".into(),
        "--config".into(),
        file.into_os_string(),
    ];
    let Job::Serve(args) = config::parse(words).unwrap().command else {
        panic!("another command");
    };
    assert_eq!(args.data.data, Some(place.0.join("here")));
    assert_eq!(args.record, Some("/there/it.rec".into()));
    assert_eq!(args.tls, [Tls::SelfSigned]);
}

#[test]
fn mistakes_are_told_with_their_line_and_what_to_write() {
    let cases = [
        (
            "\nmax_clients = 7\n",
            "line 2: there is no setting \"max_clients\"; did you mean \"max-clients\"?",
        ),
        (
            "zzz = 7\n",
            "line 1: there is no setting \"zzz\"; `switchboard config example` shows them all",
        ),
        (
            "max-clients = 0\n",
            "line 1: invalid value '0' for '--max-clients <N>'",
        ),
        (
            "# two\nmetrics = 'yes'\n",
            "line 2: \"metrics\" is true or false",
        ),
        (
            "max-clients = [1, 2]\n",
            "line 1: \"max-clients\" has one value, not a list",
        ),
        (
            "max-clients = 2024-01-01\n",
            "line 1: \"max-clients\" is a text or a number",
        ),
        (
            "[chat]\nname = 'x'\n",
            "line 1: there is no setting \"chat\"",
        ),
        ("name = 'a'\nname = 'b'\n", "line 2: "),
        ("name = \n", "line 1: "),
        (
            "config = 'other.toml'\n",
            "line 1: there is no setting \"config\"",
        ),
        ("decoys = '00'\n", "line 1: there is no setting \"decoys\""),
        ("verbose = 2\n", "line 1: there is no setting \"verbose\""),
        ("\"a\\nb\" = 1\n", "line 1: there is no setting \"a\\nb\""),
    ];
    for (text, expected) in cases {
        let problem = serve(text, &[]).expect_err(text);
        let expected = format!("switchboard.toml, {expected}");
        assert!(problem.starts_with(&expected), "{text:?}: {problem}");
    }
}

#[test]
fn a_mistake_is_told_even_where_the_command_line_comes_first() {
    let problem = serve("max-clients = 0\n", &["--max-clients", "5"]).expect_err("it is wrong");
    assert!(problem.contains("line 1: invalid value '0'"), "{problem}");
}

#[test]
fn the_example_has_all_settings_with_their_defaults() {
    let output = run(&["config", "example"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(serve(&text, &[]).unwrap(), defaults());
    // Those without a default name what is to be written there.
    let is_placeholder = |line: &&str| {
        let value = line.split(" = ").nth(1).unwrap_or_default();
        let value = value.trim_matches(['[', ']', '"']);
        !value.is_empty() && value.chars().all(|c| c.is_ascii_uppercase())
    };
    let settings = text.lines().filter_map(|line| line.strip_prefix('#'));
    let settings: Vec<&str> = settings
        .filter(|line| !line.starts_with(' ') && line.contains(" = "))
        .collect();
    assert!(settings.len() > 20, "{settings:?}");
    let with_defaults = settings.iter().filter(|line| !is_placeholder(line));
    let all: String = with_defaults.map(|line| format!("{line}\n")).collect();
    assert_eq!(serve(&all, &[]).unwrap(), defaults());
}

#[test]
fn a_check_says_what_a_start_would() {
    let place = Place::new();
    let data = place.0.join("data");
    let good = format!("data = '{}'\nlisten = '127.0.0.1:0'\n", data.display());
    let check = |text: &str| {
        let file = place.write(text);
        let output = run(&["config", "check", file.to_str().unwrap()]);
        let said =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let (status, said) = check(&good);
    assert_eq!(
        (status, said.ends_with("switchboard.toml: good\n")),
        (Some(0), true),
        "{said}"
    );
    assert!(!data.exists());
    for (more, expected) in [
        ("tls = 'no.pem'\ntls-key = 'no.key'\n", "no.pem"),
        ("tls = 'no.pem'\n", "where is the key"),
        ("max-clients = 'x'\n", "line 3: invalid value 'x'"),
    ] {
        let (status, said) = check(&format!("{good}{more}"));
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let (status, said) = check("listen = '0.0.0.0:0'\n");
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("--allow-plaintext"), "{said}");
    let missing = place.0.join("missing.toml");
    let output = run(&["serve", "--config", missing.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("missing.toml: No such file")
    );
}

#[test]
fn a_public_address_needs_tls_or_a_word() {
    let place = Place::new();
    let data = place.0.join("data");
    let words = [
        "serve",
        "--listen",
        "0.0.0.0:0",
        "--data",
        data.to_str().unwrap(),
    ];
    let output = run(&words);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("can be reached from everywhere"), "{said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "");
}

#[test]
fn the_unit_for_systemd_starts_the_program_with_flags_that_it_has() {
    let unit = include_str!("../../../packaging/switchboard.service");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    let place = Place::new();
    let file = place.write("");
    let line = line.replace("/etc/switchboard/switchboard.toml", file.to_str().unwrap());
    let Job::Serve(args) = config::parse(line.split(' ').map(OsString::from))
        .unwrap()
        .command
    else {
        panic!("{line}");
    };
    assert_eq!(args.data.data, Some("/var/lib/switchboard".into()));
}

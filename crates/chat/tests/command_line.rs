//! The command line, as a person meets it.

use std::process::{Command, Output};
use std::time::Duration;

use clap::{CommandFactory, Parser};
use switchboard::Driver;
use switchboard_chat::cli::{Cli, Command as Job, ConnectArgs, LogLevel, ServeArgs, Switch};
use switchboard_chat::limits::Limits;

fn parse(words: &str) -> Result<Job, String> {
    let words = std::iter::once("switchboard").chain(words.split_whitespace());
    Cli::try_parse_from(words)
        .map(|cli| cli.command)
        .map_err(|error| error.to_string())
}

fn serve(words: &str) -> ServeArgs {
    match parse(&format!("serve {words}")) {
        Ok(Job::Serve(args)) => args,
        other => panic!("{other:?}"),
    }
}

fn connect(words: &str) -> ConnectArgs {
    match parse(&format!("connect {words}")) {
        Ok(Job::Connect(args)) => args,
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
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn without_flags_the_documented_defaults_hold() {
    let args = serve("");
    assert_eq!(args.limits(), Limits::DEFAULT);
    assert_eq!(
        args.listen
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["localhost:8080"]
    );
    let args = connect("");
    assert_eq!(args.address.to_string(), "localhost:8080");
    assert_eq!((args.name, args.reconnect), (None, None));
    assert_eq!(args.timeout, Switch(Some(Duration::from_secs(10))));
}

#[test]
fn every_limit_has_its_flag() {
    let args = serve(
        "--listen 127.0.0.1:1 --listen [::1]:2 --max-message 10 --max-clients 2 \
         --idle-timeout 90s --rate 5 --pause 1s",
    );
    assert_eq!(args.listen.len(), 2);
    let expected = Limits {
        message_bytes_max: 10,
        clients_max: 2,
        idle: Some(Duration::from_secs(90)),
        rate: Some(Limits::rate_with_burst(5)),
        pause: Some(Duration::from_secs(1)),
    };
    assert_eq!(args.limits(), expected);
}

#[test]
fn off_and_zero_switch_a_limit_off() {
    for off in ["off", "0"] {
        let limits = serve(&format!("--idle-timeout {off} --rate {off} --pause {off}")).limits();
        assert_eq!((limits.idle, limits.rate, limits.pause), (None, None, None));
    }
    assert_eq!(serve("--idle-timeout 0s").limits().idle, None);
}

#[test]
fn flags_of_connect() {
    let args = connect("example.org:7 --name ann --reconnect --timeout off");
    assert_eq!(args.address.to_string(), "example.org:7");
    assert_eq!(args.name.as_deref(), Some("ann"));
    assert_eq!((args.reconnect, args.timeout), (Some(10), Switch(None)));
    assert_eq!(connect("--reconnect=3").reconnect, Some(3));
}

#[test]
fn both_commands_name_their_driver() {
    assert_eq!(serve("").driver, Driver::Readiness);
    assert_eq!(serve("--driver io_uring").driver, Driver::IoUring);
    assert_eq!(connect("--driver auto").driver, Driver::Auto);
    let error = parse("serve --driver uring").expect_err("no driver");
    assert!(
        error
            .to_string()
            .contains("expected auto, readiness or io_uring")
    );
}

#[test]
fn log_levels() {
    let level = |words: &str| serve(words).log.level(LogLevel::Info);
    assert_eq!(level(""), LogLevel::Info);
    assert_eq!(level("-v"), LogLevel::Debug);
    assert_eq!(level("-vvv"), LogLevel::Trace);
    assert_eq!(level("-q"), LogLevel::Warn);
    assert_eq!(level("-qq"), LogLevel::Error);
    assert_eq!(level("--log-level debug"), LogLevel::Debug);
    assert!(parse("serve -v -q").is_err());
    assert!(parse("serve -v --log-level info").is_err());
}

#[test]
fn errors_say_what_to_write() {
    for (words, advice) in [
        ("serve --listen 8081", "write localhost:8081"),
        ("serve --idle-timeout 10", "write a duration as in 200ms"),
        ("serve --rate fast", "or off"),
        ("serve --max-message 0", "1..=1048576"),
        ("connect nowhere", "write nowhere:8080"),
        ("connect http://localhost:8080", "write HOST:PORT alone"),
        ("connect --name \u{7}", "no invisible characters"),
        ("connect --reconnect=0", "1..=1000"),
    ] {
        let error = parse(words).unwrap_err();
        assert!(error.contains(advice), "{words}: {error}");
    }
}

#[test]
fn help_shows_flags_with_their_defaults() {
    let help = String::from_utf8(run(&["serve", "--help"]).stdout).unwrap();
    for expected in [
        "[default: localhost:8080]",
        "[default: 8192]",
        "[default: 1000]",
        "[default: 10m]",
        "[default: 100]",
        "[default: 200ms]",
    ] {
        assert!(help.contains(expected), "{expected} is missing in\n{help}");
    }
}

#[test]
fn the_program_knows_its_version_and_asks_for_a_command() {
    let version = run(&["--version"]);
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        format!("switchboard {}\n", env!("CARGO_PKG_VERSION"))
    );
    let nothing = run(&[]);
    assert_eq!(nothing.status.code(), Some(2));
    assert!(
        String::from_utf8(nothing.stderr)
            .unwrap()
            .contains("switchboard serve")
    );
}

#[test]
fn flags_of_serve_come_back_from_a_recording() {
    for words in [
        "",
        "--listen 127.0.0.1:1 --listen [::1]:2 --max-message 10 --max-clients 2",
        "--idle-timeout off --rate off --pause off",
        "--idle-timeout 1h30m --rate 7 --pause 1500ms",
        "--admin ann --admin Bob --registration invitation --contact a --motd-line= --motd-line=b",
    ] {
        let args = serve(words);
        let again = ServeArgs::from_lines(&args.to_lines()).unwrap();
        assert_eq!(again, args, "{words}");
    }
    assert!(
        ServeArgs::from_lines("--rate=fast")
            .unwrap_err()
            .contains("--rate")
    );
}

#[test]
fn a_speed_is_a_number_above_zero() {
    for words in ["0", "-1", "NaN", "inf", "fast"] {
        let error = parse(&format!("replay run.rec --at-speed={words}")).unwrap_err();
        assert!(error.contains("write a number above 0"), "{words}: {error}");
    }
    assert!(parse("replay run.rec --at-speed 0.5").is_ok());
    assert!(parse("replay").is_err());
}

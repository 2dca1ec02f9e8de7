//! Which outside programs tests talk to, and where they are on this machine.
//!
//! It must never install anything: a missing partner is an answer like any other.

use std::env;
use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An outside program that a test talks to.
#[derive(Clone, Copy, Debug)]
pub struct Partner {
    /// What the program is called in messages.
    name: &'static str,
    /// The Debian packages that bring it, with a space between them.
    package: &'static str,
    /// Commands that may be it, the preferred one first; none if it is the name.
    commands: &'static [&'static str],
    /// Arguments that every run of it gets.
    arguments: &'static [&'static str],
    /// A run with these arguments succeeds only if the program is of the right kind.
    probe: Option<&'static [&'static str]>,
}

impl Partner {
    /// A Python that still has `asyncore` and `asynchat`: CPython up to 3.11, or a newer one with
    /// the package `pyasyncore`. The variable `SWITCHBOARD_PYTHON` names one to try first. It runs
    /// unbuffered, and without the warning that `asyncore` is deprecated.
    pub const PYTHON: Self = Self {
        name: "a python3 with asyncore",
        package: "python3",
        commands: &["$SWITCHBOARD_PYTHON", "python3", "python3.11"],
        arguments: &["-u", "-W", "ignore::DeprecationWarning"],
        probe: Some(&["-c", "import asyncore, asynchat"]),
    };
    /// `strace`, where it is allowed to trace.
    pub const STRACE: Self = Self {
        probe: Some(&["-f", "-o", "/dev/null", "true"]),
        ..Self::named("strace")
    };
    /// `tmux`, for programs that want a terminal.
    pub const TMUX: Self = Self::named("tmux");
    /// OpenBSD's `nc`, the one that knows `-N`.
    pub const NC: Self = Self {
        package: "netcat-openbsd",
        commands: &["nc.openbsd"],
        ..Self::named("nc")
    };
    /// The command line of OpenSSL, a TLS that is not ours.
    pub const OPENSSL: Self = Self::named("openssl");
    /// `curl`, with TLS.
    pub const CURL: Self = Self::named("curl");
    /// A C compiler.
    pub const CC: Self = Self {
        package: "gcc",
        commands: &["cc", "gcc", "clang"],
        ..Self::named("cc")
    };
    /// `dig`, a resolver to ask a name server with.
    pub const DIG: Self = Self {
        package: "bind9-dnsutils",
        ..Self::named("dig")
    };
    /// The command line of GNU SASL, clients and servers that are not ours.
    pub const GSASL: Self = Self::named("gsasl");
    /// `irssi`, a chat client on a terminal.
    pub const IRSSI: Self = Self::named("irssi");
    /// `weechat-headless`, the chat client without its terminal. Its plugins bring the named pipe
    /// that it is driven by.
    pub const WEECHAT: Self = Self {
        package: "weechat-headless weechat-plugins",
        ..Self::named("weechat-headless")
    };
    /// A Python with `websockets`: a WebSocket client that is not ours. The distribution's own comes
    /// first, since its packages are there.
    pub const WEBSOCKETS: Self = Self {
        name: "a python3 with websockets",
        package: "python3-websockets",
        commands: &["/usr/bin/python3", "python3"],
        arguments: &["-u"],
        probe: Some(&["-c", "import websockets"]),
    };
    /// `socat`, which lends TLS to clients that have none.
    pub const SOCAT: Self = Self::named("socat");
    /// `valgrind`, for counting instructions.
    pub const VALGRIND: Self = Self::named("valgrind");

    /// Every partner, for whoever installs them all.
    pub const ALL: &[Self] = &[
        Self::PYTHON,
        Self::STRACE,
        Self::TMUX,
        Self::NC,
        Self::OPENSSL,
        Self::CURL,
        Self::CC,
        Self::VALGRIND,
        Self::DIG,
        Self::GSASL,
        Self::IRSSI,
        Self::WEECHAT,
        Self::WEBSOCKETS,
        Self::SOCAT,
    ];

    /// A program whose package and command are called like the program itself.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self {
            name,
            package: name,
            commands: &[],
            arguments: &[],
            probe: None,
        }
    }

    /// The Debian packages that bring it, with a space between them.
    pub const fn package(&self) -> &'static str {
        self.package
    }

    /// Looks for the program on this machine; `None` if it is not there, or not of the right kind.
    ///
    /// Costs a look at each directory of `PATH`, and one run of the program where its kind matters.
    pub fn find(&self) -> Option<Installed> {
        let named = [self.name];
        let commands = if self.commands.is_empty() {
            &named
        } else {
            self.commands
        };
        let programs = commands.iter().filter_map(|command| locate(command));
        let mut installed = programs.map(|program| Installed {
            partner: *self,
            program,
        });
        installed.find(|installed| match self.probe {
            Some(arguments) => installed.succeeds(arguments),
            None => true,
        })
    }
}

/// Says what is needed and how to get it.
impl fmt::Display for Partner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "needs {} (apt-get install {})",
            self.name, self.package
        )
    }
}

/// A partner that is there.
#[derive(Clone, Debug)]
pub struct Installed {
    partner: Partner,
    program: PathBuf,
}

impl Installed {
    /// A new command that runs it, with the arguments that every run gets.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.partner.arguments);
        command
    }

    fn succeeds(&self, arguments: &[&str]) -> bool {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

/// The file that `command` runs: a variable's value, a path, or a name to look up in `PATH`.
fn locate(command: &str) -> Option<PathBuf> {
    let given = match command.strip_prefix('$') {
        Some(variable) => PathBuf::from(env::var_os(variable)?),
        None => PathBuf::from(command),
    };
    if given.components().count() > 1 {
        return is_program(&given).then_some(given);
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(&given))
        .find(|place| is_program(place))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.is_file() && may_run(&file))
}

#[cfg(unix)]
fn may_run(file: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.permissions().mode() & 0o111 != 0
}

/// There, a file is a program by its name.
#[cfg(not(unix))]
fn may_run(_: &Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_exists_is_found_and_runs() {
        let shell = Partner {
            commands: &["no-such-shell", "sh"],
            ..Partner::named("x")
        };
        let installed = shell.find().expect("every Unix has sh");
        assert!(installed.succeeds(&["-c", "exit 0"]));
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_found() {
        let commands = &[
            "no-such-program",
            "/no/such/program",
            "$NO_SUCH",
            "/etc/passwd",
        ];
        let missing = Partner {
            commands,
            ..Partner::named("x")
        };
        assert!(missing.find().is_none());
    }

    #[test]
    fn a_program_of_the_wrong_kind_is_not_found() {
        let shell = Partner::named("sh");
        let wrong = Partner {
            probe: Some(&["-c", "exit 1"]),
            ..shell
        };
        assert!(wrong.find().is_none());
        let right = Partner {
            probe: Some(&["-c", "exit 0"]),
            ..shell
        };
        assert!(right.find().is_some());
    }

    #[test]
    fn ci_installs_every_partner() {
        let script = include_str!("../../../.ci/run");
        let packages = Partner::ALL.iter().map(Partner::package);
        for package in packages.flat_map(str::split_whitespace) {
            let is_listed = script
                .lines()
                .any(|line| line.split_whitespace().next() == Some(package));
            assert!(is_listed, "add `{package}` to the packages in .ci/run");
        }
    }
}

//! The chat servers that take part: what they are, how they are configured, how they are started.
//!
//! Must never let a limit of a server decide a figure: whatever would hold clients or messages back
//! is off, and so is what asks others (DNS, ident).

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::chat::dialect::Dialect;
use crate::child::Child;
use crate::{interrupt, peers};

const START_LIMIT: Duration = Duration::from_secs(20);
/// Clients that connect at the same time to a server with a backlog of the usual size.
const AT_ONCE: usize = 2000;
/// What `--only` takes.
pub const SELECTABLE: [&str; 5] = ["ngircd", "inspircd", "redis", OURS, OURS_URING];
/// Our server on the readiness driver.
pub const OURS: &str = "switchboard (readiness)";
/// The same on io_uring.
pub const OURS_URING: &str = "switchboard (io_uring)";

/// Which program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Ngircd,
    Inspircd,
    Redis,
    /// With the name of a driver.
    Ours(&'static str),
}

/// A server that can be started.
#[derive(Clone, Debug)]
pub struct Peer {
    /// As the report names it.
    pub name: &'static str,
    /// As it says itself.
    pub version: String,
    /// How it is spoken to.
    pub dialect: Dialect,
    /// Whether all can be in one room without that each who joins is announced to all.
    pub hides_joins: bool,
    /// How many clients may connect at the same time: no more than it has a backlog for (beyond it
    /// the kernel drops the request, and the next attempt follows only after a second), and as many
    /// as can be, since InspIRCd registers those that are there once a second.
    pub at_once: usize,
    program: PathBuf,
    make: Make,
}

/// Who takes part, and who does not, with the reason.
pub struct Field {
    /// Those that can be started.
    pub peers: Vec<Peer>,
    /// The others, with what to do about it.
    pub missing: Vec<(&'static str, String)>,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
}

/// Finds the peers that are installed and builds our own, all if none is named.
pub fn find(only: &[String]) -> Result<Field> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|one| one == name);
    let (program, version, target) = peers::build_chat()?;
    let mut field = Field {
        peers: vec![],
        missing: vec![],
        target,
    };
    for (name, package, make) in [
        ("ngircd", "ngircd", Make::Ngircd),
        ("inspircd", "inspircd", Make::Inspircd),
        ("redis", "redis-server", Make::Redis),
    ] {
        if !wanted(name) {
            continue;
        }
        match version_of(package) {
            Some((program, version)) => field.peers.push(Peer {
                name,
                version,
                dialect: match make {
                    Make::Redis => Dialect::Redis,
                    _ => Dialect::Irc,
                },
                hides_joins: make != Make::Ngircd,
                at_once: match make {
                    Make::Ngircd => 8,
                    _ => AT_ONCE,
                },
                program,
                make,
            }),
            None => field.missing.push((
                name,
                format!("apt-get install --no-install-recommends {package}"),
            )),
        }
    }
    for (name, driver) in [(OURS, "readiness"), (OURS_URING, "io_uring")] {
        if wanted(name) {
            field.peers.push(Peer {
                name,
                version: version.clone(),
                dialect: Dialect::IrcWithEcho,
                hides_joins: true,
                at_once: AT_ONCE,
                program: program.clone(),
                make: Make::Ours(driver),
            });
        }
    }
    Ok(field)
}

/// Servers live where only root looks for programs.
fn version_of(package: &str) -> Option<(PathBuf, String)> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&places)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")]);
    let program = places
        .map(|place| place.join(package))
        .find(|program| program.is_file())?;
    let output = Command::new(&program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next()?.trim().to_owned();
    Some((program, version))
}

/// A server that listens.
pub struct Running {
    child: Child,
    /// Where.
    pub address: SocketAddr,
    /// Of what it writes; removed with it.
    directory: PathBuf,
}

impl Running {
    /// The process's number.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// How it ended, if it has.
    pub fn ending(&mut self) -> Option<anyhow::Error> {
        self.child.ending()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The process first, which may still write there.
        let _ = self
            .child
            .end_with(rustix::process::Signal::KILL, START_LIMIT);
        // What cannot be removed harms no measurement.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Peer {
    /// Whether it is a server of our own.
    pub fn is_ours(&self) -> bool {
        matches!(self.make, Make::Ours(_))
    }

    /// Starts it on `core` with a directory of its own below `scratch`, and waits until it listens.
    /// With `hushed`, rooms announce no joins, where the server has that as a setting.
    pub fn start(&self, core: usize, scratch: &Path, hushed: bool) -> Result<Running> {
        let port = free_port()?;
        let directory = scratch.join(format!("chat-{port}"));
        fs::create_dir_all(&directory)
            .with_context(|| format!("creating {}", directory.display()))?;
        let arguments = self.configure(port, &directory, hushed)?;
        let child = Child::start(self.name, core, self.program.as_os_str(), arguments)?;
        let mut running = Running {
            child,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            directory,
        };
        running.wait_until_it_listens()?;
        Ok(running)
    }

    /// Writes its configuration; its arguments.
    fn configure(&self, port: u16, directory: &Path, hushed: bool) -> Result<Vec<OsString>> {
        let file = directory.join("server.conf");
        let place = directory
            .to_str()
            .context("the target directory's name is not UTF-8")?;
        let (text, before, after): (String, &[&str], Vec<String>) = match self.make {
            Make::Ngircd => (ngircd(port), &["--nodaemon", "--config"], vec![]),
            Make::Inspircd => (
                inspircd(port, place, hushed),
                &["--nofork", "--runasroot", "--nolog", "--config"],
                vec![],
            ),
            Make::Redis => (redis(port, place), &[], vec![]),
            Make::Ours(driver) => return Ok(ours(port, place, driver)),
        };
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        let arguments = before.iter().map(OsString::from);
        Ok(arguments
            .chain([file.into_os_string()])
            .chain(after.into_iter().map(OsString::from))
            .collect())
    }
}

impl Running {
    fn wait_until_it_listens(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            interrupt::check()?;
            if TcpStream::connect_timeout(&self.address, START_LIMIT).is_ok() {
                return Ok(());
            }
            if let Some(error) = self.child.ending() {
                return Err(error);
            }
            if Instant::now() >= deadline {
                bail!("it does not listen at {}", self.address);
            }
            thread::yield_now();
        }
    }
}

/// A port that nobody has: of the kernel's choice, and given back.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port")?;
    Ok(listener.local_addr()?.port())
}

/// It gives up root's rights for those of `nobody`, which also takes the tool's order from the
/// kernel to end with the tool; so it ends some seconds after its last client has.
fn ngircd(port: u16) -> String {
    format!(
        "[Global]\n\
         Name = irc.bench.example\n\
         Info = bench\n\
         Listen = 127.0.0.1\n\
         Ports = {port}\n\
         MotdPhrase = hello\n\
         [Limits]\n\
         IdleTimeout = 20\n\
         MaxConnections = 0\n\
         MaxConnectionsIP = 0\n\
         MaxJoins = 0\n\
         MaxNickLength = 16\n\
         MaxPenaltyTime = 0\n\
         PingTimeout = 86400\n\
         PongTimeout = 86400\n\
         [Options]\n\
         DNS = no\n\
         Ident = no\n\
         PAM = no\n\
         ScrubCTCP = no\n"
    )
}

/// In a hushed one every room is an auditorium (`+u`), whose members do not see each other come.
fn inspircd(port: u16, directory: &str, hushed: bool) -> String {
    let (modes, module) = match hushed {
        true => (
            "nu",
            "<module name=\"auditorium\">\n\
             <auditorium opvisible=\"no\" opcansee=\"no\" opercansee=\"no\">\n",
        ),
        false => ("n", ""),
    };
    format!(
        "<server name=\"irc.bench.example\" description=\"bench\" network=\"bench\">\n\
         <admin name=\"bench\" nick=\"bench\" email=\"bench@bench.example\">\n\
         <bind address=\"127.0.0.1\" port=\"{port}\" type=\"clients\">\n\
         <connect name=\"all\" allow=\"*\" timeout=\"60\" pingfreq=\"1d\" hardsendq=\"256M\" \
         softsendq=\"256M\" recvq=\"1M\" threshold=\"1000000\" commandrate=\"1000000000\" \
         fakelag=\"no\" localmax=\"100000\" globalmax=\"100000\" limit=\"100000\" maxchans=\"1000\" \
         resolvehostnames=\"no\" useident=\"no\">\n\
         <channels users=\"1000\" opers=\"1000\">\n\
         <performance netbuffersize=\"65534\" somaxconn=\"4096\" softlimit=\"100000\" \
         clonesonconnect=\"no\" timeskipwarn=\"0\" quietbursts=\"yes\">\n\
         <path configdir=\"{directory}\" datadir=\"{directory}\" logdir=\"{directory}\" \
         runtimedir=\"{directory}\">\n\
         <pid file=\"{directory}/pid\">\n\
         <options defaultmodes=\"{modes}\">\n\
         {module}"
    )
}

fn redis(port: u16, directory: &str) -> String {
    format!(
        "bind 127.0.0.1\n\
         port {port}\n\
         dir {directory}\n\
         daemonize no\n\
         protected-mode no\n\
         save \"\"\n\
         appendonly no\n\
         maxclients 19000\n\
         timeout 0\n\
         tcp-backlog 4096\n\
         client-output-buffer-limit pubsub 0 0 0\n"
    )
}

/// Its data goes to the same disk as its program.
fn ours(port: u16, directory: &str, driver: &str) -> Vec<OsString> {
    let listen = format!("127.0.0.1:{port}");
    let data = format!("{directory}/data");
    [
        "serve",
        "--listen",
        &listen,
        "--data",
        &data,
        "--driver",
        driver,
        "--max-clients",
        "19000",
        "--rate",
        "off",
        "--idle-timeout",
        "off",
        // The others show nobody what was said before.
        "--backlog",
        "off",
        "--log-level",
        "warn",
    ]
    .map(OsString::from)
    .into()
}

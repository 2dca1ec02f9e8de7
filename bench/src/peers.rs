//! Who takes part: the servers, and how each is built.
//!
//! Must never build a Rust peer in anything but release, nor the yardstick
//! with other options than the other C peer.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::scenario::{REFERENCE, Scenario, Work};

/// The yardstick's name.
pub const YARDSTICK: &str = "raw epoll";
/// The name of its identical copy, whose row is the noise.
pub const NOISE: &str = "raw epoll again";
/// The name of the limit for our own server on io_uring.
pub const LIMIT: &str = "raw io_uring";
/// The name of our own server on the readiness driver.
pub const OURS: &str = "switchboard (readiness)";
/// The name of our own server on io_uring.
pub const OURS_URING: &str = "switchboard (io_uring)";

/// The name of our own server on the readiness driver while it is recorded.
pub const OURS_RECORDED: &str = "switchboard (recorded)";

/// The same on io_uring.
pub const OURS_URING_RECORDED: &str = "switchboard (io_uring, recorded)";

/// Whether the name is that of a server of our own.
pub fn is_ours(name: &str) -> bool {
    name.starts_with("switchboard")
}

/// What `--only` takes; the yardstick and its copy always run.
pub const SELECTABLE: [&str; 8] = [
    LIMIT,
    OURS,
    OURS_URING,
    OURS_RECORDED,
    OURS_URING_RECORDED,
    "mio",
    "libuv",
    "tokio",
];

/// The peers that one is compared with as well as with the yardstick, the outermost first.
fn beside(name: &str) -> &'static [&'static str] {
    match name {
        OURS_URING => &[OURS, LIMIT],
        OURS_RECORDED => &[OURS],
        OURS_URING_RECORDED => &[OURS_URING],
        _ => &[],
    }
}

const C_OPTIONS: [&str; 5] = ["-O2", "-g", "-std=gnu11", "-Wall", "-Wextra"];

/// A server that is built.
#[derive(Clone, Debug)]
pub struct Peer {
    /// As the report names it.
    pub name: String,
    /// Its executables, which take the address as their last argument.
    pub programs: BTreeMap<Work, PathBuf>,
    /// What stands before the address.
    pub options: Vec<OsString>,
    /// The file that it must be writing to, since otherwise it does not do its work; its directory
    /// is made before it starts and removed after it.
    pub writes: Option<PathBuf>,
    /// Of the library that it stands on.
    pub version: String,
    /// Peers that it is compared with as well as with the yardstick, the outermost first.
    pub beside: &'static [&'static str],
}

impl Peer {
    /// Whether it has a server for the scenario.
    pub fn takes_part(&self, scenario: &Scenario) -> bool {
        let elsewhere = self.writes.is_some() && *scenario != REFERENCE;
        self.programs.contains_key(&scenario.work) && !elsewhere
    }
}

/// What came of building.
#[derive(Debug)]
pub struct Field {
    /// The yardstick first, then its copy, then the others.
    pub peers: Vec<Peer>,
    /// Peers that are left out, with the reason.
    pub skipped: Vec<(String, String)>,
    /// The compilers, for the report.
    pub compilers: String,
    /// Where cargo puts what it builds.
    pub target: PathBuf,
}

/// Builds the yardstick, its copy, and the named peers with those beside them (all if none is
/// named).
pub fn build(only: &[String]) -> Result<Field> {
    let wanted = |name: &str| {
        let mut only = only.iter().map(String::as_str).peekable();
        only.peek().is_none() || only.any(|only| only == name || beside(only).contains(&name))
    };
    let mut cargo = Cargo::default();
    cargo.build("switchboard-bench", &["--bin=peer_mio", "--bin=peer_tokio"])?;
    if SELECTABLE
        .into_iter()
        .any(|name| is_ours(name) && wanted(name))
    {
        cargo.build("switchboard", &["--example=echo", "--example=broadcast"])?;
    }
    let target = cargo.target()?;
    let directory = target.join("bench-peers");
    fs::create_dir_all(&directory)?;

    let mut field = Field {
        peers: vec![],
        skipped: vec![],
        compilers: format!("{}, {}", first_line("rustc")?, first_line("cc")?),
        target,
    };
    field.add_epoll(&directory)?;
    if wanted(LIMIT) {
        field.add_io_uring(&directory)?;
    }
    for (name, driver) in [(OURS, "readiness"), (OURS_URING, "io_uring")] {
        if wanted(name) {
            field.add_ours(name, driver, &cargo)?;
        }
    }
    for (name, driver) in [
        (OURS_RECORDED, "readiness"),
        (OURS_URING_RECORDED, "io_uring"),
    ] {
        if wanted(name) {
            let file = directory
                .join("recording-".to_owned() + driver)
                .join("echo");
            let peer = field.add_ours(name, driver, &cargo)?;
            peer.options
                .extend(["--record".into(), file.clone().into()]);
            peer.writes = Some(file);
        }
    }
    if wanted("mio") {
        field.add("mio", cargo.executable("peer_mio")?, cargo.version("mio"));
    }
    if wanted("libuv") {
        field.add_libuv(&directory)?;
    }
    if wanted("tokio") {
        let version = cargo.version("tokio");
        field.add("tokio", cargo.executable("peer_tokio")?, version);
    }
    Ok(field)
}

/// Builds the server that computes for each message: its executable, and where cargo puts what it
/// builds.
pub fn build_work() -> Result<(PathBuf, PathBuf)> {
    let mut cargo = Cargo::default();
    cargo.build("switchboard", &["--example=work"])?;
    let work = cargo.executable("work")?;
    // `TARGET/release/examples/work` → `TARGET`
    let target = work.ancestors().nth(3).map(Path::to_path_buf);
    let target = target.context("cargo's target directory has no parent")?;
    Ok((work, target))
}

/// Builds the chat server: its executable, its version, and where cargo puts what it builds.
pub fn build_chat() -> Result<(PathBuf, String, PathBuf)> {
    let mut cargo = Cargo::default();
    cargo.build("switchboard-chat", &["--bin=switchboard"])?;
    let program = cargo.executable("switchboard")?;
    // `TARGET/release/switchboard` → `TARGET`
    let target = program.ancestors().nth(2).map(Path::to_path_buf);
    let target = target.context("cargo's target directory has no parent")?;
    let version = first_line(&program)?;
    Ok((program, version, target))
}

impl Field {
    fn add(&mut self, name: &str, echo: PathBuf, version: String) -> &mut Peer {
        self.peers.push_mut(Peer {
            name: name.to_owned(),
            programs: [(Work::Echo, echo)].into(),
            options: vec![],
            writes: None,
            version,
            beside: beside(name),
        })
    }

    fn skip(&mut self, name: &str, why: &str) {
        self.skipped.push((name.to_owned(), why.to_owned()));
    }

    /// The yardstick and its copy: two files, as two different programs have.
    fn add_epoll(&mut self, directory: &Path) -> Result<()> {
        for (name, suffix) in [(YARDSTICK, ""), (NOISE, "_again")] {
            let echo = directory.join(format!("raw_epoll{suffix}"));
            compile_c("raw_epoll.c", &echo, &[])?;
            let broadcast = directory.join(format!("raw_epoll_broadcast{suffix}"));
            compile_c("raw_epoll_broadcast.c", &broadcast, &[])?;
            let peer = self.add(name, echo, "bench/peers/raw_epoll.c".to_owned());
            peer.programs.insert(Work::Broadcast, broadcast);
        }
        Ok(())
    }

    fn add_io_uring(&mut self, directory: &Path) -> Result<()> {
        if !has_header("liburing.h")? {
            self.skip(LIMIT, "install its headers (apt-get install liburing-dev)");
            return Ok(());
        }
        let echo = directory.join("raw_uring");
        compile_c("raw_uring.c", &echo, &["-luring"])?;
        let broadcast = directory.join("raw_uring_broadcast");
        compile_c("raw_uring_broadcast.c", &broadcast, &["-luring"])?;
        let check = Command::new(&echo).arg("--check").output()?;
        if !check.status.success() {
            let why = String::from_utf8_lossy(&check.stderr);
            self.skip(LIMIT, &format!("this kernel refuses: {}", why.trim()));
            return Ok(());
        }
        let peer = self.add(LIMIT, echo, "bench/peers/raw_uring.c".to_owned());
        peer.programs.insert(Work::Broadcast, broadcast);
        Ok(())
    }

    fn add_ours(&mut self, name: &str, driver: &str, cargo: &Cargo) -> Result<&mut Peer> {
        let echo = cargo.executable("echo")?;
        let broadcast = cargo.executable("broadcast")?;
        let peer = self.add(name, echo, cargo.version("switchboard"));
        peer.programs.insert(Work::Broadcast, broadcast);
        peer.options = vec!["--driver".into(), driver.into()];
        Ok(peer)
    }

    fn add_libuv(&mut self, directory: &Path) -> Result<()> {
        if !has_header("uv.h")? {
            self.skip("libuv", "install its headers (apt-get install libuv1-dev)");
            return Ok(());
        }
        let program = directory.join("libuv");
        compile_c("libuv.c", &program, &["-luv"])?;
        let version = first_line(&program)?;
        self.add("libuv", program, version);
        Ok(())
    }
}

/// Builds an example of ours alone: it, its version, and where cargo puts what it builds.
pub fn build_example(name: &str) -> Result<(PathBuf, String, PathBuf)> {
    let mut cargo = Cargo::default();
    cargo.build("switchboard", &[&format!("--example={name}")])?;
    let example = cargo.executable(name)?;
    // `TARGET/release/examples/NAME`
    let target = example.ancestors().nth(3).map(Path::to_path_buf);
    let target = target.context("cargo's target directory has no parent")?;
    Ok((example, cargo.version("switchboard"), target))
}

/// What cargo has built so far.
#[derive(Default)]
struct Cargo {
    executables: BTreeMap<String, PathBuf>,
    versions: BTreeMap<String, String>,
}

impl Cargo {
    fn build(&mut self, package: &str, what: &[&str]) -> Result<()> {
        eprintln!("building {package} ({})", what.join(" "));
        // Set by `cargo run`: the same cargo, hence the same compiler and target directory.
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["build", "--release", "--quiet", "--package", package])
            .args(what)
            .arg("--message-format=json-render-diagnostics")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .context("running cargo")?;
        ensure!(output.status.success(), "cargo could not build {package}");
        for line in String::from_utf8(output.stdout)?.lines() {
            self.note(&serde_json::from_str(line)?);
        }
        Ok(())
    }

    fn note(&mut self, message: &Value) {
        let Some(name) = message["target"]["name"].as_str() else {
            return;
        };
        if let Some(executable) = message["executable"].as_str() {
            self.executables
                .insert(name.to_owned(), PathBuf::from(executable));
        }
        // `registry+https://…#mio@1.2.5`, or `path+file:///…/switchboard#0.1.0`
        let id = message["package_id"].as_str().unwrap_or_default();
        if let Some((_, version)) = id.rsplit_once(['#', '@']) {
            self.versions
                .entry(name.to_owned())
                .or_insert_with(|| version.to_owned());
        }
    }

    fn executable(&self, name: &str) -> Result<PathBuf> {
        self.executables
            .get(name)
            .cloned()
            .with_context(|| format!("cargo built no executable `{name}`"))
    }

    fn version(&self, library: &str) -> String {
        self.versions.get(library).cloned().unwrap_or_default()
    }

    /// `TARGET/release/peer_mio` → `TARGET`
    fn target(&self) -> Result<PathBuf> {
        let executable = self.executable("peer_mio")?;
        executable
            .ancestors()
            .nth(2)
            .map(Path::to_path_buf)
            .context("cargo's target directory has no parent")
    }
}

/// Whether the C compiler finds a library's header.
fn has_header(header: &str) -> Result<bool> {
    let mut compiler = Command::new("cc")
        .args(["-E", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("running cc, the C compiler (apt-get install gcc)")?;
    let source = format!("#include <{header}>\n");
    let stdin = compiler.stdin.take().context("it was asked for")?;
    { stdin }.write_all(source.as_bytes())?;
    Ok(compiler.wait()?.success())
}

fn compile_c(source: &str, program: &Path, libraries: &[&str]) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(source);
    let output = Command::new("cc")
        .args(C_OPTIONS)
        .arg("-o")
        .arg(program)
        .arg(&source)
        .args(libraries)
        .output()
        .context("running cc, the C compiler (apt-get install gcc)")?;
    if !output.status.success() {
        bail!(
            "cc could not compile {}:\n{}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// What a program says of its own version.
fn first_line(program: impl AsRef<Path>) -> Result<String> {
    let program = program.as_ref();
    let output = Command::new(program)
        .arg("--version")
        .output()
        .with_context(|| format!("running {} (is it installed?)", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

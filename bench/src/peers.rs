//! Who takes part: the servers, and how each is built.
//!
//! Must never build a Rust peer in anything but release, nor the yardstick
//! with other options than the other C peer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// The yardstick's name.
pub const YARDSTICK: &str = "raw epoll";
/// The name of its identical copy, whose row is the noise.
pub const NOISE: &str = "raw epoll again";
/// Our own server's name.
pub const OURS: &str = "switchboard";
/// What `--only` takes; the yardstick and its copy always run.
pub const SELECTABLE: [&str; 4] = [OURS, "mio", "libuv", "tokio"];

const C_OPTIONS: [&str; 5] = ["-O2", "-g", "-std=gnu11", "-Wall", "-Wextra"];

/// A server that is built.
#[derive(Clone, Debug)]
pub struct Peer {
    /// As the report names it.
    pub name: String,
    /// Its executable, which takes the address as its only argument.
    pub program: PathBuf,
    /// Of the library that it stands on.
    pub version: String,
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

/// Builds the yardstick, its copy, and the named peers (all if none is named).
pub fn build(only: &[String]) -> Result<Field> {
    let wanted = |name: &str| only.is_empty() || only.iter().any(|only| only == name);
    let mut cargo = Cargo::default();
    cargo.build("switchboard-bench", &["--bin=peer_mio", "--bin=peer_tokio"])?;
    if wanted(OURS) {
        cargo.build("switchboard", &["--example=echo"])?;
    }
    let target = cargo.target()?;
    let peers_dir = target.join("bench-peers");
    fs::create_dir_all(&peers_dir)?;

    let mut field = Field {
        peers: vec![],
        skipped: vec![],
        compilers: format!("{}, {}", first_line("rustc")?, first_line("cc")?),
        target,
    };
    for (name, file) in [(YARDSTICK, "raw_epoll"), (NOISE, "raw_epoll_again")] {
        let program = peers_dir.join(file);
        compile_c("raw_epoll.c", &program, &[])?;
        let version = String::from("bench/peers/raw_epoll.c");
        field.add(name, program, version);
    }
    if wanted(OURS) {
        let version = cargo.version("switchboard");
        field.add(OURS, cargo.executable("echo")?, version);
    }
    if wanted("mio") {
        let version = cargo.version("mio");
        field.add("mio", cargo.executable("peer_mio")?, version);
    }
    if wanted("libuv") {
        let program = peers_dir.join("libuv");
        match compile_c("libuv.c", &program, &["-luv"]) {
            Ok(()) => {
                let version = first_line(&program)?;
                field.add("libuv", program, version);
            }
            Err(_) => field.skipped.push((
                "libuv".to_owned(),
                "its headers are not installed (apt-get install libuv1-dev)".to_owned(),
            )),
        }
    }
    if wanted("tokio") {
        let version = cargo.version("tokio");
        field.add("tokio", cargo.executable("peer_tokio")?, version);
    }
    Ok(field)
}

impl Field {
    fn add(&mut self, name: &str, program: PathBuf, version: String) {
        self.peers.push(Peer {
            name: name.to_owned(),
            program,
            version,
        });
    }
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

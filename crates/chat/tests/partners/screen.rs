//! The full-screen client on a real terminal, with a real server. It must never look before the screen
//! has changed.

use std::io::Write;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use switchboard_partners::{Installed, Partner, Process, Screen, Suite};

use crate::world::{Server, switchboard};

const AS_IT_WAS: &str = "icrnl\nisig\nicanon\necho\n";

type Test = fn(&Installed);

/// Adds the tests of this file.
pub fn tests(suite: Suite) -> Suite {
    let tests: [(&str, Test); 7] = [
        ("two_people_talk_on_whole_screens", talking),
        ("a_killed_server_loses_and_doubles_nothing", restarting),
        ("hostile_text_is_shown_and_not_obeyed", hostile),
        ("a_whole_screen_follows_its_window", resizing),
        ("a_whole_screen_is_given_back", leaving),
        ("a_whole_screen_is_lent_to_the_shell", suspending),
        ("without_a_server_there_is_no_screen", without_a_server),
    ];
    tests.into_iter().fold(suite, |suite, (name, test)| {
        suite.needs([Partner::TMUX], name, move |[tmux]| test(&tmux))
    })
}

/// The data of one server after the other.
struct Data(PathBuf);

impl Data {
    fn new() -> Data {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("screen-{}-{number}", std::process::id());
        Data(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("it is text")
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn connect(address: &str, name: &str) -> String {
    let program = env!("CARGO_BIN_EXE_switchboard");
    format!("'{program}' connect {address} --name {name}")
}

fn join(tmux: &Installed, server: &Server, name: &str) -> Screen {
    let mut screen = Screen::start(tmux, &connect(&server.address, name));
    screen.wait_until(|shown| shown.contains(" #lobby") && shown.contains(&format!("\n {name}")));
    screen
}

fn talking(tmux: &Installed) {
    let server = Server::start(&[]);
    let mut ann = join(tmux, &server, "ann");
    let mut bob = join(tmux, &server, "bob");
    ann.wait_for("2 here");
    ann.keys("'hello b' Tab Enter");
    bob.wait_for("ann hello bob\n");
    bob.keys("'hi a'");
    ann.wait_for("bob is typing");
    bob.keys("Tab '!' Enter '/join #ops' Enter");
    ann.wait_for("bob hi ann !\n");
    bob.wait_for(" #ops ");
    ann.keys("'are you there, bob?' Enter");
    bob.wait_for("2 #lobby     @1 │");
    bob.keys("M-2");
    bob.wait_until(|shown| shown.contains("─ new ─") && shown.contains("there, bob?"));
    bob.keys("'/search hello' Enter");
    bob.wait_for("#lobby hello bob");
    bob.keys("Enter '/hlep' Enter");
    bob.wait_for("there is no /hlep (is it /help?)");
    ann.command("set-buffer \"one\ntwo\"");
    ann.command("paste-buffer -p");
    ann.wait_for("> one⏎two");
    ann.keys("Enter");
    ann.wait_for("Enter sends these 2 lines");
    ann.keys("Enter");
    bob.wait_until(|shown| shown.contains("ann one\n") && shown.contains(" two\n"));
}

fn restarting(tmux: &Installed) {
    let data = Data::new();
    let mut server = Server::start(&["--data", data.path()]);
    let mut ann = join(tmux, &server, "ann");
    let mut bob = join(tmux, &server, "bob");
    ann.keys("'number 1.' Enter");
    bob.wait_for("ann number 1.\n");
    ann.keys("'number 2.' Enter 'number 3.' Enter");
    let pid = Pid::from_raw(server.process.id().cast_signed()).expect("it runs");
    kill_process(pid, Signal::KILL).expect("it runs");
    server.process.finish();
    ann.wait_for("reconnecting");
    ann.keys("'number 4.' Enter 'half a line'");
    ann.wait_for("number 4. (waits)");
    let address = server.address.clone();
    let words = ["serve", "--listen", &address, "--data", data.path()];
    let _again = Process::start(switchboard(&words));
    let is_whole = |shown: &str| {
        let is_there = |number: u32| shown.matches(&format!("number {number}.\n")).count() == 1;
        (1..=4).all(is_there) && !shown.contains("(waits)") && !shown.contains("(sen")
    };
    bob.wait_until(is_whole);
    ann.wait_until(|shown| is_whole(shown) && shown.ends_with("\n> half a line\n"));
    ann.keys("' and the rest' Enter");
    bob.wait_for("ann half a line and the rest\n");
    assert!(is_whole(&bob.shown()), "{}", bob.shown());
}

fn hostile(tmux: &Installed) {
    let server = Server::start(&[]);
    let mut ann = join(tmux, &server, "ann");
    let mut mallory = TcpStream::connect(&server.address).expect("it listens");
    let text = format!(
        "\x1b[2J\x1b]0;owned\x07 \u{202e}evil {} end",
        "\u{200d}".repeat(90)
    );
    let lines = format!(
        "NICK mallory\r\nUSER m 0 * :m\r\nJOIN #lobby\r\nPRIVMSG #lobby :{text}\r\n\
         PRIVMSG #lobby :{}\r\n",
        "w".repeat(400)
    );
    mallory.write_all(lines.as_bytes()).expect("it is taken");
    ann.wait_until(|shown| {
        let is_shown = shown.contains(r"mallory \x1b[2J\x1b]0;owned\x07 \u{202e}evil");
        is_shown && shown.contains("wwww\n") && shown.contains(" #lobby")
    });
    ann.keys("'still here' Enter");
    ann.wait_for("ann still here\n");
}

fn resizing(tmux: &Installed) {
    let server = Server::start(&[]);
    let mut ann = join(tmux, &server, "ann");
    ann.keys("'a few words' Enter");
    ann.wait_for("│ ");
    ann.command("resize-window -x 200 -y 60");
    ann.wait_until(|shown| shown.contains("│ ann\n") && shown.lines().count() == 60);
    ann.command("resize-window -x 20 -y 5");
    ann.wait_until(|shown| shown.lines().count() == 5 && shown.contains("ann a few words\n"));
    ann.command("resize-window -x 80 -y 24");
    ann.wait_until(|shown| shown.lines().count() == 24 && shown.contains("ann a few words\n"));
}

fn in_a_shell(server: &Server) -> String {
    let client = connect(&server.address, "ann");
    format!(
        "echo before; {client}; echo status $?; \
         stty -a | tr ' ;' '\\n' | grep -xE -e '-?(icanon|echo|isig|icrnl)'"
    )
}

fn leaving(tmux: &Installed) {
    for key in ["C-c", "'/quit' Enter"] {
        let mut server = Server::start(&[]);
        let mut screen = Screen::start(tmux, &format!("{}; cat", in_a_shell(&server)));
        screen.wait_for("#lobby");
        screen.keys(key);
        screen.wait_for(&format!("before\nstatus 0\n{AS_IT_WAS}"));
        server.process.wait_for_error(" left\n");
        screen.keys("'echoed again'");
        screen.wait_for("\nechoed again\n");
    }
}

fn suspending(tmux: &Installed) {
    let server = Server::start(&[]);
    let shell = format!("set -m; {}; read go; fg >/dev/null", in_a_shell(&server));
    let mut screen = Screen::start(tmux, &shell);
    screen.wait_for("#lobby");
    screen.keys("'half a line' C-z");
    screen.wait_until(|shown| shown.contains("status 1") && shown.contains(AS_IT_WAS));
    // Nobody waits for a client that has been stopped.
    let mut bob = join(tmux, &server, "bob");
    bob.keys("'meanwhile' Enter");
    bob.wait_for("bob meanwhile\n");
    screen.keys("Enter");
    screen
        .wait_until(|shown| shown.ends_with("\n> half a line\n") && shown.contains("meanwhile\n"));
    screen.keys("' and the rest' Enter");
    screen.wait_for("ann half a line and the rest\n");
}

fn without_a_server(tmux: &Installed) {
    let client = connect("127.0.0.1:1", "ann");
    let mut screen = Screen::start(tmux, &format!("{client}; echo status $?; cat"));
    screen.wait_until(|shown| shown.contains("nobody listens at") && shown.contains("status 1\n"));
}

//! All of them in one room: each hears what the others say, once and in the same order.

use switchboard_partners::{Installed, Partner, Process, Suite};

use crate::irssi::Irssi;
use crate::others::{self, Web};
use crate::place::{House, wait_until};
use crate::talk::nothing_unknown;
use crate::weechat::WeeChat;

/// Lines that each of them says at once.
const BURST: usize = 12;

/// Lines that each of them says in all.
const EACH: usize = 1 + BURST;

/// The tutorial's client ends no line, so it has one message at a time.
const PYTHON: usize = 2;

/// What all of them say.
const ALL: usize = 5 * EACH + PYTHON;

pub fn tests(suite: Suite) -> Suite {
    let all = [
        Partner::IRSSI,
        Partner::TMUX,
        Partner::WEECHAT,
        Partner::WEBSOCKETS,
        Partner::PYTHON,
        Partner::NC,
        Partner::OPENSSL,
        Partner::SOCAT,
    ];
    suite
        .needs(all, "all_in_one_room", |all| together(all, false))
        .needs(all, "all_in_one_room_over_tls", |all| together(all, true))
}

/// What each of them is called in the room.
const NAMES: [&str; 6] = ["iris", "wee", "tex", "bin", "ned/line", "python/line"];

/// All of them.
struct Company {
    iris: Irssi,
    wee: WeeChat,
    tex: Web,
    bin: Web,
    ned: Process,
    python: Process,
    _tunnel: Option<Process>,
}

fn together(all: [Installed; 8], tls: bool) {
    let house = House::start(&[]);
    let mut company = Company::come(all, &house, tls);
    company.speak_in_turn();
    company.speak_at_once();
    company.have_receipts();
}

/// A message, and who has said it.
type Said = (String, String);

impl Company {
    fn come(all: [Installed; 8], house: &House, tls: bool) -> Company {
        let [irssi, tmux, weechat, websockets, python, nc, ..] = all;
        let fingerprint = tls.then_some(&*house.fingerprint);
        let mut ned = others::plain(&nc, house, tls);
        ned.say("/listen\n");
        ned.wait_for("You hear #lobby now");
        let mut iris = Irssi::start(&irssi, &tmux, "iris");
        iris.comes(&house.port, fingerprint);
        let mut wee = WeeChat::start(&weechat, "wee");
        wee.comes(&house.port, fingerprint);
        let (python, tunnel) = others::tutorial(&python, house, tls);
        Company {
            iris,
            wee,
            tex: Web::comes(&websockets, house, "text.ircv3.net", "tex", tls),
            bin: Web::comes(&websockets, house, "binary.ircv3.net", "bin", tls),
            ned,
            python,
            _tunnel: tunnel,
        }
    }

    fn speak_in_turn(&mut self) {
        let said = "says grüß Gott 🦆, and ½ of \"it\"";
        self.iris.types(&format!("iris {said}"));
        self.tex.hears(1);
        self.wee.types_in("#lobby", &format!("wee {said}"));
        self.tex.hears(2);
        self.tex.says(&format!("tex {said}"));
        self.tex.hears(3);
        self.bin.says(&format!("bin {said}"));
        self.tex.hears(4);
        self.ned.say(&format!("ned: ned {said}\n"));
        self.tex.hears(5);
        self.python.say(&format!("python {said}\n"));
        let expected = NAMES.map(|name| (name.to_owned(), format!("{} {said}", person(name))));
        assert_eq!(self.tex.hears(6), expected);
    }

    fn speak_at_once(&mut self) {
        for number in 1..=BURST {
            self.iris.types(&format!("iris {number}"));
            self.wee.types_in("#lobby", &format!("wee {number}"));
            self.tex.says(&format!("tex {number}"));
            self.bin.says(&format!("bin {number}"));
            self.ned.say(&format!("ned: ned {number}\n"));
        }
        self.python.say("python 1\n");
        let order = self.tex.hears(ALL);
        for name in NAMES {
            let who = person(name);
            let texts = order.iter().filter(|(sender, _)| sender == name);
            let texts: Vec<&str> = texts.map(|(_, text)| &**text).collect();
            let burst = if who == "python" { 1 } else { BURST };
            let expected = (1..=burst).map(|number| format!("{who} {number}"));
            let expected: Vec<String> = expected.collect();
            assert_eq!(texts[1..], expected, "in the order in which {who} said it");
        }
        self.have_heard(&order);
    }

    /// Each has heard the others in this order.
    fn have_heard(&mut self, order: &[Said]) {
        let without = |name: &str| -> Vec<Said> {
            let others = order.iter().filter(|(who, _)| who != name);
            others.cloned().collect()
        };
        assert_eq!(self.bin.hears(ALL), order);
        assert_eq!(self.iris.hears(ALL - EACH), without("iris"));
        assert_eq!(self.wee.hears(ALL - EACH), without("wee"));
        let heard = wait_until(&mut self.ned, |shown| {
            let heard = others::heard(shown);
            (heard.len() >= ALL - EACH).then_some(heard)
        });
        let expected = without("ned/line").into_iter();
        let expected: Vec<Said> = expected
            .map(|(who, text)| (person(&who).to_owned(), text))
            .collect();
        assert_eq!(heard, expected);
    }

    /// What they were told of their own, and nothing that they did not understand.
    fn have_receipts(mut self) {
        others::receipts(&mut self.ned, EACH);
        assert!(self.python.finish().success());
        let receipts = self.python.output().matches("Message received").count();
        assert_eq!(receipts, PYTHON);
        assert_eq!((self.tex.receipts(), self.bin.receipts()), (EACH, EACH));
        // To others, an action is no text.
        self.wee.types_in("#lobby", "/me waves");
        self.ned.wait_for("* wee waves\n");
        self.iris.sees("#lobby:  * wee waves");
        nothing_unknown(&self.iris, &self.wee);
    }
}

/// Who it is whose messages are of this name.
fn person(name: &str) -> &str {
    name.trim_end_matches("/line")
}

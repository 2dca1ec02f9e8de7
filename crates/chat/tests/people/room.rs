//! All of them in one room: each hears what the others say, once and in the same order.

use switchboard_partners::{Installed, Partner, Suite};

use crate::irssi::Irssi;
use crate::others::{self, Web};
use crate::place::{House, wait_until};
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

fn together(all: [Installed; 8], tls: bool) {
    let [irssi, tmux, weechat, websockets, python, nc, ..] = all;
    let house = House::start(&[]);
    let fingerprint = tls.then_some(&*house.fingerprint);
    let mut ned = others::plain(&nc, &house, tls);
    ned.say("/listen\n");
    ned.wait_for("You hear #lobby now");
    let mut iris = Irssi::start(&irssi, &tmux, "iris");
    iris.comes(&house.port, fingerprint);
    let mut wee = WeeChat::start(&weechat, "wee");
    wee.comes(&house.port, fingerprint);
    let mut tex = Web::comes(&websockets, &house, "text.ircv3.net", "tex", tls);
    let mut bin = Web::comes(&websockets, &house, "binary.ircv3.net", "bin", tls);
    let (mut python, _socat) = others::tutorial(&python, &house, tls);

    // One after the other.
    let said = "says grüß Gott 🦆, and ½ of \"it\"";
    iris.types(&format!("iris {said}"));
    tex.hears(1);
    wee.types_in("#lobby", &format!("wee {said}"));
    tex.hears(2);
    tex.says(&format!("tex {said}"));
    tex.hears(3);
    bin.says(&format!("bin {said}"));
    tex.hears(4);
    ned.say(&format!("ned: ned {said}\n"));
    tex.hears(5);
    python.say(&format!("python {said}\n"));
    let first = tex.hears(6);
    let names = ["iris", "wee", "tex", "bin", "ned/line", "python/line"];
    let expected = names.map(|name| {
        let who = name.trim_end_matches("/line");
        (name.to_owned(), format!("{who} {said}"))
    });
    assert_eq!(first, expected);

    // All at once.
    for number in 1..=BURST {
        iris.types(&format!("iris {number}"));
        wee.types_in("#lobby", &format!("wee {number}"));
        tex.says(&format!("tex {number}"));
        bin.says(&format!("bin {number}"));
        ned.say(&format!("ned: ned {number}\n"));
    }
    python.say("python 1\n");
    let order = tex.hears(ALL);
    for name in names {
        let who = name.trim_end_matches("/line");
        let texts = order.iter().filter(|(sender, _)| sender == name);
        let texts: Vec<&str> = texts.map(|(_, text)| &**text).collect();
        let burst = if who == "python" { 1 } else { BURST };
        let expected: Vec<String> = (1..=burst)
            .map(|number| format!("{who} {number}"))
            .collect();
        assert_eq!(texts[1..], expected, "in the order in which {who} said it");
    }
    let without = |name: &str| -> Vec<(String, String)> {
        let others = order.iter().filter(|(who, _)| who != name);
        others.cloned().collect()
    };
    assert_eq!(bin.hears(ALL), order);
    assert_eq!(iris.hears(ALL - EACH), without("iris"));
    assert_eq!(wee.hears(ALL - EACH), without("wee"));
    let heard = wait_until(&mut ned, |shown| {
        let heard = others::heard(shown);
        (heard.len() >= ALL - EACH).then_some(heard)
    });
    let mut expected = without("ned/line");
    for (who, _) in &mut expected {
        *who = who.trim_end_matches("/line").to_owned();
    }
    assert_eq!(heard, expected);

    // What they were told of their own.
    others::receipts(&mut ned, EACH);
    assert!(python.finish().success());
    assert_eq!(python.output().matches("Message received").count(), PYTHON);
    assert_eq!((tex.receipts(), bin.receipts()), (EACH, EACH));
    let shown = iris.shown.output() + &wee.server.output();
    assert!(!shown.contains("Unknown command"), "{shown}");
    assert!(!shown.contains("1970"), "{shown}");

    // To others, an action is no text.
    wee.types_in("#lobby", "/me waves");
    ned.wait_for("* wee waves\n");
    iris.sees("#lobby:  * wee waves");
}

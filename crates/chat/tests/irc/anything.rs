//! Whatever clients say, in whatever order, nothing panics, and each of the others hears lines that
//! can be read. (That is what [`Server::heard`] asserts of each line.)

use proptest::prelude::*;
use switchboard_chat::chat::settings::Settings;
use switchboard_chat::store::StoreError;

use crate::server::Server;

const NAMES: [&str; 4] = ["ann", "bob", "eve", "joe"];

/// What a client can do besides saying a line.
#[derive(Debug, Clone)]
enum Step {
    Line(usize, String),
    Bytes(usize, Vec<u8>),
    Store(bool),
    Pass(u64),
    /// The connection is lost, and made anew.
    Lose(usize),
}

/// What commands take, and what they do not.
const WORDS: &[&str] = &[
    "#a",
    "#b",
    "#A",
    "ann",
    "bob",
    "eve",
    "joe",
    "ANN",
    "*",
    "0",
    "",
    "s",
    "key",
    "#a,#b",
    "ann,bob,#a",
    "+o",
    "-o",
    "+v",
    "+mnt",
    "-mnt",
    "+b",
    "+bbb",
    "+k",
    "+l",
    "-k",
    "+ie",
    "I",
    "+q",
    "+B",
    "-B",
    "~m:ann",
    "~a:ann",
    "*!*@host",
    "5",
    "LS",
    "302",
    "REQ",
    "END",
    "LIST",
    "batch",
    "-batch",
    "message-tags",
    "labeled-response",
    "echo-message",
    "server-time",
    "draft/multiline",
    "extended-join",
    "account-tag",
    "sasl",
    "standard-replies",
    "PLAIN",
    "SCRAM-SHA-256",
    "AGFubgBwYXNzd29yZA==",
    "+",
    "+1",
    "-1",
    "00000000-1",
    "00000000-2",
    ":two words",
    ":",
    "::",
    "correct-horse",
    "msgid=00000000-1",
    "timestamp=2001-09-09T01:46:40.000Z",
    "LATEST",
    "BEFORE",
    "BETWEEN",
    "TARGETS",
    "in=#a;text=x",
    "%tcuihsnfdlaor,1",
    "o%nx",
    "C",
    "L",
    "S",
    ">1",
    "ADD",
    "NickServ",
    ":IDENTIFY joe correct horse",
    ":REGISTER correct horse",
    "LOGOUT",
    "draft/pre-away",
    "1d",
    "u",
];

/// The frequent ones several times.
const COMMANDS: &[&str] = &[
    "CAP",
    "NICK",
    "USER",
    "PASS",
    "AUTHENTICATE",
    "PING",
    "PONG",
    "QUIT",
    "JOIN",
    "PART",
    "TOPIC",
    "NAMES",
    "MODE",
    "PRIVMSG",
    "NOTICE",
    "TAGMSG",
    "KICK",
    "INVITE",
    "AWAY",
    "SETNAME",
    "ERROR",
    "BATCH",
    "REDACT",
    "REGISTER",
    "VERIFY",
    "WHO",
    "WHOIS",
    "WHOWAS",
    "ISON",
    "USERHOST",
    "SEARCH",
    "HELP",
    "STATS",
    "VERSION",
    "INFO",
    "CERT",
    "OPER",
    "KILL",
    "KLINE",
    "UNKLINE",
    "ANNOUNCE",
    "INVITECODE",
    "SUSPEND",
    "AUDIT",
    "NS",
    "NICKSERV",
    "PASSWD",
    "SETPASS",
    "NONSENSE",
    "LIST",
    "MONITOR",
    "CHATHISTORY",
    "MARKREAD",
    "JOIN",
    "JOIN",
    "PRIVMSG",
    "PRIVMSG",
    "MODE",
];

fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(WORDS);
    prop_oneof![
        8 => known.prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
        1 => "\\PC{0,40}",
        1 => ".{300,600}",
    ]
}

fn line() -> impl Strategy<Value = String> {
    let command = prop::sample::select(COMMANDS);
    let tags = prop_oneof![
        4 => Just(String::new()),
        1 => Just("@label=1 ".to_owned()),
        1 => Just("@label=2;+typing=active;+draft/react=x ".to_owned()),
        1 => Just("@batch=1 ".to_owned()),
        1 => Just("@batch=1;draft/multiline-concat ".to_owned()),
        1 => "@[a-z+=;\\\\]{0,20} ",
    ];
    (tags, command, prop::collection::vec(word(), 0..5)).prop_map(|(tags, command, words)| {
        let mut line = format!("{tags}{command}");
        for word in words {
            line.push(' ');
            line.push_str(&word);
        }
        line.chars()
            .filter(|c| !matches!(c, '\r' | '\n' | '\0'))
            .collect()
    })
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..NAMES.len();
    prop_oneof![
        30 => (who.clone(), line()).prop_map(|(who, line)| Step::Line(who, line)),
        2 => (who.clone(), prop::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(who, bytes)| Step::Bytes(who, bytes)),
        4 => any::<bool>().prop_map(Step::Store),
        1 => (0_u64..200).prop_map(Step::Pass),
        1 => who.prop_map(Step::Lose),
    ]
}

/// A server that lets everybody say as much as they like, and that `joe` administers: so more is
/// done.
fn unlimited() -> Server {
    let settings = Settings {
        server: "s".into(),
        message_rate: None,
        join_rate: None,
        ..Settings::default()
    };
    let mut server = Server::with(settings.clone());
    server.enter_with_account("joe", "");
    server.lose("joe");
    let admins = vec!["joe".into()];
    let now = server.now;
    server
        .chat
        .reconfigure(Settings { admins, ..settings }, now);
    server
}

/// A client in all forms: with no capabilities, with some, and with all.
fn come_in(server: &mut Server, who: usize) {
    let caps = [
        "",
        "message-tags labeled-response batch",
        "server-time account-tag multi-prefix userhost-in-names extended-join away-notify",
        "message-tags server-time labeled-response batch echo-message draft/multiline sasl \
         account-tag account-notify extended-join away-notify invite-notify setname \
         standard-replies draft/message-redaction draft/account-registration draft/chathistory \
         draft/event-playback draft/read-marker extended-monitor soju.im/search",
    ];
    server.connect(NAMES[who]);
    server.say(NAMES[who], &format!("CAP REQ :{}", caps[who]));
    if NAMES[who] == "joe" {
        let plain = switchboard_chat::accounts::sasl::chunks(b"\0joe\0correct horse");
        server.say("joe", "AUTHENTICATE PLAIN");
        server.say("joe", &format!("AUTHENTICATE {}", plain[0]));
    }
    server.say(NAMES[who], "CAP END");
    server.say(NAMES[who], &format!("NICK {}", NAMES[who]));
    server.say(NAMES[who], &format!("USER {} 0 * :x", NAMES[who]));
    server.say(NAMES[who], "JOIN #a,#b");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_said_lines_are_heard(steps in prop::collection::vec(step(), 0..80)) {
        let mut server = unlimited();
        (0..NAMES.len()).for_each(|who| come_in(&mut server, who));
        for step in steps {
            match step {
                Step::Line(who, line) => server.say(NAMES[who], &line),
                Step::Bytes(who, bytes) => server.say_bytes(NAMES[who], &bytes),
                Step::Store(true) => {
                    server.store_as(Err(StoreError::Full));
                }
                Step::Store(false) => server.store(),
                Step::Pass(seconds) => {
                    server.pass(seconds);
                    NAMES.iter().for_each(|name| server.wake(name));
                }
                Step::Lose(who) => {
                    server.lose(NAMES[who]);
                    come_in(&mut server, who);
                }
            }
        }
        server.store();
        for name in NAMES {
            server.heard(name);
        }
        prop_assert!(server.chat.is_settled());
    }

    #[test]
    fn a_newcomer_may_say_anything(lines in prop::collection::vec(line(), 0..30)) {
        let mut server = Server::new();
        server.enter_room("#a", &[("good", "")]);
        server.connect("x");
        for line in &lines {
            server.say("x", line);
        }
        server.heard("x");
        // The good one is unharmed.
        server.say("good", "PING 1");
        let told = server.heard("good");
        prop_assert_eq!(told.last().map(String::as_str), Some(":s PONG s :1"));
    }
}

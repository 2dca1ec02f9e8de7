//! The client for pipes against what servers say: word for word, without a socket.

use switchboard_chat::room_client::{Event, RoomClient, Said, UNDER_WAY_MAX};

/// A client, what it has written and what it was told.
struct Rig {
    client: RoomClient,
    out: Vec<u8>,
    events: Vec<Event>,
}

const CAPS: &str = "batch draft/chathistory draft/multiline echo-message labeled-response \
                    message-tags server-time account-tag=x unknown";

impl Rig {
    fn new(last: usize) -> Rig {
        Rig {
            client: RoomClient::new("ann", vec!["#Ops".to_owned()], last),
            out: Vec::new(),
            events: Vec::new(),
        }
    }

    /// What the client writes in answer to these lines.
    fn hears(&mut self, lines: &[&str]) -> String {
        for line in lines {
            self.client
                .line(line.as_bytes(), &mut self.out, &mut self.events);
        }
        self.written()
    }

    fn written(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }

    fn connect(&mut self, caps: &str) -> String {
        self.client.connected(&mut self.out);
        let greeting = self.written();
        assert!(
            greeting.starts_with("CAP LS 302\r\nNICK ann\r\nUSER "),
            "{greeting}"
        );
        let asked = self.hears(&[&format!(":s CAP * LS :{caps}")]);
        if let Some(wanted) = asked.strip_prefix("CAP REQ :") {
            assert_eq!(
                self.hears(&[&format!(":s CAP ann ACK :{}", wanted.trim())]),
                "CAP END\r\n"
            );
        }
        assert_eq!(self.hears(&[":s 001 ann :Welcome"]), "JOIN #Ops\r\n");
        self.hears(&[
            ":ann!a@h JOIN #Ops",
            ":s 353 ann = #Ops :ann",
            ":s 366 ann #Ops :End",
        ])
    }

    fn say(&mut self, text: &str) -> String {
        self.client.say("#Ops", text, &mut self.out);
        self.written()
    }

    fn texts(&self) -> Vec<&str> {
        let said = self.events.iter().filter_map(|event| match event {
            Event::Said(said) => Some(said.text.as_str()),
            _ => None,
        });
        said.collect()
    }

    fn stored(&self) -> usize {
        self.events
            .iter()
            .filter(|event| matches!(event, Event::Stored(_)))
            .count()
    }
}

#[test]
fn a_message_is_settled_by_its_own_echo_alone() {
    let mut rig = Rig::new(0);
    assert_eq!(rig.connect(CAPS), "");
    assert_eq!(rig.events, [Event::Ready]);
    assert_eq!(rig.say("done"), "@label=1 PRIVMSG #Ops :done\r\n");
    rig.hears(&["@msgid=a :bob!b@h PRIVMSG #ops :done"]);
    assert_eq!((rig.client.unsettled(), rig.stored()), (1, 0));
    rig.hears(&[
        "@label=1;msgid=b;time=2026-11-24T19:30:00.000Z;account=ann :ann!a@h PRIVMSG #Ops :done",
    ]);
    assert_eq!((rig.client.unsettled(), rig.stored()), (0, 1));
    let said = Said {
        time: "2026-11-24T19:30:00.000Z".to_owned(),
        room: "#Ops".to_owned(),
        nick: "ann".to_owned(),
        account: Some("ann".to_owned()),
        kind: "message",
        text: "done".to_owned(),
        msgid: Some("b".to_owned()),
    };
    assert_eq!(rig.events.last(), Some(&Event::Said(said)));
}

#[test]
fn so_many_are_under_way_and_the_others_wait() {
    let mut rig = Rig::new(0);
    rig.connect(CAPS);
    let mut lines = 0;
    for number in 0..UNDER_WAY_MAX + 5 {
        lines += rig.say(&number.to_string()).lines().count();
    }
    assert_eq!(lines, UNDER_WAY_MAX);
    assert!(!rig.client.wants_text());
    let next = rig.hears(&["@label=1;msgid=a :ann!a@h PRIVMSG #Ops :0"]);
    assert_eq!(
        next,
        format!(
            "@label={} PRIVMSG #Ops :{UNDER_WAY_MAX}\r\n",
            UNDER_WAY_MAX + 1
        )
    );
}

#[test]
fn what_is_refused_is_told_and_settled() {
    let mut rig = Rig::new(0);
    rig.connect(CAPS);
    rig.say("one");
    rig.say("two");
    rig.hears(&[
        "@label=2 :s 404 ann #Ops :Cannot send to channel",
        "@label=1 FAIL PRIVMSG CANNOT_STORE :The disk is full",
    ]);
    let expected =
        ["Cannot send to channel", "The disk is full"].map(|it| Event::Refused(it.to_owned()));
    assert_eq!(rig.events[1..], expected);
    assert_eq!(rig.client.unsettled(), 0);
}

#[test]
fn a_receipt_that_was_lost_is_looked_for_before_anything_is_sent_again() {
    let mut rig = Rig::new(0);
    rig.connect(CAPS);
    rig.say("stored");
    rig.say("lost");
    rig.hears(&["@msgid=m1 :bob!b@h PRIVMSG #Ops :before"]);
    rig.client.disconnected();
    let asked = rig.connect(CAPS);
    assert_eq!(asked, "CHATHISTORY AFTER #Ops msgid=m1 100\r\n");
    // Nothing goes out before that is answered.
    assert_eq!(rig.say("later"), "");
    let sent = rig.hears(&[
        ":s BATCH +h chathistory #Ops",
        "@batch=h;msgid=m2 :ann!a@h PRIVMSG #Ops :stored",
        ":s BATCH -h",
    ]);
    assert_eq!(
        sent,
        "@label=2 PRIVMSG #Ops :lost\r\n@label=3 PRIVMSG #Ops :later\r\n"
    );
    assert_eq!(rig.texts(), ["before", "stored"]);
    assert_eq!(rig.stored(), 1);
}

#[test]
fn without_anything_seen_the_latest_are_looked_through() {
    let mut rig = Rig::new(0);
    rig.connect(CAPS);
    rig.say("stored");
    rig.client.disconnected();
    assert_eq!(rig.connect(CAPS), "CHATHISTORY LATEST #Ops * 100\r\n");
    let sent = rig.hears(&[
        ":s BATCH +h chathistory #Ops",
        "@batch=h;msgid=m2 :ann!a@h PRIVMSG #Ops :stored",
        ":s BATCH -h",
    ]);
    assert_eq!(
        (sent.as_str(), rig.stored(), rig.client.unsettled()),
        ("", 1, 0)
    );
}

#[test]
fn whole_pages_are_followed_by_another_one() {
    let mut rig = Rig::new(1);
    assert_eq!(rig.connect(CAPS), "CHATHISTORY LATEST #Ops * 1\r\n");
    rig.hears(&[
        ":s BATCH +1 chathistory #Ops",
        "@batch=1;msgid=m0 :bob!b@h PRIVMSG #Ops :m0",
        ":s BATCH -1",
    ]);
    rig.client.disconnected();
    assert_eq!(rig.connect(CAPS), "CHATHISTORY AFTER #Ops msgid=m0 100\r\n");
    let mut lines = vec![":s BATCH +2 chathistory #Ops".to_owned()];
    lines.extend((1..=100).map(|n| format!("@batch=2;msgid=m{n} :bob!b@h PRIVMSG #Ops :m{n}")));
    lines.push(":s BATCH -2".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(
        rig.hears(&lines),
        "CHATHISTORY AFTER #Ops msgid=m100 100\r\n"
    );
    rig.hears(&[":s BATCH +3 chathistory #Ops", ":s BATCH -3"]);
    assert_eq!(rig.events.last(), Some(&Event::Ready));
    assert_eq!(rig.texts().len(), 101);
}

#[test]
fn several_lines_are_one_message_both_ways() {
    let mut rig = Rig::new(0);
    rig.connect(CAPS);
    let long = "x".repeat(400);
    let written = rig.say(&format!("one\n{long}"));
    let (head, tail) = ("x".repeat(300), "x".repeat(100));
    assert_eq!(
        written,
        format!(
            "@label=1 BATCH +m1 draft/multiline #Ops\r\n@batch=m1 PRIVMSG #Ops :one\r\n\
             @batch=m1 PRIVMSG #Ops :{head}\r\n\
             @batch=m1;draft/multiline-concat PRIVMSG #Ops :{tail}\r\nBATCH -m1\r\n"
        )
    );
    rig.hears(&[
        "@label=1;msgid=b;time=t :ann!a@h BATCH +9 draft/multiline #Ops",
        "@batch=9 :ann!a@h PRIVMSG #Ops :one",
        &format!("@batch=9 :ann!a@h PRIVMSG #Ops :{head}"),
        &format!("@batch=9;draft/multiline-concat :ann!a@h PRIVMSG #Ops :{tail}"),
        ":s BATCH -9",
    ]);
    assert_eq!(
        (rig.texts(), rig.stored()),
        (vec![format!("one\n{long}").as_str()], 1)
    );
}

#[test]
fn a_server_without_receipts_says_as_much_as_it_can() {
    let mut rig = Rig::new(5);
    assert_eq!(rig.connect(""), "");
    assert_eq!(
        rig.say("one\ntwo"),
        "PRIVMSG #Ops :one\r\nPRIVMSG #Ops :two\r\nPING switchboard-1\r\n"
    );
    assert_eq!(rig.client.unsettled(), 1);
    rig.hears(&[":s PONG s switchboard-1"]);
    assert_eq!(rig.events, [Event::Ready, Event::Stored(None)]);
}

#[test]
fn a_name_that_is_taken_is_followed_by_others_and_by_an_end() {
    let mut rig = Rig::new(0);
    rig.client.connected(&mut rig.out);
    rig.written();
    assert_eq!(rig.hears(&[":s 433 * ann :in use"]), "NICK ann2\r\n");
    assert_eq!(rig.hears(&[":s 433 * ann2 :in use"]), "NICK ann3\r\n");
    for number in 3..6 {
        rig.hears(&[&format!(":s 433 * ann{number} :in use")]);
    }
    assert_eq!(
        rig.events,
        [Event::Failed(
            "ann5: in use; choose another one by --name".to_owned()
        )]
    );
}

#[test]
fn a_room_that_one_may_not_join_is_an_end() {
    let mut rig = Rig::new(0);
    rig.client.connected(&mut rig.out);
    rig.hears(&[
        ":s 001 ann :Welcome",
        ":s 473 ann #Ops :Cannot join channel (+i)",
    ]);
    assert_eq!(
        rig.events,
        [Event::Failed("#Ops: Cannot join channel (+i)".to_owned())]
    );
}

#[test]
fn what_nobody_asked_for_is_not_shown() {
    let mut rig = Rig::new(0);
    rig.connect(CAPS);
    rig.hears(&[
        ":bob!b@h PRIVMSG ann :psst",
        ":bob!b@h PRIVMSG #other :x",
        "",
        ":",
        "@",
        "\u{1}",
    ]);
    rig.client.line(b"\xff\xfe", &mut rig.out, &mut rig.events);
    assert_eq!(rig.events, [Event::Ready]);
    rig.hears(&[
        ":bob!b@h PRIVMSG #ops :\u{1}ACTION waves\u{1}",
        ":bob!b@h NOTICE #ops :hm",
    ]);
    let kinds = rig.events[1..].iter().map(|event| match event {
        Event::Said(said) => (said.kind, said.text.as_str()),
        other => panic!("{other:?}"),
    });
    assert_eq!(
        kinds.collect::<Vec<_>>(),
        [("action", "waves"), ("notice", "hm")]
    );
}

#[test]
fn what_is_said_while_history_is_asked_for_comes_behind_it_and_once() {
    let mut rig = Rig::new(3);
    assert_eq!(rig.connect(CAPS), "CHATHISTORY LATEST #Ops * 3\r\n");
    rig.hears(&[
        "@msgid=b :bob!b@h PRIVMSG #Ops :second",
        "@msgid=c :bob!b@h PRIVMSG #Ops :third",
        ":s BATCH +h chathistory #Ops",
        "@batch=h;msgid=a :bob!b@h PRIVMSG #Ops :first",
        "@batch=h;msgid=b :bob!b@h PRIVMSG #Ops :second",
        ":s BATCH -h",
    ]);
    assert_eq!(rig.texts(), ["first", "second", "third"]);
    rig.client.disconnected();
    assert_eq!(rig.connect(CAPS), "CHATHISTORY AFTER #Ops msgid=c 100\r\n");
}

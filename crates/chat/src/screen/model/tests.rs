//! A server that says what a test says, word by word. It must never need a socket.

use super::*;

/// What the model says to the server, as lines.
fn said(model: &mut Model) -> Vec<String> {
    let out = String::from_utf8(model.take_out()).unwrap();
    out.lines().map(str::to_owned).collect()
}

fn hear(model: &mut Model, lines: &str) {
    for line in lines.lines() {
        model.line(line.trim().as_bytes());
    }
}

const HELLO: &str = ":s CAP * LS :message-tags server-time echo-message labeled-response batch \
                     draft/chathistory draft/multiline draft/read-marker soju.im/search sasl=PLAIN
:s CAP ann ACK :message-tags server-time echo-message labeled-response batch draft/chathistory \
                     draft/multiline draft/read-marker soju.im/search
:s 001 ann :Welcome
:s 005 ann LOBBY=#lobby CHATHISTORY=50 :are supported
:s 422 ann :No message of the day";

const IN_THE_LOBBY: &str = ":ann!a@h JOIN #lobby
:s 332 ann #lobby :All about it
:s 353 ann = #lobby :ann @bob
:s 366 ann #lobby :End";

fn history(entries: &[(&str, &str, &str, &str)]) -> String {
    let mut lines = ":s BATCH +h chathistory #lobby\n".to_owned();
    for (msgid, time, nick, text) in entries {
        let tags = format!("batch=h;msgid={msgid};time={time}");
        lines += &format!("@{tags} :{nick}!u@h PRIVMSG #lobby :{text}\n");
    }
    lines + ":s BATCH -h"
}

/// In the lobby, with one message there.
fn in_the_lobby() -> Model {
    let mut model = Model::new("ann", 0xa);
    model.connected();
    hear(&mut model, HELLO);
    hear(&mut model, IN_THE_LOBBY);
    hear(&mut model, &history(&[("m1", "T1", "bob", "hello")]));
    model.take_out();
    model
}

fn back(model: &mut Model) {
    model.disconnected("the server has left", 2);
    model.connected();
    hear(model, HELLO);
    hear(model, IN_THE_LOBBY);
}

fn texts(room: &Room) -> Vec<&str> {
    let entries = room.timeline.entries().iter();
    entries.map(|entry| entry.text.as_str()).collect()
}

fn states(room: &Room) -> Vec<&State> {
    room.pending.iter().map(|it| &it.state).collect()
}

#[test]
fn it_comes_into_the_lobby_and_sees_what_was_said() {
    let mut model = Model::new("ann", 0xa);
    model.connected();
    let expected = ["CAP LS 302", "NICK ann", "USER switchboard 0 * ann"];
    assert_eq!(said(&mut model), expected);
    hear(&mut model, HELLO);
    let lines = said(&mut model);
    assert!(lines[0].starts_with("CAP REQ :") && !lines[0].contains("sasl"));
    assert_eq!(&lines[1..], ["CAP END", "JOIN #lobby"]);
    hear(&mut model, IN_THE_LOBBY);
    let lines = said(&mut model);
    assert_eq!(lines, ["WHO #lobby", "CHATHISTORY LATEST #lobby * 50"]);
    hear(&mut model, &history(&[("m1", "T1", "bob", "hello")]));
    let room = model.room();
    assert_eq!(
        (room.name.as_str(), room.topic.as_str()),
        ("#lobby", "All about it")
    );
    assert_eq!(texts(room), ["hello"]);
    assert_eq!(room.members["bob"].signs, "@");
}

#[test]
fn a_message_is_on_its_way_until_its_echo_comes() {
    let mut model = in_the_lobby();
    assert_eq!(model.submit("hi"), Typed::Done);
    let lines = said(&mut model);
    assert_eq!(lines, ["@label=1;+switchboard/id=a-1 PRIVMSG #lobby :hi"]);
    assert_eq!(states(model.room()), [&State::Sending]);
    hear(
        &mut model,
        "@label=1;msgid=m2;time=T2 :ann!a@h PRIVMSG #lobby :hi",
    );
    assert_eq!(model.unsettled(), 0);
    assert_eq!(texts(model.room()), ["hello", "hi"]);
}

#[test]
fn a_refusal_is_shown_and_can_be_tried_again() {
    let mut model = in_the_lobby();
    model.submit("hi");
    hear(&mut model, "@label=1 :s 404 ann #lobby :Cannot send");
    assert_eq!(
        states(model.room()),
        [&State::Failed("Cannot send".to_owned())]
    );
    model.take_out();
    model.submit("/retry");
    assert_eq!(states(model.room()), [&State::Sending]);
    hear(&mut model, "@label=1 :s FAIL PRIVMSG RATE_LIMITED :Slowly");
    assert_eq!(states(model.room()), [&State::Queued]);
    model.tick();
    assert_eq!(states(model.room()), [&State::Sending]);
    hear(&mut model, "@label=1 :s 404 ann #lobby :Cannot send");
    model.submit("/discard");
    assert!(model.room().pending.is_empty());
}

#[test]
fn several_lines_are_one_message() {
    let mut model = in_the_lobby();
    model.submit(&format!("one\n{}", "x".repeat(301)));
    let lines = said(&mut model);
    assert_eq!(
        lines[0],
        "@label=1;+switchboard/id=a-1 BATCH +m1 draft/multiline #lobby"
    );
    assert_eq!(lines[1], "@batch=m1 PRIVMSG #lobby :one");
    assert!(lines[3].starts_with("@batch=m1;draft/multiline-concat"));
    assert_eq!(lines[4], "BATCH -m1");
    let echo = "@label=1;msgid=m2;time=T2 :ann!a@h BATCH +x draft/multiline #lobby
        @batch=x :ann!a@h PRIVMSG #lobby :one
        @batch=x :ann!a@h PRIVMSG #lobby :tw
        @batch=x;draft/multiline-concat :ann!a@h PRIVMSG #lobby :o
        :s BATCH -x";
    hear(&mut model, echo);
    assert_eq!(texts(model.room()), ["hello", "one\ntwo"]);
    assert_eq!(model.unsettled(), 0);
}

#[test]
fn what_was_missed_comes_in_order_and_once() {
    let mut model = in_the_lobby();
    back(&mut model);
    let lines = said(&mut model);
    assert_eq!(
        lines.last().unwrap(),
        "CHATHISTORY AFTER #lobby msgid=m1 50"
    );
    // What is said now is not what was missed.
    hear(&mut model, "@msgid=m4;time=T4 :bob!b@h PRIVMSG #lobby :now");
    let page = [("m2", "T2", "bob", "two"), ("m3", "T3", "bob", "three")];
    hear(&mut model, &history(&page));
    assert_eq!(said(&mut model), ["CHATHISTORY AFTER #lobby msgid=m3 50"]);
    hear(&mut model, &history(&[("m4", "T4", "bob", "now")]));
    assert_eq!(said(&mut model), ["CHATHISTORY AFTER #lobby msgid=m4 50"]);
    hear(&mut model, &history(&[]));
    assert_eq!(texts(model.room())[..1], ["hello"]);
    let said: Vec<&str> = texts(model.room());
    let said: Vec<&&str> = said.iter().filter(|it| !it.contains("left")).collect();
    assert_eq!(said, [&"hello", &"two", &"three", &"now"]);
}

#[test]
fn a_hole_is_remembered_when_the_connection_is_lost_again() {
    let mut model = in_the_lobby();
    back(&mut model);
    hear(&mut model, "@msgid=m9;time=T9 :bob!b@h PRIVMSG #lobby :now");
    model.take_out();
    back(&mut model);
    let lines = said(&mut model);
    assert_eq!(
        lines.last().unwrap(),
        "CHATHISTORY AFTER #lobby msgid=m1 50"
    );
}

#[test]
fn what_had_arrived_is_not_sent_again_and_what_had_not_is() {
    let mut model = in_the_lobby();
    for text in ["same", "same", "other"] {
        model.submit(text);
    }
    back(&mut model);
    model.take_out();
    assert_eq!(states(model.room()), [&State::Unsure; 3]);
    model.submit("written meanwhile");
    assert!(said(&mut model).is_empty());
    let stored = ":s BATCH +h chathistory #lobby
        @batch=h;msgid=m2;time=T2;+switchboard/id=a-1 :ann!a@h PRIVMSG #lobby :same
        @batch=h;msgid=m3;time=T3;+switchboard/id=a-2 :bob!b@h PRIVMSG #lobby :a liar
        :s BATCH -h";
    hear(&mut model, stored);
    assert_eq!(said(&mut model), ["CHATHISTORY AFTER #lobby msgid=m3 50"]);
    hear(&mut model, &history(&[]));
    assert!(said(&mut model).is_empty(), "it looks twice");
    for _ in 0..history::SECOND_LOOK_SECONDS {
        model.tick();
    }
    let asked = "CHATHISTORY AFTER #lobby msgid=m3 50";
    assert!(said(&mut model).contains(&asked.to_owned()));
    hear(&mut model, &history(&[]));
    let lines = said(&mut model);
    let again: Vec<&String> = lines.iter().filter(|it| it.contains("PRIVMSG")).collect();
    assert_eq!(
        again,
        [
            "@label=2;+switchboard/id=a-2 PRIVMSG #lobby :same",
            "@label=3;+switchboard/id=a-3 PRIVMSG #lobby :other",
            "@label=4;+switchboard/id=a-4 PRIVMSG #lobby :written meanwhile",
        ]
    );
}

#[test]
fn what_was_on_its_way_to_the_disk_is_found_at_the_second_look() {
    let mut model = in_the_lobby();
    model.submit("slow");
    back(&mut model);
    hear(&mut model, &history(&[]));
    model.submit("after it");
    for _ in 0..history::SECOND_LOOK_SECONDS {
        model.tick();
    }
    model.take_out();
    let page = [("m2", "T2", "ann", "slow")];
    hear(&mut model, &history(&page));
    hear(&mut model, &history(&[]));
    let lines = said(&mut model);
    let sent: Vec<&String> = lines.iter().filter(|it| it.contains("PRIVMSG")).collect();
    let expected = "@label=2;+switchboard/id=a-2 PRIVMSG #lobby :after it";
    assert_eq!(sent, [expected]);
}

#[test]
fn a_server_that_has_forgotten_gives_its_newest() {
    let mut model = in_the_lobby();
    back(&mut model);
    model.take_out();
    let fail = ":s FAIL CHATHISTORY MESSAGE_ERROR AFTER #lobby :Messages could not be retrieved";
    hear(&mut model, fail);
    assert_eq!(said(&mut model), ["CHATHISTORY LATEST #lobby * 50"]);
    hear(&mut model, fail);
    assert!(model.room().is_caught_up && model.take_out().is_empty());
}

#[test]
fn older_pages_until_the_beginning() {
    let mut model = in_the_lobby();
    model.load_older();
    model.load_older();
    assert_eq!(said(&mut model), ["CHATHISTORY BEFORE #lobby msgid=m1 50"]);
    hear(&mut model, &history(&[("m0", "T0", "bob", "first")]));
    assert_eq!(texts(model.room()), ["first", "hello"]);
    model.load_older();
    hear(&mut model, &history(&[]));
    assert!(model.room().is_whole);
    model.take_out();
    model.load_older();
    assert!(model.take_out().is_empty());
}

#[test]
fn other_windows_count_what_was_not_seen() {
    let mut model = in_the_lobby();
    hear(&mut model, "@msgid=p1;time=T2 :bob!b@h PRIVMSG ann :psst");
    model.show_room(1);
    hear(
        &mut model,
        "@msgid=m2;time=T2 :bob!b@h PRIVMSG #lobby :one
         @msgid=m3;time=T3 :bob!b@h PRIVMSG #lobby :Ann: two",
    );
    let lobby = &model.rooms[1];
    assert_eq!((lobby.unread, lobby.mentions), (2, 1));
    assert_eq!(lobby.timeline.line, Some(2));
    assert_eq!((model.rooms[2].unread, model.rooms[2].mentions), (1, 1));
    model.take_out();
    model.step_room(1);
    assert_eq!(
        (model.room().unread, model.room().timeline.line),
        (0, Some(2))
    );
    assert_eq!(said(&mut model), ["MARKREAD #lobby timestamp=T3"]);
    model.show_room(1);
    assert_eq!(model.rooms[1].timeline.line, None);
}

#[test]
fn members_come_go_and_change() {
    let mut model = in_the_lobby();
    hear(
        &mut model,
        ":eve!e@h JOIN #lobby
         :eve!e@h AWAY :lunch
         :bob!b@h NICK :rob
         :s 352 ann #lobby u h s rob G@ :0 Rob",
    );
    let members = &model.room().members;
    assert!(members["eve"].is_away && members["rob"].is_away);
    assert_eq!(members["rob"].signs, "@");
    hear(
        &mut model,
        ":rob!b@h KICK #lobby eve :out\n:rob!b@h QUIT :bye",
    );
    assert_eq!(model.room().members.keys().collect::<Vec<_>>(), ["ann"]);
    hear(&mut model, ":x!x@h KICK #lobby ann :you too");
    assert!(!model.room().is_wanted);
    assert_eq!(model.submit("hello?"), Typed::Refused);
}

#[test]
fn a_taken_name_gets_a_number_and_is_taken_back_later() {
    let mut model = Model::new("ann", 0xa);
    model.connected();
    model.take_out();
    hear(&mut model, ":s 433 * ann :Nickname is already in use");
    assert_eq!(said(&mut model), ["NICK ann2"]);
    hear(&mut model, &HELLO.replace("001 ann", "001 ann2"));
    model.take_out();
    hear(&mut model, ":ann!a@h QUIT :ping timeout");
    assert_eq!(said(&mut model), ["NICK ann"]);
}

#[test]
fn commands_say_what_to_write() {
    let mut model = in_the_lobby();
    assert_eq!(model.submit("/jion #x"), Typed::Refused);
    assert!(texts(model.room()).last().unwrap().contains("is it /join?"));
    assert_eq!(model.submit("/whois"), Typed::Refused);
    assert!(
        texts(model.room())
            .last()
            .unwrap()
            .contains("write /whois NICK")
    );
    assert!(model.take_out().is_empty());
    assert_eq!(model.submit("//etc"), Typed::Done);
    assert!(said(&mut model)[0].ends_with("PRIVMSG #lobby :/etc"));
    model.submit("/help");
    assert!(commands::COMMANDS.iter().all(|it| {
        let mut texts = texts(model.room()).into_iter();
        texts.any(|text| text.starts_with(it.word))
    }));
    assert_eq!(model.submit("/quit"), Typed::Quit);
}

#[test]
fn each_command_says_its_line() {
    let mut model = in_the_lobby();
    for (typed, line) in [
        ("/topic new one", "TOPIC #lobby :new one"),
        ("/nick anne", "NICK anne"),
        ("/away", "AWAY"),
        ("/away out for lunch", "AWAY :out for lunch"),
        ("/whois bob", "WHOIS bob"),
        ("/join ops", "JOIN #ops"),
        (
            "/search red fox",
            "SEARCH text=red\\sfox;limit=50;in=#lobby",
        ),
        ("/part bye", "PART #lobby bye"),
    ] {
        assert_eq!(model.submit(typed), Typed::Done, "{typed}");
        assert_eq!(said(&mut model), [line], "{typed}");
    }
    model.submit("/me waves");
    assert!(said(&mut model)[0].ends_with("PRIVMSG #lobby :\x01ACTION waves\x01"));
    model.submit("/msg bob psst");
    assert!(said(&mut model)[0].ends_with("PRIVMSG bob :psst"));
    assert_eq!(model.room().name, "bob");
}

#[test]
fn what_is_found_is_shown_instead() {
    let mut model = in_the_lobby();
    model.submit("/search fox");
    let found = ":s BATCH +q soju.im/search
        @batch=q;msgid=m1;time=T1 :bob!b@h PRIVMSG #lobby :a fox
        :s BATCH -q";
    hear(&mut model, found);
    let search = model.search.as_ref().unwrap();
    assert!(search.is_done);
    assert_eq!(search.hits[0].1.text, "a fox");
    assert_eq!(texts(model.room()), ["hello"]);
    model.submit("");
    assert!(model.search.is_none());
}

#[test]
fn typing_is_said_now_and_then_and_forgotten() {
    let mut model = in_the_lobby();
    model.is_typing("/he");
    assert!(said(&mut model).is_empty());
    model.is_typing("h");
    model.is_typing("he");
    assert_eq!(said(&mut model), ["@+typing=active TAGMSG #lobby"]);
    hear(&mut model, "@+typing=active :bob!b@h TAGMSG #lobby");
    assert!(model.room().typing.contains_key("bob"));
    for _ in 0..6 {
        model.tick();
    }
    assert!(model.room().typing.is_empty());
}

#[test]
fn everything_has_a_bound() {
    let mut model = in_the_lobby();
    for number in 0..=sending::PENDING_MAX {
        let expected = match number < sending::PENDING_MAX {
            true => Typed::Done,
            false => Typed::Refused,
        };
        assert_eq!(model.submit("hi"), expected);
    }
    for number in 0..ROOMS_MAX * 2 {
        hear(&mut model, &format!(":n{number}!u@h PRIVMSG ann :hi"));
        hear(&mut model, &format!(":s BATCH +{number} x"));
        hear(
            &mut model,
            &format!("@+typing=active :n{number}!u@h TAGMSG #lobby"),
        );
    }
    assert_eq!(model.rooms.len(), ROOMS_MAX);
    assert!(model.batches.len() <= 64 && model.rooms[1].typing.len() <= 20);
    for number in 0..=room::MEMBERS_MAX {
        hear(&mut model, &format!(":n{number}!u@h JOIN #lobby"));
    }
    assert_eq!(model.rooms[1].members.len(), room::MEMBERS_MAX);
}

#[test]
fn words_complete_to_names_rooms_and_commands() {
    let model = in_the_lobby();
    assert_eq!(model.completions("b", true), ["bob: "]);
    assert_eq!(model.completions("B", false), ["bob "]);
    assert_eq!(model.completions("#l", false), ["#lobby "]);
    assert_eq!(model.completions("/sea", true), ["/search "]);
    assert!(model.completions("a", true).is_empty(), "not oneself");
}

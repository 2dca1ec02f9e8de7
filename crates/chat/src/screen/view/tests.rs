//! Pictures, as a test backend sees them. It must never need a terminal.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

const SIZES: [(u16, u16); 5] = [(80, 24), (200, 60), (20, 5), (1, 1), (62, 3)];

fn shown(client: &mut Client, size: (u16, u16)) -> String {
    client.size = size;
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let theme = Theme { has_colours: true };
    terminal
        .draw(|frame| {
            let area = frame.area();
            let cursor = draw(client, theme, area, frame.buffer_mut());
            frame.set_cursor_position(cursor);
        })
        .unwrap();
    let picture = terminal.backend().to_string();
    // Behind each row with wide characters stands which cells those cover.
    let rows = picture
        .lines()
        .map(|row| row.split("\" Hidden").next().unwrap());
    let rows = rows.map(|row| row.trim_matches('"').trim_end());
    rows.collect::<Vec<_>>().join("\n")
}

fn hear(client: &mut Client, lines: &str) {
    for line in lines.lines() {
        client.model.line(line.trim().as_bytes());
    }
}

fn client() -> Client {
    let mut client = Client::new("ann", 1, (80, 24));
    client.model.connected();
    hear(
        &mut client,
        ":s CAP * LS :message-tags server-time echo-message labeled-response
         :s CAP ann ACK :message-tags server-time echo-message labeled-response
         :s 001 ann :Welcome
         :s 005 ann LOBBY=#lobby :are supported
         :s 422 ann :None
         :ann!a@h JOIN #lobby
         :s 332 ann #lobby :What we talk about
         :s 353 ann = #lobby :ann @bob
         :s 366 ann #lobby :End
         @time=2026-11-24T12:01:00.000Z;msgid=1 :bob!b@h PRIVMSG #lobby :hello",
    );
    client
}

#[test]
fn a_common_screen() {
    let mut client = client();
    client.typed(b"hi there\rhalf a line");
    hear(
        &mut client,
        "@time=2026-11-24T12:02:00.000Z :eve!e@h PRIVMSG #ops :ann, look",
    );
    let shown = shown(&mut client, (80, 24));
    let rows: Vec<&str> = shown.lines().collect();
    assert!(rows[0].starts_with(" #lobby  What we talk about") && rows[0].ends_with("2 here"));
    assert_eq!(rows[1], "1 server        │");
    assert_eq!(rows[2], "2 #lobby        │");
    assert_eq!(rows[3], "3 #ops       @1 │");
    assert_eq!(rows[20], "                │ 12:01          bob hello");
    assert_eq!(
        rows[21],
        "                │                ann hi there (sending)"
    );
    assert_eq!(rows[22], " sending 1… · 1 unread");
    assert_eq!(rows[23], "> half a line");
}

#[test]
fn a_large_screen_shows_who_is_there() {
    let mut client = client();
    let shown = shown(&mut client, (200, 60));
    let rows: Vec<&str> = shown.lines().collect();
    assert!(
        rows[1].ends_with("│@bob") && rows[2].ends_with("│ ann"),
        "{shown}"
    );
}

#[test]
fn new_messages_stand_below_a_line() {
    let mut client = client();
    client.typed(b"\x1b1");
    hear(
        &mut client,
        "@time=2026-11-24T12:05:00.000Z :bob!b@h PRIVMSG #lobby :news",
    );
    client.typed(b"\x1b2");
    let shown = shown(&mut client, (80, 24));
    let rows: Vec<&str> = shown.lines().collect();
    assert!(rows[19].ends_with("bob hello"), "{shown}");
    assert!(rows[20].contains("─── new ───"), "{shown}");
    assert!(rows[21].ends_with("bob news"), "{shown}");
}

#[test]
fn days_are_told_apart() {
    let mut client = client();
    hear(
        &mut client,
        "@time=2026-11-25T08:00:00.000Z :bob!b@h PRIVMSG #lobby :morning",
    );
    hear(
        &mut client,
        "@time=2026-11-25T08:01:00.000Z :bob!b@h PRIVMSG #lobby :all",
    );
    let shown = shown(&mut client, (80, 24));
    let rows: Vec<&str> = shown.lines().collect();
    assert!(rows[18].ends_with("bob hello"), "{shown}");
    assert!(rows[19].contains("── 2026-11-25 ──"), "{shown}");
    assert!(
        rows[20].ends_with("bob morning") && rows[21].ends_with("bob all"),
        "{shown}"
    );
}

#[test]
fn a_lost_connection_is_seen() {
    let mut client = client();
    client.model.disconnected("the server has left", 3);
    client.typed(b"later\r");
    let shown = shown(&mut client, (80, 24));
    assert!(shown.contains("reconnecting in 3 s; 1 message waits (the server has left)"));
    assert!(shown.contains("ann later (waits)"));
}

#[test]
fn pages_up_and_down_are_whole() {
    let mut client = client();
    for number in 0..100 {
        let time = format!("2026-11-24T13:{:02}:{:02}.000Z", number / 60, number % 60);
        hear(
            &mut client,
            &format!("@time={time} :bob!b@h PRIVMSG #lobby :number {number}."),
        );
    }
    let bottom = shown(&mut client, (80, 24));
    assert!(bottom.contains("number 99.") && !bottom.contains("number 78."));
    client.typed(b"\x1b[5~");
    let above = shown(&mut client, (80, 24));
    assert!(
        above.contains("number 80.") && !above.contains("number 99."),
        "{above}"
    );
    assert!(above.contains("number 60.") && above.contains("PageDown: newer"));
    // What comes meanwhile does not move what is read.
    hear(
        &mut client,
        "@time=2026-11-24T14:00:00.000Z :bob!b@h PRIVMSG #lobby :later",
    );
    assert!(shown(&mut client, (80, 24)).contains("number 60."));
    for _ in 0..20 {
        client.typed(b"\x1b[5~");
    }
    assert!(shown(&mut client, (80, 24)).contains("bob hello"));
    for _ in 0..20 {
        client.typed(b"\x1b[6~");
    }
    assert!(shown(&mut client, (80, 24)).contains("later"));
    assert_eq!(client.model.room().scroll, Default::default());
}

#[test]
fn hostile_text_stays_in_its_place() {
    let mut client = client();
    let zalgo = format!("z{}", "\u{301}".repeat(80));
    for text in [
        "\x1b[2J\x1b]0;title\x07",
        "\u{202e}evil\u{2066}",
        "\u{200b}\u{feff}\u{e0041}",
        zalgo.as_str(),
        &"世".repeat(120),
        &"w".repeat(400),
    ] {
        hear(&mut client, &format!(":bob!b@h PRIVMSG #lobby :{text}"));
        hear(&mut client, &format!(":bob!b@h TOPIC #lobby :{text}"));
        hear(&mut client, &format!(":bob!b@h KICK #lobby {text} :{text}"));
    }
    hear(&mut client, ":\u{202e}n!b@h PRIVMSG ann :\u{202e}x");
    for size in SIZES {
        for room in b"123" {
            client.typed(&[0x1b, *room]);
            let shown = shown(&mut client, size);
            assert!(!shown.contains(['\x1b', '\x07', '\u{202e}', '\u{2066}', '\u{200b}']));
        }
    }
    client.typed(b"\x1b2");
    let shown = shown(&mut client, (80, 24));
    assert!(
        shown
            .lines()
            .all(|row| row.is_empty() || text::width(row) <= 80)
    );
}

#[test]
fn any_size_will_do_with_anything_on_it() {
    let mut client = client();
    client.typed(b"\x1b[200~one\ntwo\x1b[201~\r");
    assert!(shown(&mut client, (80, 24)).contains("Enter sends these 2 lines"));
    for size in SIZES {
        shown(&mut client, size);
        client.typed(b"\x1b[5~");
        client.typed(b"\x1b[6~");
    }
    client.typed(b"\x15\x1b[F/search fox\r/help\r");
    for columns in 1..90 {
        for rows in 1..8 {
            shown(&mut client, (columns, rows));
        }
    }
}

#[test]
fn keys_that_come_at_once_do_one_after_the_other() {
    let mut client = client();
    client.typed(b"hello b\t\r/nonsense\rx\x1b[D");
    assert_eq!(client.model.room().pending[0].text, "hello bob ");
    assert_eq!(client.input.line.text(), "/nonsensex");
}

#[test]
fn a_long_line_is_scrolled_sideways() {
    let mut client = client();
    client.typed("The quick brown fox 世界".as_bytes());
    let shown = shown(&mut client, (20, 5));
    assert!(shown.ends_with("> ck brown fox 世界"), "{shown}");
}

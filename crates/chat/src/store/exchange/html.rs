//! A history as one page for a browser. It must never let anybody's text be anything but text, nor
//! make the browser load or run anything.

use std::fmt::Write;

use super::moments::{shown, written};
use super::text::sentence;
use crate::chat::command::Kind;
use crate::chat::event::Message;
use crate::escape;
use crate::store::query::Entry;

/// What the page may do: nothing but show itself, with the colours that the reader prefers.
const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<style>
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif }
ol { list-style: none; padding: 0 }
li { display: grid; grid-template-columns: 11rem 9rem 1fr; gap: 0 1rem; padding: .1rem 0 }
time, .happened, .redacted { opacity: .7 }
time { font-variant-numeric: tabular-nums }
b, p { margin: 0; overflow-wrap: anywhere }
p { white-space: pre-wrap }
.happened p { grid-column: 2 / 4 }
.redacted { font-style: italic }
@media (max-width: 40rem) { li { grid-template-columns: 1fr } .happened p { grid-column: 1 } }
</style>
"#;

/// The page down to its first entry.
pub fn head(room: &str) -> String {
    let room = text(room);
    format!(
        "{HEAD}<title>{room}</title>\n</head>\n<body>\n<h1>{room}</h1>\n<p>Times in UTC.</p>\n<ol>\n"
    )
}

/// The rest of the page.
pub const TAIL: &str = "</ol>\n</body>\n</html>\n";

/// One entry.
pub fn entry(entry: &Entry) -> String {
    match entry {
        Entry::Message(message) => of_message(message),
        Entry::Happening(happening) => {
            let time = time(happening.unix_ms);
            let what = text(&sentence(happening));
            format!("<li class=\"happened\">{time}<p>{what}</p></li>\n")
        }
    }
}

fn of_message(message: &Message) -> String {
    let (time, nick) = (time(message.unix_ms), text(&message.from.nick));
    let (class, content) = match (&message.redacted, message.kind) {
        (Some(redaction), _) => {
            let why = format!("taken back by {}: {}", redaction.by, redaction.reason);
            ("redacted", text(&why))
        }
        (None, Kind::Message) => ("said", text(&message.text)),
        (None, Kind::Notice) => ("notice", text(&message.text)),
        (None, Kind::Tags) => {
            let tags = message
                .tags
                .iter()
                .map(|(key, value)| format!("{key}={value}"));
            ("tags", text(&tags.collect::<Vec<_>>().join(" ")))
        }
    };
    let id = message.msgid;
    format!("<li id=\"{id}\" class=\"{class}\">{time}<b>{nick}</b><p>{content}</p></li>\n")
}

fn time(unix_ms: u64) -> String {
    let (exact, shown) = (written(unix_ms), shown(unix_ms));
    format!("<time datetime=\"{exact}\">{shown}</time>")
}

/// Text that stays text; what is invisible or turns the reading order round is shown as a number.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' | '\\' => out.push(c),
            c if escape::is_plain(c) => out.push(c),
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    out
}

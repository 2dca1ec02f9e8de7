//! What is said, in rows from the bottom up. It must never lay out more entries than fit: there may be
//! thousands, and each may be long.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::{Theme, places, put};
use crate::screen::model::{Entry, Kind, Look, Model, Outgoing, Scroll, State};
use crate::screen::text;

/// The columns of names where there is room to set them apart.
const NICK_COLUMNS: usize = 12;
const NICK_COLUMNS_FROM: u16 = 48;

/// One thing to show.
#[derive(Clone, Copy)]
enum Item<'a> {
    /// And whether a day begins with it.
    Entry(&'a Entry, bool),
    Found(&'a str, &'a Entry),
    Pending(&'a Outgoing, &'a str),
    /// What is below was not seen before.
    New,
}

/// What there is to show, newest first.
fn items(model: &Model) -> Box<dyn Iterator<Item = Item<'_>> + '_> {
    if let Some(search) = &model.search {
        let hits = search.hits.iter().rev();
        return Box::new(hits.map(|(room, entry)| Item::Found(room, entry)));
    }
    let room = model.room();
    let pending = room.pending.iter().rev();
    let pending = pending.map(|it| Item::Pending(it, &model.nick));
    let entries = room.timeline.entries();
    // The line belongs to the entry above which it stands, so that it does not count as one.
    let line = room.timeline.line.filter(|line| *line < entries.len());
    let below = line.unwrap_or(0);
    let day = |entry: &'_ Entry| entry.time.get(..10).unwrap_or_default().to_owned();
    let item = move |index: usize| {
        let entry = &entries[index];
        let begins_a_day = index > 0 && day(&entries[index - 1]) != day(entry);
        Item::Entry(entry, begins_a_day)
    };
    let newer = (entries.len() - below..entries.len()).rev().map(item);
    let older = (0..entries.len() - below).rev().map(item);
    let line = line.map(|_| Item::New);
    Box::new(pending.chain(newer).chain(line).chain(older))
}

pub(super) fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let scroll = match &model.search {
        Some(search) => search.scroll,
        None => model.room().scroll,
    };
    let mut y = area.bottom();
    let mut below = scroll.entries;
    let mut hidden = scroll.rows;
    for item in items(model) {
        if matches!(item, Item::New) && below > 0 {
            continue;
        }
        if below > 0 {
            below -= 1;
            continue;
        }
        let rows = rows(item, theme, area.width);
        let shown = rows.len().saturating_sub(std::mem::take(&mut hidden));
        for row in rows[..shown].iter().rev() {
            y -= 1;
            buffer.set_line(area.x, y, row, area.width);
            if y == area.top() {
                return;
            }
        }
    }
    let first = Rect::new(area.x, y - 1, area.width, 1);
    let words = match &model.search {
        Some(search) if !search.is_done => "searching…",
        Some(search) if search.hits.is_empty() => "nothing was found",
        Some(_) => "",
        None => match model.room() {
            room if room.is_loading() => "loading what was said…",
            room if room.kind == Kind::Room && room.is_whole => "nothing older is here",
            room if room.kind == Kind::Room && room.is_joined => "PageUp shows more",
            _ => "",
        },
    };
    put(buffer, first, 1, words, theme.faint());
}

/// Moves by so many screens; whether that is at the top of what is here.
pub fn page(model: &mut Model, size: (u16, u16), up: isize) -> bool {
    let screen = Rect::new(0, 0, size.0, size.1);
    let area = places(screen, model.room().kind).messages;
    let step = usize::from(area.height.saturating_sub(2)).max(1) * up.unsigned_abs();
    let theme = Theme { has_colours: false };
    let only_entries = items(model).filter(|item| !matches!(item, Item::New));
    let mut at = match &model.search {
        Some(search) => search.scroll,
        None => model.room().scroll,
    };
    let mut is_at_top = false;
    if up > 0 {
        let mut rest = step + at.rows;
        let mut passed = Scroll {
            entries: at.entries,
            rows: 0,
        };
        is_at_top = true;
        for item in only_entries.skip(at.entries) {
            let count = rows(item, theme, area.width).len();
            if rest < count {
                passed.rows = rest;
                is_at_top = false;
                break;
            }
            rest -= count;
            passed.entries += 1;
        }
        if !is_at_top {
            at = passed;
        }
        is_at_top |= is_near_top(model, at, area);
    } else {
        let shown: Vec<Item<'_>> = only_entries.take(at.entries).collect();
        let mut rest = step;
        while rest > 0 && at != Scroll::default() {
            if at.rows == 0 {
                at.entries -= 1;
                let item = shown[at.entries];
                at.rows = rows(item, theme, area.width).len();
            }
            let down = rest.min(at.rows);
            at.rows -= down;
            rest -= down;
        }
    }
    match &mut model.search {
        Some(search) => search.scroll = at,
        None => model.rooms[model.current].scroll = at,
    }
    is_at_top
}

/// Whether the oldest entry is on the screen.
fn is_near_top(model: &Model, at: Scroll, area: Rect) -> bool {
    let theme = Theme { has_colours: false };
    let above = items(model).filter(|item| !matches!(item, Item::New));
    let mut rest = usize::from(area.height) + at.rows;
    for item in above.skip(at.entries) {
        let count = rows(item, theme, area.width).len();
        if count >= rest {
            return false;
        }
        rest -= count;
    }
    true
}

/// How an item looks, from its parts: its own text, and a note behind it.
struct Parts<'a> {
    time: &'a str,
    name: String,
    name_style: Style,
    text: String,
    text_style: Style,
    note: Option<(String, Style)>,
}

fn rows(item: Item<'_>, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let parts = match item {
        Item::New => return vec![rule("new", theme.mention(), width)],
        Item::Entry(entry, true) => {
            let day = text::plain(entry.time.get(..10).unwrap_or_default());
            let mut rows = vec![rule(&day, theme.faint(), width)];
            rows.extend(lay_out(of_entry(entry, theme), theme, width));
            return rows;
        }
        Item::Entry(entry, false) => of_entry(entry, theme),
        Item::Found(room, entry) => {
            let mut parts = of_entry(entry, theme);
            parts.text = format!("{room} {}", parts.text);
            parts
        }
        Item::Pending(outgoing, nick) => of_pending(outgoing, nick, theme),
    };
    lay_out(parts, theme, width)
}

/// A word in a line across.
fn rule(word: &str, style: Style, width: u16) -> Line<'static> {
    let side = usize::from(width).saturating_sub(text::width(word) + 2) / 2;
    let side = "─".repeat(side);
    Line::styled(format!("{side} {word} {side}"), style)
}

fn of_entry(entry: &Entry, theme: Theme) -> Parts<'_> {
    let nick = text::plain(&entry.nick);
    let own = theme.nick(&entry.nick);
    let (name, name_style) = match entry.look {
        Look::Message => (nick.clone(), own),
        Look::Notice => (format!("-{nick}-"), own),
        Look::Action => ("*".to_owned(), own),
        Look::Info => ("·".to_owned(), theme.faint()),
        Look::Error => ("!".to_owned(), theme.error()),
    };
    let text_style = match entry.look {
        Look::Info => theme.faint(),
        Look::Error => theme.error(),
        _ if entry.is_mention => theme.mention(),
        _ => Style::default(),
    };
    let text = match entry.look {
        Look::Action => format!("{} {}", entry.nick, entry.text),
        _ => entry.text.clone(),
    };
    Parts {
        time: match entry.look {
            Look::Error => "",
            _ => entry.time.get(11..16).unwrap_or_default(),
        },
        name,
        name_style,
        text,
        text_style,
        note: None,
    }
}

fn of_pending<'a>(outgoing: &'a Outgoing, nick: &str, theme: Theme) -> Parts<'a> {
    let text = match outgoing.look {
        Look::Action => format!("{nick} {}", outgoing.text),
        _ => outgoing.text.clone(),
    };
    let note = match &outgoing.state {
        State::Queued => ("(waits)".to_owned(), theme.faint()),
        State::Sending => ("(sending)".to_owned(), theme.faint()),
        State::Unsure => ("(sent? will look)".to_owned(), theme.faint()),
        State::Failed(why) => (format!("(not sent: {})", text::plain(why)), theme.error()),
    };
    Parts {
        time: "",
        name: match outgoing.look {
            Look::Action => "*".to_owned(),
            _ => text::plain(nick),
        },
        name_style: theme.nick(nick),
        text,
        text_style: theme.faint(),
        note: Some(note),
    }
}

/// The time, the name, and the text in rows beside them.
fn lay_out(parts: Parts<'_>, theme: Theme, width: u16) -> Vec<Line<'static>> {
    let is_wide = width >= NICK_COLUMNS_FROM;
    let name = match is_wide {
        true => {
            let name = text::fit(&parts.name, NICK_COLUMNS);
            let blanks = " ".repeat(NICK_COLUMNS - text::width(&name));
            format!("{blanks}{name} ")
        }
        false => format!("{} ", text::fit(&parts.name, NICK_COLUMNS)),
    };
    let time = match width {
        0..24 => String::new(),
        _ => format!("{:<5} ", text::fit(&text::plain(parts.time), 5)),
    };
    let indent = match is_wide {
        true => text::width(&time) + NICK_COLUMNS + 1,
        false => text::width(&time),
    };
    let indent = indent.min(usize::from(width) / 2);
    let columns = usize::from(width).saturating_sub(indent).max(2);
    let full = match is_wide {
        true => parts.text,
        // The first row is shorter by the name, so the name is wrapped with the text.
        false => format!("{name}{}", parts.text),
    };
    let mut rows = text::wrap(&full, columns);
    if let Some((note, _)) = &parts.note {
        let is_short = rows
            .last()
            .is_some_and(|row| text::width(row) + 1 + note.len() <= columns);
        if !is_short {
            rows.push(String::new());
        }
    }
    let last = rows.len() - 1;
    let rows = rows.into_iter().enumerate().map(|(index, row)| {
        let mut spans = match index {
            0 => vec![Span::styled(time.clone(), theme.faint())],
            _ => vec![Span::raw(" ".repeat(indent))],
        };
        match (index, is_wide, row.strip_prefix(name.as_str())) {
            (0, true, _) => {
                spans.push(Span::styled(name.clone(), parts.name_style));
                spans.push(Span::styled(row, parts.text_style));
            }
            (0, false, Some(rest)) => {
                spans.push(Span::styled(name.clone(), parts.name_style));
                spans.push(Span::styled(rest.to_owned(), parts.text_style));
            }
            _ => spans.push(Span::styled(row, parts.text_style)),
        }
        if let Some((note, style)) = parts.note.as_ref().filter(|_| index == last) {
            spans.push(Span::styled(format!(" {note}"), *style));
        }
        Line::from(spans)
    });
    rows.collect()
}

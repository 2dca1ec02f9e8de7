//! The picture of a [`Client`]: windows at the left, what is said in the middle, who is there at the
//! right, and the line at the bottom.
//!
//! It must never change what it shows, nor draw text of others that [`text`] has not seen.

mod messages;
mod theme;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::Client;
use super::input::Input;
use super::model::{Connection, Kind, Model, Room};
use super::text;

pub use messages::page;
pub use theme::Theme;

const ROOMS_COLUMNS: u16 = 16;
const MEMBERS_COLUMNS: u16 = 18;

/// Narrower screens have no list of windows.
const ROOMS_FROM_COLUMNS: u16 = 60;
/// Narrower screens have no list of members.
const MEMBERS_FROM_COLUMNS: u16 = 100;

/// Where everything is.
#[derive(Debug, Clone, Copy)]
struct Places {
    rooms: Option<Rect>,
    topic: Rect,
    messages: Rect,
    members: Option<Rect>,
    status: Rect,
    input: Rect,
}

fn places(area: Rect, kind: Kind) -> Places {
    let rows = |y: u16, height: u16| {
        let y = y.min(area.height);
        Rect::new(area.x, area.y + y, area.width, height.min(area.height - y))
    };
    let below = area.height.saturating_sub(2);
    let topic_rows = u16::from(area.height >= 4);
    let mut middle = rows(topic_rows, below.saturating_sub(topic_rows));
    let mut rooms = None;
    if area.width >= ROOMS_FROM_COLUMNS {
        rooms = Some(Rect {
            width: ROOMS_COLUMNS,
            ..middle
        });
        // The rule, and a blank.
        middle.x += ROOMS_COLUMNS + 2;
        middle.width -= ROOMS_COLUMNS + 2;
    }
    let mut members = None;
    if area.width >= MEMBERS_FROM_COLUMNS && kind == Kind::Room {
        middle.width -= MEMBERS_COLUMNS + 1;
        members = Some(Rect {
            x: middle.right() + 1,
            width: MEMBERS_COLUMNS,
            ..middle
        });
    }
    Places {
        rooms,
        topic: rows(0, topic_rows),
        messages: middle,
        members,
        status: rows(below, u16::from(area.height >= 2)),
        input: rows(area.height.saturating_sub(1), 1),
    }
}

/// Draws all of it, and says where the cursor belongs.
pub fn draw(client: &Client, theme: Theme, area: Rect, buffer: &mut Buffer) -> Position {
    let places = places(area, client.model.room().kind);
    draw_topic(&client.model, theme, places.topic, buffer);
    if let Some(area) = places.rooms {
        draw_rooms(&client.model, theme, area, buffer);
        draw_rule(theme, area.right(), area, buffer);
    }
    if let Some(area) = places.members {
        draw_members(client.model.room(), theme, area, buffer);
        draw_rule(theme, area.x - 1, area, buffer);
    }
    messages::draw(&client.model, theme, places.messages, buffer);
    draw_status(client, theme, places.status, buffer);
    draw_input(client, theme, places.input, buffer)
}

fn put(buffer: &mut Buffer, area: Rect, x: u16, text: &str, style: Style) -> u16 {
    let x = area.x + x;
    if area.height == 0 || x >= area.right() {
        return 0;
    }
    let columns = usize::from(area.right() - x);
    let (end, _) = buffer.set_stringn(x, area.y, text, columns, style);
    end - area.x
}

fn draw_rule(theme: Theme, x: u16, area: Rect, buffer: &mut Buffer) {
    for y in area.top()..area.bottom() {
        buffer.set_string(x, y, "│", theme.faint());
    }
}

fn draw_topic(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let room = model.room();
    buffer.set_style(area, theme.bar());
    let bold = theme.bar_strong();
    if let Some(search) = &model.search {
        let title = format!(" Found for “{}”", text::plain(&search.words));
        let x = put(buffer, area, 0, &title, bold);
        let back = "  Enter on an empty line goes back";
        put(buffer, area, x, back, theme.bar());
        return;
    }
    let x = put(
        buffer,
        area,
        0,
        &format!(" {}", text::plain(&room.name)),
        bold,
    );
    let about = match room.kind {
        Kind::Server => "what the server says; /help shows what you can do".to_owned(),
        Kind::Person => "you two alone".to_owned(),
        Kind::Room => text::plain(&room.topic),
    };
    let count = match room.kind {
        Kind::Room => format!(" {} here ", room.members.len()),
        _ => String::new(),
    };
    let right = area.width.saturating_sub(text::width(&count) as u16);
    let about = text::fit(&about, usize::from(right.saturating_sub(x + 3)));
    put(buffer, area, x + 2, &about, theme.bar());
    if right > x {
        put(buffer, area, right, &count, theme.bar());
    }
}

fn draw_rooms(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let height = usize::from(area.height);
    let first = (model.current + 1).saturating_sub(height);
    let shown = model.rooms.iter().enumerate().skip(first).take(height);
    for (row, (index, room)) in shown.enumerate() {
        let row = Rect::new(area.x, area.y + row as u16, area.width, 1);
        let count = match (room.mentions, room.unread) {
            (0, 0) => String::new(),
            (0, unread) => format!(" {} ", unread.min(999)),
            (mentions, _) => format!(" @{} ", mentions.min(999)),
        };
        let style = match (index == model.current, room.mentions, room.unread) {
            (true, ..) => theme.chosen(),
            (false, 0, 0) if room.kind == Kind::Room && !room.is_joined => theme.faint(),
            (false, 0, 0) => Style::default(),
            (false, 0, _) => theme.strong(),
            (false, ..) => theme.mention(),
        };
        buffer.set_style(row, style);
        let number = match index + 1 {
            number @ 1..=9 => format!("{number} "),
            _ => "  ".to_owned(),
        };
        let room_for_name = usize::from(area.width).saturating_sub(2 + text::width(&count));
        let name = text::fit(&text::plain(&room.name), room_for_name);
        let x = put(buffer, row, 0, &number, style.patch(theme.faint()));
        put(buffer, row, x, &name, style);
        let x = area.width.saturating_sub(text::width(&count) as u16);
        put(buffer, row, x, &count, style);
    }
}

fn draw_members(room: &Room, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let mut members: Vec<_> = room.members.values().collect();
    // Those who have a role first, as everywhere.
    let rank = |signs: &str| {
        "~&@%+"
            .find(signs.chars().next().unwrap_or(' '))
            .unwrap_or(9)
    };
    members.sort_by_key(|member| rank(&member.signs));
    let height = usize::from(area.height);
    let is_cut = members.len() > height;
    let shown = members
        .len()
        .min(height - usize::from(is_cut && height > 0));
    for (row, member) in members.iter().take(shown).enumerate() {
        let row = Rect::new(area.x, area.y + row as u16, area.width, 1);
        let sign = member.signs.chars().next().unwrap_or(' ').to_string();
        let x = put(buffer, row, 0, &sign, theme.faint());
        let style = match member.is_away {
            true => theme.faint(),
            false => theme.nick(&member.nick),
        };
        let name = text::fit(&text::plain(&member.nick), usize::from(area.width - x));
        put(buffer, row, x, &name, style);
    }
    if is_cut && height > 0 {
        let row = Rect::new(area.x, area.bottom() - 1, area.width, 1);
        let more = format!(" and {} more", members.len() - shown);
        put(buffer, row, 0, &more, theme.faint());
    }
}

fn draw_status(client: &Client, theme: Theme, area: Rect, buffer: &mut Buffer) {
    let model = &client.model;
    let (words, is_bad) = status(model);
    let style = if is_bad { theme.alarm() } else { theme.bar() };
    buffer.set_style(area, style);
    let x = put(buffer, area, 0, &format!(" {words}"), style);
    let mut parts = Vec::new();
    if let Some(lines) = client.input.asks() {
        parts.push(format!(
            "Enter sends these {lines} lines, Ctrl-U drops the last"
        ));
    } else if !model.room().typing.is_empty() {
        parts.push(typing(model.room()));
    }
    let unread: usize = model.rooms.iter().map(|room| room.unread).sum();
    if unread > 0 {
        parts.push(format!("{unread} unread"));
    }
    if model.room().scroll != Default::default() {
        parts.push("PageDown: newer".to_owned());
    }
    if model.room().is_loading() {
        parts.push("loading…".to_owned());
    }
    let rest = parts.iter().map(|part| format!(" · {part}"));
    put(buffer, area, x, &rest.collect::<String>(), style);
}

/// How things are, and whether that is bad.
fn status(model: &Model) -> (String, bool) {
    let unsettled = model.unsettled();
    let failed = model.room().failed();
    let away = if model.is_away { ", away" } else { "" };
    match &model.connection {
        Connection::Connecting => ("connecting…".to_owned(), false),
        Connection::Greeting => ("coming in…".to_owned(), false),
        Connection::Waiting { why, seconds } => {
            let kept = match unsettled {
                0 => String::new(),
                1 => "; 1 message waits".to_owned(),
                many => format!("; {many} messages wait"),
            };
            let why = text::plain(why);
            let when = match seconds {
                0 => "now…".to_owned(),
                seconds => format!("in {seconds} s"),
            };
            (format!("reconnecting {when}{kept} ({why})"), true)
        }
        Connection::Online if failed > 0 => {
            (format!("{failed} not sent: /retry or /discard"), true)
        }
        Connection::Online if unsettled > 0 => (format!("sending {unsettled}…"), false),
        Connection::Online => (format!("{}{away}", text::plain(&model.nick)), false),
    }
}

fn typing(room: &Room) -> String {
    let names: Vec<String> = room
        .typing
        .keys()
        .take(3)
        .map(|it| text::plain(it))
        .collect();
    match room.typing.len() {
        1 => format!("{} is typing…", names.join("")),
        2 | 3 => format!("{} are typing…", names.join(", ")),
        _ => "many are typing…".to_owned(),
    }
}

fn draw_input(client: &Client, theme: Theme, area: Rect, buffer: &mut Buffer) -> Position {
    let prompt = "> ";
    let x = put(buffer, area, 0, prompt, theme.strong());
    let columns = usize::from(area.width.saturating_sub(x + 1)).max(1);
    let (shown, cursor) = visible_line(&client.input, columns);
    put(buffer, area, x, &shown, Style::default());
    let column = (x + cursor as u16).min(area.width.saturating_sub(1));
    Position::new(area.x + column, area.y)
}

/// The part of the line around its cursor that fits, and the column of the cursor in it.
fn visible_line(input: &Input, columns: usize) -> (String, usize) {
    let line = input.line.text();
    let shown = |part: &str| text::plain(&part.replace('\n', "⏎"));
    let mut start = 0;
    let mut left = text::width(&shown(&line[..input.line.cursor()]));
    for grapheme in line[..input.line.cursor()].graphemes(true) {
        if left <= columns {
            break;
        }
        left -= text::width(&shown(grapheme)).min(left);
        start += grapheme.len();
    }
    (shown(&line[start..]), left)
}

#[cfg(test)]
#[path = "view/tests.rs"]
mod tests;

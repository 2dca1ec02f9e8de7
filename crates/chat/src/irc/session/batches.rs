//! `BATCH` from a client: a message of several lines. It must never keep more of one than a message
//! may have.
//!
//! The source is <https://ircv3.net/specs/extensions/multiline>.

use std::sync::Arc;

use super::call::target;
use super::{Call, Entry};
use crate::chat::command::{Command, Kind, Label, Say, Tag};
use crate::irc::caps;
use crate::irc::message::Message;
use crate::irc::names;

pub(super) const COMMANDS: &[Entry] = &[Entry::new("BATCH", 1, batch)];

/// The longest name of a batch that is taken, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// A message whose lines are coming.
pub(super) struct Batch {
    name: Box<str>,
    target: Arc<str>,
    tags: Vec<Tag>,
    label: Label,
    /// That of the first line.
    kind: Option<Kind>,
    text: String,
    lines: usize,
    /// It was answered that it will not be said; the rest of it is skipped.
    is_refused: bool,
}

fn batch(call: &mut Call<'_, '_>, message: &Message<'_>) {
    let reference = message.params[0];
    if !call.caps().has(caps::MULTILINE | caps::BATCH) {
        let text = "ask for the capabilities batch and draft/multiline first";
        call.fail("BATCH", "UNKNOWN_TYPE", &[reference], text);
    } else if let Some(name) = reference.strip_prefix('+') {
        open(call, message, name);
    } else {
        close(call, reference);
    }
}

fn open(call: &mut Call<'_, '_>, message: &Message<'_>, name: &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let problem = if call.session.batch.is_some() {
        Some("one batch at a time: close the other one first")
    } else if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_name) {
        Some("a batch is called by letters, digits and -")
    } else if message.params.get(1) != Some("draft/multiline") {
        Some("the only batch from a client is draft/multiline")
    } else {
        None
    };
    let to = message.params.get(2).filter(|to| !to.is_empty());
    match (problem, to) {
        (Some(text), _) => call.fail("BATCH", "INVALID_BATCH", &[name], text),
        (None, None) => call.fail("BATCH", "MULTILINE_INVALID", &[name], "there is no target"),
        (None, Some(to)) => {
            let batch = Batch {
                name: name.into(),
                target: to.into(),
                tags: call.client_tags(message.tags),
                label: call.label(),
                kind: None,
                text: String::new(),
                lines: 0,
                is_refused: false,
            };
            call.session.batch = Some(Box::new(batch));
            // The label's answer is that of the message.
            call.answer_later();
        }
    }
}

fn close(call: &mut Call<'_, '_>, reference: &str) {
    let name = reference.strip_prefix('-');
    let is_open = |batch: &mut Box<Batch>| Some(&*batch.name) == name;
    let Some(batch) = call.session.batch.take_if(is_open) else {
        call.fail(
            "BATCH",
            "INVALID_BATCH",
            &[reference],
            "there is no such batch",
        );
        return;
    };
    if batch.is_refused {
        return;
    }
    call.set_label(batch.label.clone());
    let kind = batch.kind.unwrap_or(Kind::Message);
    if batch.text.chars().all(|c| c == '\n') {
        call.fail(
            "BATCH",
            "MULTILINE_INVALID",
            &[&batch.name],
            "there is no text in it",
        );
        return;
    }
    let command = Command::Say(Say {
        target: target(&batch.target),
        kind,
        text: batch.text.into(),
        tags: batch.tags,
        label: batch.label,
    });
    if call.command_or_refuse("BATCH", Some(&batch.target), command) && kind == Kind::Message {
        call.show_away(&batch.target);
    }
}

impl Call<'_, '_> {
    /// Takes a line that belongs to a batch; `false`: it does not.
    pub(super) fn take_for_batch(&mut self, message: &Message<'_>) -> bool {
        if message.tags.is_empty() || !self.caps().has(caps::MULTILINE) {
            return false;
        }
        let Some(name) = message.tags.get("batch").map(|name| name.unescaped()) else {
            return false;
        };
        let batch = self.session.batch.take();
        let Some(mut batch) = batch.filter(|batch| *batch.name == *name) else {
            self.fail("BATCH", "INVALID_BATCH", &[&name], "there is no such batch");
            return true;
        };
        if !batch.is_refused {
            let text_max = self.chat().settings().text_bytes_max;
            let lines_max = self.config().multiline_lines_max;
            if let Err((code, context, text)) = add(&mut batch, message, text_max, lines_max) {
                batch.is_refused = true;
                batch.text = String::new();
                self.set_label(batch.label.take());
                let context: Vec<&str> = context.iter().map(String::as_str).collect();
                self.fail("BATCH", code, &context, text);
            }
        }
        self.session.batch = Some(batch);
        true
    }
}

type Problem = (&'static str, Vec<String>, &'static str);

fn add(
    batch: &mut Batch,
    message: &Message<'_>,
    text_max: usize,
    lines_max: usize,
) -> Result<(), Problem> {
    let kind = match message.command.to_ascii_uppercase().as_str() {
        "PRIVMSG" => Kind::Message,
        "NOTICE" => Kind::Notice,
        _ => {
            return Err((
                "MULTILINE_INVALID",
                vec![],
                "only messages and notices are lines",
            ));
        }
    };
    let to = message.params.get(0).unwrap_or("");
    let Some(line) = message.params.get(1) else {
        return Err(("MULTILINE_INVALID", vec![], "a line has no text"));
    };
    if !names::are_same(to, &batch.target) {
        let context = vec![batch.target.to_string(), to.to_owned()];
        return Err(("MULTILINE_INVALID_TARGET", context, "a line goes elsewhere"));
    }
    if *batch.kind.get_or_insert(kind) != kind {
        return Err(("MULTILINE_INVALID", vec![], "lines of both kinds"));
    }
    if batch.lines >= lines_max {
        let context = vec![lines_max.to_string()];
        return Err(("MULTILINE_MAX_LINES", context, "too many lines"));
    }
    let goes_on = message.tags.get("draft/multiline-concat").is_some();
    let newline = usize::from(batch.lines > 0 && !goes_on);
    if batch.text.len() + newline + line.len() > text_max {
        let context = vec![text_max.to_string()];
        return Err(("MULTILINE_MAX_BYTES", context, "too much text"));
    }
    if newline == 1 {
        batch.text.push('\n');
    }
    batch.text.push_str(line);
    batch.lines += 1;
    Ok(())
}

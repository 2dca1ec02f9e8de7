//! The chat on a whole screen, without the screen: keys, lines of the server and seconds in; lines to
//! the server and a picture out.
//!
//! It must never touch a socket, a terminal or a clock, nor show what came from the network as it
//! came: see [`text`].

pub mod input;
pub mod model;
pub mod text;
pub mod view;

use input::{Input, Press};
use model::{Model, Typed};

/// The chat and the line that is being typed.
#[derive(Debug)]
pub struct Client {
    /// What is known of the chat.
    pub model: Model,
    /// The line.
    pub input: Input,
    /// The size of the screen, in columns and rows.
    pub size: (u16, u16),
}

/// What a person wants beyond talking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To leave.
    Quit,
    /// To lend the terminal to the shell for a while.
    Suspend,
    /// To see the screen drawn anew.
    Redraw,
}

impl Client {
    /// A client that will be called `nick`, or so; `random` makes the names of its messages its own.
    pub fn new(nick: &str, random: u64, size: (u16, u16)) -> Client {
        Client {
            model: Model::new(nick, random),
            input: Input::default(),
            size,
        }
    }

    /// Takes what the terminal sent.
    pub fn typed(&mut self, bytes: &[u8]) -> Vec<Wish> {
        let keys = self.input.keys(bytes);
        let mut wishes = Vec::new();
        for key in keys {
            let press = self.input.press(key);
            wishes.extend(self.pressed(press));
        }
        wishes
    }

    fn pressed(&mut self, press: Press) -> Option<Wish> {
        match press {
            Press::Submit(text) => return self.submitted(&text),
            Press::Edited => self.model.is_typing(self.input.line.text()),
            Press::Interrupt => return Some(Wish::Quit),
            Press::Suspend => return Some(Wish::Suspend),
            Press::Redraw => return Some(Wish::Redraw),
            Press::Complete => {
                let model = &self.model;
                self.input
                    .complete(|word, first| model.completions(word, first));
            }
            Press::Room(number) => self.model.show_room(number),
            Press::NextRoom => self.model.step_room(1),
            Press::PreviousRoom => self.model.step_room(-1),
            Press::Search => {
                if !self.model.close_search() && self.input.line.text().is_empty() {
                    self.input.line.set("/search ");
                }
            }
            Press::Escape => {
                self.model.close_search();
            }
            Press::PageUp => self.page(1),
            Press::PageDown => self.page(-1),
        }
        None
    }

    fn submitted(&mut self, text: &str) -> Option<Wish> {
        match self.model.submit(text) {
            Typed::Done => None,
            Typed::Quit => Some(Wish::Quit),
            Typed::Refused => {
                self.input.line.set(text);
                None
            }
        }
    }

    /// By so many screens; at the top, older messages are asked for.
    fn page(&mut self, up: isize) {
        if view::page(&mut self.model, self.size, up) {
            self.model.load_older();
        }
    }
}

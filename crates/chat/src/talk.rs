//! A person who talks to the server at a terminal.
//!
//! It must never touch the terminal or the connection: keys and answers go in; what to show is
//! appended to `screen`, and messages go to the `send` of the caller, which says whether there was
//! room for them.

use crate::line_editor::{Entry, LineEditor};
use crate::outgoing::Outgoing;
use crate::replies::{Replies, ReplyTooLong};

/// The prompt.
pub const PROMPT: &str = "> ";

/// The longest line that can be typed: the server's default limit, so that a person notices the
/// bell and not a closed connection.
const LINE_BYTES_MAX: usize = crate::limits::Limits::DEFAULT.message_bytes_max;

/// The state of the conversation.
#[derive(Debug, Clone)]
pub struct Talk {
    editor: LineEditor,
    outgoing: Outgoing,
    replies: Replies,
    connected: bool,
}

/// How the person wants to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Ctrl-C: at once.
    Interrupt,
    /// Ctrl-D: when what was said is sent.
    EndOfInput,
    /// Ctrl-Z: for a while. [`Talk::resized`] draws the line again afterwards.
    Suspend,
}

impl Talk {
    /// A conversation that has no connection yet, on a terminal of `columns` columns.
    pub fn new(name: Option<&str>, columns: u16) -> Talk {
        // The name goes in front of each line, and the limit is on the whole message.
        let prefix_bytes = name.map_or(0, |name| name.len() + 2);
        Talk {
            editor: LineEditor::new(PROMPT, LINE_BYTES_MAX - prefix_bytes, columns),
            outgoing: Outgoing::new(name),
            replies: Replies::default(),
            connected: false,
        }
    }

    /// The first drawing of the prompt.
    pub fn begin(&mut self, screen: &mut Vec<u8>) {
        self.editor.redraw(screen);
    }

    /// The connection stands; `notice` is shown.
    pub fn connected(&mut self, notice: &str, screen: &mut Vec<u8>) {
        self.connected = true;
        self.replies = Replies::default();
        self.editor.show_above(notice.as_bytes(), screen);
    }

    /// The connection is gone, or did not come about; `notice` is shown.
    pub fn disconnected(&mut self, notice: &str, screen: &mut Vec<u8>) {
        self.connected = false;
        self.editor.show_above(notice.as_bytes(), screen);
    }

    /// Takes what the terminal sent. `send` gets each message, and says `false` if it has no room
    /// for it. A line that cannot be sent comes back into the editor. An empty line is not sent.
    pub fn typed(
        &mut self,
        bytes: &[u8],
        screen: &mut Vec<u8>,
        mut send: impl FnMut(&[u8]) -> bool,
    ) -> Option<Leave> {
        let mut suspend = false;
        for entry in self.editor.feed(bytes, screen) {
            match entry {
                Entry::Suspend => suspend = true, // what was typed behind it is not lost
                Entry::Line(line) if line.is_empty() => {}
                Entry::Line(line) => self.say(&line, screen, &mut send),
                Entry::Interrupt => return Some(Leave::Interrupt),
                Entry::EndOfInput => return Some(Leave::EndOfInput),
            }
        }
        suspend.then(|| {
            self.editor.leave(screen);
            Leave::Suspend
        })
    }

    /// Shows the answers in `data`, and returns how many bytes they took; see [`Replies::take`].
    ///
    /// # Errors
    /// [`ReplyTooLong`]: the caller closes the connection.
    pub fn received(
        &mut self,
        data: &[u8],
        now_ns: u64,
        screen: &mut Vec<u8>,
    ) -> Result<usize, ReplyTooLong> {
        let editor = &mut self.editor;
        self.replies
            .take(data, now_ns, |reply| editor.show_above(reply, screen))
    }

    /// The server has finished sending; call [`Talk::received`] once more for the rest.
    pub fn server_ended(&mut self) {
        self.replies.end();
    }

    /// When to call [`Talk::received`] again although nothing came.
    pub fn deadline(&self) -> Option<u64> {
        self.replies.deadline()
    }

    /// The terminal has another width now.
    pub fn resized(&mut self, columns: u16, screen: &mut Vec<u8>) {
        self.editor.resize(columns, screen);
    }

    /// The last words: `goodbye` on a row of its own, and no prompt after it.
    pub fn leave(&mut self, goodbye: &str, screen: &mut Vec<u8>) {
        self.editor.leave(screen);
        screen.extend_from_slice(goodbye.as_bytes());
        screen.extend_from_slice(b"\r\n");
    }

    fn say(&mut self, line: &str, screen: &mut Vec<u8>, send: &mut impl FnMut(&[u8]) -> bool) {
        let problem = if !self.connected {
            "not sent: there is no connection"
        } else if !send(&self.outgoing.message(line.as_bytes())) {
            "not sent: the server takes nothing at the moment; press Enter to try again"
        } else {
            return;
        };
        self.editor.show_above(problem.as_bytes(), screen);
        self.editor.restore(line, screen);
    }
}

//! How IRC carries a SASL message: base64 in pieces of 400 bytes (IRCv3 `sasl`, version 3.1).
//!
//! A piece of exactly 400 bytes is followed by another one; `+` stands for an empty piece. It must
//! never hold more than [`TEXT_BYTES_MAX`] of a message, nor look into one.

use std::fmt::{self, Debug, Formatter};
use std::mem;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Failure;

/// The length of a full piece.
pub const CHUNK_BYTES: usize = 400;

/// The most base64 of one message that is taken: four full pieces, or 1,200 bytes of the message.
/// The longest that we understand is a first message of SCRAM with a nonce of 256 bytes.
pub const TEXT_BYTES_MAX: usize = 4 * CHUNK_BYTES;

/// Cuts a message into the arguments of `AUTHENTICATE` that carry it.
///
/// ```
/// use switchboard_chat::accounts::sasl::chunks;
///
/// assert_eq!(chunks(b""), ["+"]);
/// assert_eq!(chunks(b"ann"), ["YW5u"]);
/// assert_eq!(chunks(&[0; 300]), ["A".repeat(400), "+".to_owned()]);
/// ```
pub fn chunks(message: &[u8]) -> Vec<String> {
    let text = Zeroizing::new(STANDARD.encode(message));
    let mut chunks = Vec::new();
    let mut rest = text.as_str();
    while let Some((chunk, after)) = rest.split_at_checked(CHUNK_BYTES) {
        chunks.push(chunk.to_owned());
        rest = after;
    }
    chunks.push(if rest.is_empty() { "+" } else { rest }.to_owned());
    chunks
}

/// Puts a message together again; what it has held is wiped.
#[derive(Default)]
pub struct Incoming {
    text: Zeroizing<String>,
}

impl Incoming {
    /// Takes one piece, and gives the message if it was the last.
    ///
    /// # Errors
    /// [`Failure::TooLong`] or [`Failure::NotBase64`]; what was there is gone.
    pub fn push(&mut self, chunk: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let mut text = mem::take(&mut self.text);
        let piece = if chunk == "+" { "" } else { chunk };
        if piece.len() > CHUNK_BYTES || text.len() + piece.len() > TEXT_BYTES_MAX {
            return Err(Failure::TooLong);
        }
        if chunk.is_empty() {
            return Err(Failure::NotBase64);
        }
        if text.is_empty() {
            // So much that it never moves and leaves a copy behind.
            let is_whole = piece.len() < CHUNK_BYTES;
            text.reserve_exact(if is_whole {
                piece.len()
            } else {
                TEXT_BYTES_MAX
            });
        }
        text.push_str(piece);
        if piece.len() == CHUNK_BYTES {
            self.text = text;
            return Ok(None);
        }
        match STANDARD.decode(&*text) {
            Ok(message) => Ok(Some(Zeroizing::new(message))),
            Err(_) => Err(Failure::NotBase64),
        }
    }
}

impl Debug for Incoming {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Incoming({} bytes)", self.text.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(pieces: &[&str]) -> Result<Option<Vec<u8>>, Failure> {
        let mut incoming = Incoming::default();
        let mut last = Ok(None);
        for piece in pieces {
            assert_eq!(last, Ok(None), "an end before the last piece");
            last = incoming
                .push(piece)
                .map(|message| message.map(|message| message.to_vec()));
        }
        last
    }

    #[test]
    fn a_full_piece_is_not_the_last() {
        let full = "A".repeat(400);
        assert_eq!(received(&["+"]), Ok(Some(vec![])));
        assert_eq!(received(&["YW5u"]), Ok(Some(b"ann".to_vec())));
        assert_eq!(received(&[&full]), Ok(None));
        assert_eq!(received(&[&full, "+"]), Ok(Some(vec![0; 300])));
        assert_eq!(received(&[&full, "AAAA"]), Ok(Some(vec![0; 303])));
    }

    #[test]
    fn the_bound_is_four_pieces() {
        let full = "A".repeat(400);
        let four = [full.as_str(); 4];
        assert_eq!(received(&four), Ok(None));
        assert_eq!(
            received(&[&four[..], &["+"]].concat()),
            Ok(Some(vec![0; 1200]))
        );
        assert_eq!(
            received(&[&four[..], &["AAAA"]].concat()),
            Err(Failure::TooLong)
        );
        assert_eq!(received(&[&"A".repeat(401)]), Err(Failure::TooLong));
    }

    #[test]
    fn what_is_no_base64_is_refused_and_forgotten() {
        for wrong in ["", "A", "YW5", "YW5u=", "YW5v\n", "++", "YW5_", "é", "YWn="] {
            assert_eq!(received(&[wrong]), Err(Failure::NotBase64), "{wrong:?}");
        }
        let mut incoming = Incoming::default();
        let full = "A".repeat(400);
        assert_eq!(incoming.push(&full), Ok(None));
        assert_eq!(incoming.push("!"), Err(Failure::NotBase64));
        assert_eq!(
            incoming
                .push("YW5u")
                .map(|message| message.map(|m| m.to_vec())),
            Ok(Some(b"ann".to_vec()))
        );
    }

    #[test]
    fn what_was_cut_is_put_together() {
        for length in [0, 1, 299, 300, 301, 600, 1199, 1200] {
            let message: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let pieces = chunks(&message);
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            assert_eq!(received(&pieces), Ok(Some(message)), "{length}");
        }
    }
}

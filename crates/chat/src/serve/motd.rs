//! The message of the day, from a file. It must never send a client what its terminal would obey.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Lines that are shown.
const LINES_MAX: usize = 100;

/// Bytes that are read.
const BYTES_MAX: u64 = 64 * 1024;

/// The lines in `file`; none without one.
pub(super) fn lines(file: Option<&Path>) -> Result<Vec<String>, String> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    let mut bytes = Vec::new();
    let opened = File::open(file).and_then(|open| open.take(BYTES_MAX).read_to_end(&mut bytes));
    opened.map_err(|why| format!("{}: {why}", file.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().take(LINES_MAX);
    let visible = |line: &str| line.replace(|c: char| c.is_control() && !is_style(c), " ");
    Ok(lines.map(visible).collect())
}

/// Bold, colours and the like, as IRC clients show them
/// (<https://modern.ircdocs.horse/formatting>).
fn is_style(c: char) -> bool {
    matches!(
        c,
        '\x02' | '\x03' | '\x04' | '\x0f' | '\x11' | '\x16' | '\x1d' | '\x1e' | '\x1f'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_lines_within_bounds() {
        let name = format!("switchboard-motd-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let text = "\x02Tea\x02 \x1b[31m\u{9b}at five\r\n".to_owned() + &"x\n".repeat(LINES_MAX);
        std::fs::write(&path, text).unwrap();
        let found = lines(Some(&path));
        std::fs::write(&path, "é".repeat(BYTES_MAX as usize)).unwrap();
        let long = lines(Some(&path));
        std::fs::remove_file(&path).unwrap();
        let found = found.unwrap();
        assert_eq!(
            (found.len(), &*found[0]),
            (LINES_MAX, "\x02Tea\x02  [31m at five")
        );
        assert_eq!(long.unwrap()[0].len() as u64, BYTES_MAX);
        let missing = lines(Some(Path::new("/nowhere/motd"))).unwrap_err();
        assert!(missing.starts_with("/nowhere/motd: "), "{missing}");
        assert_eq!(lines(None), Ok(Vec::new()));
    }
}

//! A table that reads as well in a terminal as on a Markdown page, and the units in it.
//!
//! Must never print more digits than the method can stand for.

/// Rows of cells under a header; the first column is text, the others figures.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with its header.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self { rows: vec![] };
        table.row(header);
        table
    }

    /// One more row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Markdown whose columns line up.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .max(3)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (index, row) in self.rows.iter().enumerate() {
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                match column {
                    0 => text.push_str(&format!("| {cell:<width$} ")),
                    _ => text.push_str(&format!("| {cell:>width$} ")),
                }
            }
            text.push_str("|\n");
            if index == 0 {
                for (column, width) in widths.iter().enumerate() {
                    match column {
                        0 => text.push_str(&format!("|{}", "-".repeat(width + 2))),
                        _ => text.push_str(&format!("|{}:", "-".repeat(width + 1))),
                    }
                }
                text.push_str("|\n");
            }
        }
        text
    }
}

/// Nanoseconds in the unit that fits, with three digits.
pub fn time(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.0} ns"),
        n if n < 1e6 => format!("{} µs", three_digits(n / 1e3)),
        n if n < 1e9 => format!("{} ms", three_digits(n / 1e6)),
        n => format!("{} s", three_digits(n / 1e9)),
    }
}

/// Three digits, as many of them after the point as fit.
pub fn three_digits(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_with_missing_cells_and_letters_beyond_ascii() {
        let mut table = Table::new(["peer", "p50"]);
        table.row(["mio", "12.0 µs"]);
        table.row(["raw epoll"]);
        assert_eq!(
            table.render(),
            "| peer      |     p50 |\n\
             |-----------|--------:|\n\
             | mio       | 12.0 µs |\n\
             | raw epoll |         |\n"
        );
    }

    #[test]
    fn times_take_the_unit_that_fits() {
        assert_eq!(time(999.0), "999 ns");
        assert_eq!(time(12_345.0), "12.3 µs");
        assert_eq!(time(14_000_000.0), "14.0 ms");
        assert_eq!(time(99_960.0), "100 µs");
        assert_eq!(time(2e9), "2.00 s");
    }
}

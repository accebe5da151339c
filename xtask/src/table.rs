//! Tables that read well on a terminal and are Markdown.

/// A table with a heading over each column; the first columns are words, the others are figures.
pub struct Table {
    rows: Vec<Vec<String>>,
    word_columns: usize,
}

impl Table {
    /// A table without rows yet, whose first column is words.
    pub fn new(headings: &[&str]) -> Self {
        Self::with_words(headings, 1)
    }

    /// A table without rows yet, with so many columns of words.
    pub fn with_words(headings: &[&str], word_columns: usize) -> Self {
        Self {
            rows: vec![headings.iter().map(ToString::to_string).collect()],
            word_columns,
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The table as text.
    pub fn markdown(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
                .max(2)
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let lines = self.rows.iter();
        let mut lines: Vec<_> = lines.map(|row| self.line(row, &widths)).collect();
        let rules = widths.iter().enumerate().map(|(column, width)| {
            if column < self.word_columns {
                "-".repeat(width + 2)
            } else {
                format!("{}:", "-".repeat(width + 1))
            }
        });
        lines.insert(1, format!("|{}|", rules.collect::<Vec<_>>().join("|")));
        lines.join("\n") + "\n"
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let empty = String::new();
        let cells = widths.iter().enumerate().map(|(column, &width)| {
            let cell = row.get(column).unwrap_or(&empty);
            if column < self.word_columns {
                format!(" {cell:<width$} ")
            } else {
                format!(" {cell:>width$} ")
            }
        });
        format!("|{}|", cells.collect::<Vec<_>>().join("|"))
    }
}

/// Bytes in the unit that suits them.
pub fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    for (name, unit) in UNITS {
        if count >= unit {
            let tenths = (count + unit / 20) / (unit / 10);
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    format!("{count} B")
}

/// Seconds, to a tenth or, where there are few, to a hundredth.
pub fn seconds(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else {
        format!("{seconds:.1} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["what", "BIOS"]);
        table.row(["login prompt", "31.2 s"]);
        table.row(["short"]);
        assert_eq!(
            table.markdown(),
            "| what         |   BIOS |\n\
             |--------------|-------:|\n\
             | login prompt | 31.2 s |\n\
             | short        |        |\n"
        );
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_949_999_999), "1.9 GB");
        assert_eq!(bytes(2_450_000), "2.5 MB");
        assert_eq!(seconds(1.234), "1.23 s");
        assert_eq!(seconds(61.25), "61.2 s");
    }
}

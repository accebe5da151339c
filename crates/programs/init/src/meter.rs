//! How far long work is, on every console.

use crate::consoles;
use crate::search::size;
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// A line that is written over and over while the work goes on.
#[derive(Debug)]
pub struct Meter {
    title: String,
    total_bytes: u64,
    done_bytes: u64,
    started: Instant,
    shown: Option<Instant>,
    consoles: Vec<File>,
}

/// How often the line is written.
const INTERVAL: Duration = Duration::from_millis(500);

impl Meter {
    /// Begins to measure work on so many bytes; these ports get the line, too.
    pub fn start(title: &str, total_bytes: u64, ports: &[String]) -> Self {
        let names = consoles::all(ports);
        let consoles = names
            .iter()
            .filter_map(|name| consoles::open_to_write(name));
        Self {
            title: title.to_owned(),
            total_bytes,
            done_bytes: 0,
            started: Instant::now(),
            shown: None,
            consoles: consoles.collect(),
        }
    }

    /// So many more bytes are done.
    pub fn advance(&mut self, bytes: usize) {
        self.done_bytes += bytes as u64;
        let is_due = self.shown.is_none_or(|shown| shown.elapsed() >= INTERVAL);
        if is_due && self.done_bytes < self.total_bytes {
            self.shown = Some(Instant::now());
            self.show("");
        }
    }

    /// The work is done, or given up. Returns how long it took, with its rate.
    pub fn finish(mut self) -> String {
        self.show("\n");
        let elapsed = self.started.elapsed();
        format!(
            "{} in {}.{} s, {}/s",
            size(self.done_bytes),
            elapsed.as_secs(),
            elapsed.subsec_millis() / 100,
            size(per_second(self.done_bytes, elapsed))
        )
    }

    fn show(&mut self, end: &str) {
        let line = line(
            &self.title,
            self.done_bytes,
            self.total_bytes,
            self.started.elapsed(),
        );
        for console in &mut self.consoles {
            // What cannot be written to has no reader.
            let _ = write!(console, "\r{line}{end}");
        }
    }
}

/// Its last figure is padded, so that a shorter line covers a longer one.
fn line(title: &str, done_bytes: u64, total_bytes: u64, elapsed: Duration) -> String {
    let percent = (done_bytes * 100).checked_div(total_bytes).unwrap_or(100);
    let rate = per_second(done_bytes, elapsed);
    let rest = total_bytes.saturating_sub(done_bytes);
    let left = match rest.checked_div(rate) {
        _ if rest == 0 => String::new(),
        Some(seconds) => format!(", {} s left", seconds + 1),
        None => String::new(),
    };
    format!("{title}: {percent:3} % of {}{left:<16}", size(total_bytes))
}

fn per_second(bytes: u64, elapsed: Duration) -> u64 {
    let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    (bytes.saturating_mul(1000))
        .checked_div(milliseconds)
        .unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_and_how_long() {
        let four = Duration::from_secs(4);
        let at = |done| line("Copying", done, 800_000_000, four);
        assert_eq!(
            at(200_000_000).trim(),
            "Copying:  25 % of 800.0 MB, 13 s left"
        );
        assert_eq!(at(800_000_000).trim(), "Copying: 100 % of 800.0 MB");
        assert_eq!(at(0).trim(), "Copying:   0 % of 800.0 MB");
        assert_eq!(line("Empty", 0, 0, four).trim(), "Empty: 100 % of 0 B");
    }
}

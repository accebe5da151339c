//! Keys among the bytes of a terminal: what the cursor keys send, and what a terminal answers by itself,
//! is none.

use std::time::{Duration, Instant};

/// What a terminal has sent so far.
#[derive(Debug, Default)]
pub struct Keys(Option<(Sequence, Instant)>);

/// Where in a control sequence the last byte was (ECMA-48).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    /// Behind ESC.
    Escape,
    /// Behind ESC O: one letter follows (SS3; F1 on many terminals).
    OneLetter,
    /// Behind ESC [: what follows ends with a letter or the like.
    Control,
    /// Behind parameters of it.
    Parameters,
    /// A text that ends with BEL or ESC \: a terminal's answer.
    Text,
    /// Behind ESC in such a text.
    TextEscape,
}

/// Whoever presses Esc, and a key later than this, has pressed two keys. A slow line takes 10 ms for a
/// byte.
const SEQUENCE_PATIENCE: Duration = Duration::from_millis(300);

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

impl Keys {
    /// Takes a byte that came now, and gives it back where it is a key by itself.
    pub fn take(&mut self, byte: u8, now: Instant) -> Option<u8> {
        let last = self.0.filter(|(_, since)| {
            let age = now.saturating_duration_since(*since);
            age < SEQUENCE_PATIENCE
        });
        let Some((sequence, _)) = last else {
            let begins = (byte == ESC).then_some((Sequence::Escape, now));
            self.0 = begins;
            return begins.is_none().then_some(byte);
        };
        self.0 = sequence.next(byte).map(|sequence| (sequence, now));
        None
    }
}

impl Sequence {
    /// What it is with this byte; `None` where that was its last one.
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Text, BEL) | (Self::TextEscape, b'\\') | (Self::OneLetter, _) => None,
            (Self::Text | Self::TextEscape, ESC) => Some(Self::TextEscape),
            (Self::Text | Self::TextEscape, _) => Some(Self::Text),
            (_, ESC) => Some(Self::Escape),
            (Self::Escape, b'[') => Some(Self::Control),
            // ESC [ [ A is F1 on Linux's own screen.
            (Self::Escape, b'O') | (Self::Control, b'[') => Some(Self::OneLetter),
            (Self::Escape, b'P' | b'X' | b']' | b'^' | b'_') => Some(Self::Text),
            (Self::Escape, _) | (_, 0x40..=0x7e) => None,
            (Self::Control | Self::Parameters, _) => Some(Self::Parameters),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> String {
        let (mut keys, now) = (Keys::default(), Instant::now());
        let taken = bytes.iter().filter_map(|byte| keys.take(*byte, now));
        taken.map(char::from).collect()
    }

    #[test]
    fn a_letter_is_a_key_and_keeps_its_case() {
        assert_eq!(keys(b"rRb\r\n"), "rRb\r\n");
    }

    #[test]
    fn what_a_terminal_sends_for_other_keys_is_none() {
        for sequence in [
            "\x1b[B",            // cursor down
            "\x1bOB",            // the same, in application mode
            "\x1b[3~",           // Del
            "\x1b[1;5C",         // Ctrl and cursor right
            "\x1b[[B",           // F2 on the screen
            "\x1b[24;80R",       // where the cursor is
            "\x1b[?1;2c",        // what terminal it is
            "\x1b]11;rgb:0\x07", // its colour
            "\x1bP1$r0m\x1b\\",  // a setting
            "\x1b\x1b[b",        // Esc, then a key that is none
            "\x1bb",             // Alt and b
        ] {
            assert_eq!(keys(format!("{sequence}r").as_bytes()), "r", "{sequence:?}");
        }
    }

    #[test]
    fn a_key_long_after_esc_is_a_key() {
        let (mut keys, now) = (Keys::default(), Instant::now());
        assert_eq!(keys.take(ESC, now), None);
        assert_eq!(keys.take(b'b', now + SEQUENCE_PATIENCE), Some(b'b'));
        assert_eq!(keys.take(b'[', now + SEQUENCE_PATIENCE), Some(b'['));
    }
}

//! Names for people.

use std::fmt;

/// A path or a name as people read it: text stays text; what is no text, and what could drive a
/// terminal, is escaped as `\xNN`.
#[must_use]
pub fn shown(bytes: &[u8]) -> impl fmt::Display + '_ {
    Shown(bytes)
}

struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '\\' => formatter.write_str("\\\\")?,
                    _ if is_plain(letter) => write!(formatter, "{letter}")?,
                    _ => escape(letter.encode_utf8(&mut [0; 4]).as_bytes(), formatter)?,
                }
            }
            escape(chunk.invalid(), formatter)?;
        }
        Ok(())
    }
}

/// Neither a control character nor one that turns the direction of what follows.
fn is_plain(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{200E}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn escape(bytes: &[u8], formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(formatter, "\\x{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_and_everything_else_is_escaped() {
        for (bytes, text) in [
            (&b"etc/fstab"[..], "etc/fstab"),
            (
                "gr\u{fc}n/\u{65e5}\u{672c}".as_bytes(),
                "gr\u{fc}n/\u{65e5}\u{672c}",
            ),
            (b"a\xffb\n\x1b[31m", "a\\xffb\\x0a\\x1b[31m"),
            ("\u{9b}\u{202e}".as_bytes(), "\\xc2\\x9b\\xe2\\x80\\xae"),
            (b"back\\slash", "back\\\\slash"),
        ] {
            assert_eq!(shown(bytes).to_string(), text);
        }
    }
}

//! A plan as a page for a browser: one file that loads nothing and sends nothing.
//!
//! The only thing in it that comes from the root is one JSON document, which the script shows as
//! text. Its policy lets nothing run but that script, by its digest.

use crate::failure::Failure;
use crate::pipeline::Plan;
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::path::Path;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page. A file that is there is replaced when the new one is whole.
pub fn write_page(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let document = serde_json::to_string(plan).context("cannot make the page")?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let context = || format!("cannot write {}", path.display());
    // Only its owner may read it: it names the files of everybody.
    let file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).with_context(context)?;
    std::fs::write(file.path(), page(&document)).with_context(context)?;
    file.persist(path).with_context(context)?;
    Ok(())
}

/// The page around a JSON document.
fn page(document: &str) -> String {
    let parts = [
        ("@script-hash@", digest(SCRIPT)),
        ("@style-hash@", digest(STYLE)),
        ("@style@", STYLE.to_owned()),
        ("@script@", SCRIPT.to_owned()),
        ("@plan@", inert(document)),
    ];
    // From the left, so that nothing that was put in is looked at again.
    let mut page = String::new();
    let mut rest = PAGE;
    while let Some((at, name, text)) = next(rest, &parts) {
        page.push_str(&rest[..at]);
        page.push_str(text);
        rest = &rest[at + name.len()..];
    }
    page + rest
}

fn next<'a>(text: &str, parts: &'a [(&'a str, String)]) -> Option<(usize, &'a str, &'a str)> {
    let found = parts.iter();
    let found = found.filter_map(|(name, part)| Some((text.find(name)?, *name, part.as_str())));
    found.min()
}

/// JSON that no parser of HTML takes for markup.
fn inert(document: &str) -> String {
    document
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}

/// SHA-256 as a policy names it.
fn digest(text: &str) -> String {
    base64(&Sha256::digest(text))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * digit) & 63).unwrap_or_default();
            let filled = digit <= three.len();
            text.push(if filled {
                char::from(DIGITS[index])
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn nothing_from_outside_is_markup_or_loaded() {
        let hostile = r#"{"name":"</script><script>alert(1)</script><!-- @style@ &"}"#;
        let page = page(hostile);
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(!page.contains("alert(1)<"));
        assert!(page.contains("@style@ \\u0026"), "it was put in twice");
        assert!(page.contains(&format!("script-src 'sha256-{}'", digest(SCRIPT))));
        for loads in ["http:", "https:", "src=", "url(", "@import", "href="] {
            assert!(!page.contains(loads), "{loads}");
        }
    }
}

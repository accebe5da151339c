//! Module names.

/// The longest name there can be: the kernel's `MODULE_NAME_LEN` on 64 bits, without its NUL.
const NAME_LIMIT_BYTES: usize = 55;

/// What the kernel can unpack in a module's file name, and what nobody compressed.
const SUFFIXES: [&str; 4] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];

/// The name of the module in a file, with underscores: `nls_iso8859_1` for
/// `kernel/fs/nls/nls_iso8859-1.ko.zst`. `None` where the path is not a module's.
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = SUFFIXES
        .iter()
        .find_map(|suffix| file.strip_suffix(suffix))?;
    is_name(stem).then(|| normalized(stem))
}

/// A module name as `/proc/modules` prints it: with underscores.
pub fn normalized(name: &str) -> String {
    name.replace('-', "_")
}

/// A name becomes part of paths, and of lines of text.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_LIMIT_BYTES
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/')
        && !text.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_file_names() {
        let name = Some("nls_iso8859_1".to_owned());
        for suffix in SUFFIXES {
            assert_eq!(module_name(&format!("a/nls_iso8859-1{suffix}")), name);
        }
        assert_eq!(module_name("loop.ko"), Some("loop".to_owned()));
        for path in ["", "a/.ko", "loop", "lo op.ko", "loop.ko.lz4", "..ko"] {
            assert_eq!(module_name(path), None, "{path}");
        }
        assert_eq!(module_name(&format!("{}.ko", "x".repeat(56))), None);
    }
}

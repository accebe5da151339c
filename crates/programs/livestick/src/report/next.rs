//! What to do with an image that was made.

use crate::pipeline::Built;
use std::path::Path;

/// The commands to try next; none where the stick itself was made.
pub fn commands(built: &Built) -> Vec<String> {
    let Some(made) = built.outcome.as_ref().filter(|made| !made.image.is_device) else {
        return Vec::new();
    };
    let path = &made.image.path;
    let gibibytes = built.ram.least_bytes.div_ceil(1 << 30);
    let mut firmware = built.firmware.iter();
    let on_bios = firmware.any(|support| support.firmware == "BIOS" && support.loader.is_some());
    // QEMU starts a BIOS, unless it is given something else; this is where Debian's package `ovmf` has it.
    let firmware = if on_bios {
        ""
    } else {
        " -bios /usr/share/ovmf/OVMF.fd"
    };
    // In what QEMU is given, a comma ends a value.
    let drive = format!(
        "if=none,id=s,format=raw,snapshot=on,file={}",
        path.display().to_string().replace(',', ",,")
    );
    vec![
        format!(
            "try it: qemu-system-x86_64 -m {gibibytes}G{firmware} -usb -device usb-storage,drive=s -drive {}",
            quoted(&drive)
        ),
        format!(
            "write it to a stick: livestick write {} /dev/sdX   (`livestick devices` lists them)",
            quoted_path(path)
        ),
    ]
}

fn quoted_path(path: &Path) -> String {
    let text = path.display().to_string();
    // A name that looks like a flag must not be taken for one.
    match text.starts_with('-') {
        true => quoted(&format!("./{text}")),
        false => quoted(&text),
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_it_for_one_word() {
        assert_eq!(quoted("a/stick-1.img"), "a/stick-1.img");
        assert_eq!(quoted("my stick.img"), "'my stick.img'");
        assert_eq!(quoted("it's.img"), r"'it'\''s.img'");
        assert_eq!(quoted("$(reboot)"), "'$(reboot)'");
        assert_eq!(quoted_path(Path::new("-x.img")), "./-x.img");
    }
}

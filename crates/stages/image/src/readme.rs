//! The file `README.txt`.

/// The text for whoever finds the stick: what it is and how to make it plain storage again. `title`
/// is the name of the system on it, `tool` the program that made it. Its lines end as Windows wants
/// them, for the oldest of its editors.
#[must_use]
pub fn readme(title: &str, tool: &str) -> String {
    let underline = "=".repeat(title.chars().count());
    format!(
        "\
{title}
{underline}

This stick starts {title} on a computer. What you change while it runs is kept in
the computer's memory and is gone when it is switched off; the stick stays as it
is. It holds the files of the system that it was made from: whoever has the stick
can read them.

To start it
-----------

Plug the stick in, switch the computer on, and choose the stick in the menu of
boot devices (often F12, F11, F9, F8 or Esc right after switching on).

To check it
-----------

In this folder, on Linux:

    sha256sum -c SHA256SUMS

To make it plain storage again
------------------------------

This deletes everything on the stick.

Windows: start `diskpart` as administrator. `list disk` shows the stick's number,
which stands for N below:

    select disk N
    clean
    create partition primary
    format fs=exfat quick
    assign

macOS: in Disk Utility choose View, Show All Devices, then the stick itself, and
Erase it with the format ExFAT and the scheme Master Boot Record.

Linux, as root: `lsblk` shows the stick's name, which stands for sdX below:

    umount /dev/sdX1
    wipefs -a /dev/sdX
    echo type=c | sfdisk /dev/sdX
    mkfs.vfat /dev/sdX1

Made by {tool}.
"
    )
    .replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_for_every_reader_and_fit_a_terminal() {
        let text = readme("Debian GNU/Linux 12 (bookworm)", "livestick 0.1.0");
        assert!(text.starts_with("Debian GNU/Linux 12 (bookworm)\r\n====="));
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert!(text.ends_with("Made by livestick 0.1.0.\r\n"));
    }
}

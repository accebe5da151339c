//! Doing to the machine what a script says.

use crate::boot::Session;
use crate::drives::{plugged_again, stick_drive};
use crate::script::Action;
use crate::{Error, Machine};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;

/// Where a PC's screen is in text mode, in physical memory, and how much of it 80 × 25 characters take:
/// each is followed by its colour.
const TEXT_SCREEN_ADDRESS: u32 = 0xb_8000;
const TEXT_SCREEN_BYTES: usize = TEXT_COLUMNS * 25 * 2;
const TEXT_COLUMNS: usize = 80;

impl Session<'_> {
    pub(crate) fn perform(&mut self, machine: &Machine, action: Action) -> Result<(), Error> {
        match action {
            Action::Nothing => Ok(()),
            Action::Pull => self.pull(),
            Action::Plug => self.plug(machine),
            Action::Type(text) => {
                // Where QEMU is gone, its other connection says so.
                let _ = self.qemu.serial.write_all(text.as_bytes());
                Ok(())
            }
            Action::Press(key) => {
                let keys = key
                    .split('-')
                    .map(|key| json!({ "type": "qcode", "data": key }));
                let keys: Vec<_> = keys.collect();
                self.execute("send-key", json!({ "keys": keys })).map(drop)
            }
            Action::PowerButton => self.execute("system_powerdown", Value::Null).map(drop),
            Action::ReadScreen => self.read_screen(),
            Action::ReadFigures => {
                let figures = self.stick_stats()?;
                self.figures.push(figures);
                Ok(())
            }
        }
    }

    /// What was read until now is asked for first: QEMU forgets it with the drive.
    fn pull(&mut self) -> Result<(), Error> {
        let Some(name) = self.stick.clone() else {
            return Ok(());
        };
        let stats = self.stick_stats()?;
        self.execute("device_del", json!({ "id": name }))?;
        self.pulled_stats = stats;
        self.stick = None;
        Ok(())
    }

    fn plug(&mut self, machine: &Machine) -> Result<(), Error> {
        if self.stick.is_some() {
            return Ok(());
        }
        self.plugged_again += 1;
        let name = plugged_again(self.plugged_again);
        let drive = stick_drive(machine, &name);
        self.monitor(
            &format!("drive_add 0 {}", quoted(&drive.to_string_lossy())),
            "OK",
        )?;
        for device in machine.bus.devices(&name, 0, true) {
            self.monitor(&format!("device_add {device}"), "")?;
        }
        self.stick = Some(name);
        Ok(())
    }

    /// A command of QEMU's monitor for people: only that one can add a drive that keeps what is
    /// written to it in a temporary file. What it says must be as expected.
    fn monitor(&mut self, line: &str, expected: &str) -> Result<(), Error> {
        let command = "human-monitor-command";
        let answer = self.execute(command, json!({ "command-line": line }))?;
        let message = answer.as_str().unwrap_or_default().trim();
        if message == expected {
            return Ok(());
        }
        let message = format!("{line}: {message}");
        Err(Error::Protocol { command, message })
    }

    fn read_screen(&mut self) -> Result<(), Error> {
        let path = self.qemu.folder().join("screen.bin");
        let arguments = json!({
            "val": TEXT_SCREEN_ADDRESS,
            "size": TEXT_SCREEN_BYTES,
            "filename": path.to_string_lossy(),
        });
        self.execute("pmemsave", arguments)?;
        let what = "screen's memory";
        let memory = fs::read(path).map_err(|source| Error::Prepare { what, source })?;
        self.screens.push(screen_text(&memory));
        Ok(())
    }
}

/// The characters of a screen in text mode, line by line; what is no ASCII is a question mark.
fn screen_text(memory: &[u8]) -> String {
    let characters: Vec<_> = memory.chunks(2).map(character).collect();
    let lines = characters.chunks(TEXT_COLUMNS);
    let lines = lines.map(|line| line.iter().collect::<String>().trim_end().to_owned() + "\n");
    lines.collect()
}

fn character(cell: &[u8]) -> char {
    match cell.first() {
        None | Some(0) => ' ',
        Some(byte @ b' '..=b'~') => char::from(*byte),
        Some(_) => '?',
    }
}

/// A word of the monitor's, whatever is in it.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', r"\\").replace('"', r#"\""#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_lines_of_text() {
        let mut memory = vec![0; TEXT_SCREEN_BYTES];
        for (index, byte) in b"ab\xff".iter().enumerate() {
            memory[index * 2] = *byte;
            memory[2 * TEXT_COLUMNS + index * 2 + 1] = 7;
        }
        memory[2 * TEXT_COLUMNS] = b'c';
        let text = screen_text(&memory);
        assert_eq!(text.lines().take(2).collect::<Vec<_>>(), ["ab?", "c"]);
        assert_eq!(text.lines().count(), 25);
    }

    #[test]
    fn a_word_stays_one() {
        assert_eq!(quoted(r#"a "b\c"#), r#""a \"b\\c""#);
    }
}

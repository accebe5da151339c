//! The words of QEMU's control connection, the QEMU Machine Protocol.

use crate::BlockStats;
use serde_json::{Value, json};

/// A line that QEMU sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// The answer to the last command.
    Return(Value),
    /// The last command failed; why.
    Error(String),
    /// The guest stopped; why.
    Shutdown(String),
    /// Anything else: the greeting, other events.
    Other,
}

impl Message {
    pub(crate) fn parse(line: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(line) else {
            return Self::Other;
        };
        if let Some(answer) = value.get("return") {
            return Self::Return(answer.clone());
        }
        let text = |pointer| value.pointer(pointer).and_then(Value::as_str);
        if let Some(reason) = text("/error/desc") {
            return Self::Error(reason.to_owned());
        }
        match text("/event") {
            Some("SHUTDOWN") => {
                Self::Shutdown(text("/data/reason").unwrap_or("unknown").to_owned())
            }
            _ => Self::Other,
        }
    }
}

/// A command as it is sent.
pub(crate) fn command(name: &str, arguments: Value) -> String {
    let command = match arguments {
        Value::Null => json!({ "execute": name }),
        arguments => json!({ "execute": name, "arguments": arguments }),
    };
    format!("{command}\n")
}

/// The drive's figures in the answer to `query-blockstats`.
pub(crate) fn block_stats(answer: &Value, drive: &str) -> Option<BlockStats> {
    let mut drives = answer.as_array()?.iter();
    let drive = drives.find(|entry| entry.get("device").and_then(Value::as_str) == Some(drive))?;
    let figure = |name| drive.get("stats")?.get(name)?.as_u64();
    Some(BlockStats {
        bytes_read: figure("rd_bytes")?,
        bytes_written: figure("wr_bytes")?,
        read_requests: figure("rd_operations")?,
        write_requests: figure("wr_operations")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let parse = |line: &str| Message::parse(line.as_bytes());
        assert_eq!(parse(r#"{"QMP": {"version": {}}}"#), Message::Other);
        assert_eq!(parse(r#"{"return": {}}"#), Message::Return(json!({})));
        assert_eq!(
            parse(r#"{"error": {"class": "GenericError", "desc": "no"}}"#),
            Message::Error("no".to_owned())
        );
        assert_eq!(
            parse(r#"{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}"#),
            Message::Shutdown("guest-reset".to_owned())
        );
        assert_eq!(parse(r#"{"event": "STOP"}"#), Message::Other);
        assert_eq!(parse("no json"), Message::Other);
    }

    #[test]
    fn a_command_is_one_line() {
        assert_eq!(command("quit", Value::Null), "{\"execute\":\"quit\"}\n");
        let text = command("screendump", json!({ "filename": "a\nb" }));
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn the_figures_are_those_of_the_drive() {
        let answer = json!([
            { "device": "other", "stats": {} },
            { "device": "stick", "stats": {
                "rd_bytes": 1, "wr_bytes": 2, "rd_operations": 3, "wr_operations": 4 } },
        ]);
        let stats = block_stats(&answer, "stick").unwrap();
        assert_eq!((stats.bytes_read, stats.write_requests), (1, 4));
        assert_eq!(block_stats(&answer, "other"), None);
        assert_eq!(block_stats(&json!({}), "stick"), None);
    }
}

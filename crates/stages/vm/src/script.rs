//! What is done to a machine while it boots.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// One thing to do, and when. The steps of a script are done one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it is done, once the step before it has been.
    pub when: When,
    /// What is done.
    pub action: Action,
}

/// When a step is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// As soon as the serial console shows this text, on one line. A rescue screen or the like that is
    /// waited for so does not end the boot.
    Shown(String),
    /// So long after the step before it, or after power-on.
    After(Duration),
}

/// What can be done to a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: that the text was shown is all that matters.
    Nothing,
    /// The stick is pulled out, without a word to the guest before. Only USB can.
    Pull,
    /// The stick is plugged in again.
    Plug,
    /// These characters come in on the serial port.
    Type(String),
    /// A key is pressed on the keyboard, by QEMU's name for it: `b`, `ret`, `ctrl-alt-delete`.
    Press(String),
    /// The button is pressed that asks the system to switch itself off.
    PowerButton,
    /// What the screen shows in text mode is kept for the report.
    ReadScreen,
    /// What was read from the stick until now is kept for the report.
    ReadFigures,
}

impl Step {
    /// The action, once the text was shown.
    #[must_use]
    pub fn shown(text: impl Into<String>, action: Action) -> Self {
        let when = When::Shown(text.into());
        Self { when, action }
    }

    /// The action, so many seconds after the step before.
    #[must_use]
    pub fn after(seconds: u64, action: Action) -> Self {
        let when = When::After(Duration::from_secs(seconds));
        Self { when, action }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.when {
            When::Shown(text) => write!(formatter, "{:?}, when {text:?} is shown", self.action),
            When::After(delay) => write!(formatter, "{:?}, {delay:?} later", self.action),
        }
    }
}

/// A script that is under way. All times are since power-on.
#[derive(Debug)]
pub(crate) struct Progress {
    left: VecDeque<Step>,
    /// When the last step was due.
    since: Duration,
    due: Vec<Action>,
}

impl Progress {
    pub(crate) fn new(steps: &[Step]) -> Self {
        Self {
            left: steps.iter().cloned().collect(),
            since: Duration::ZERO,
            due: Vec::new(),
        }
    }

    /// Looks at what the console's last line is so far, after each of its bytes; whether this is what
    /// the next step waited for.
    pub(crate) fn see(&mut self, line: &[u8], now: Duration) -> bool {
        let waits_for = |step: &Step| match &step.when {
            When::Shown(text) => line.ends_with(text.as_bytes()),
            When::After(_) => false,
        };
        let shown = self.left.front().is_some_and(waits_for);
        if shown {
            self.go_on(now);
        }
        shown
    }

    /// What is to be done now, in order.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<Action> {
        while let Some(Step {
            when: When::After(delay),
            ..
        }) = self.left.front()
        {
            let due = self.since.saturating_add(*delay);
            if due > now {
                break;
            }
            self.go_on(due);
        }
        std::mem::take(&mut self.due)
    }

    /// Whether every step was done.
    pub(crate) fn is_over(&self) -> bool {
        self.left.is_empty() && self.due.is_empty()
    }

    /// What the next step waits for, where there is one.
    pub(crate) fn next(&self) -> Option<&Step> {
        self.left.front()
    }

    fn go_on(&mut self, now: Duration) {
        self.since = now;
        self.due
            .extend(self.left.pop_front().map(|step| step.action));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn steps_are_done_one_after_another() {
        let steps = [
            Step::shown("login: ", Action::Pull),
            Step::after(5, Action::Plug),
            Step::shown("# ", Action::PowerButton),
        ];
        let mut script = Progress::new(&steps);
        assert!(!script.see(b"# ", seconds(1)), "it is not its turn");
        assert!(script.see(b"stick login: ", seconds(2)));
        assert_eq!(script.take_due(seconds(3)), [Action::Pull]);
        assert!(!script.see(b"# ", seconds(4)), "it is not its turn");
        assert_eq!(script.take_due(seconds(6)), []);
        assert_eq!(script.take_due(seconds(7)), [Action::Plug]);
        assert!(!script.is_over());
        assert!(script.see(b"root@stick:~# ", seconds(8)));
        assert!(!script.is_over(), "the last step is still to be done");
        assert_eq!(script.take_due(seconds(8)), [Action::PowerButton]);
        assert!(script.is_over());
    }

    #[test]
    fn the_first_delay_counts_from_power_on() {
        let mut script =
            Progress::new(&[Step::after(2, Action::Pull), Step::after(2, Action::Plug)]);
        assert_eq!(script.take_due(seconds(1)), []);
        assert_eq!(script.take_due(seconds(9)), [Action::Pull, Action::Plug]);
    }
}

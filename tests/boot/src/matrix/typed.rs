//! What a person does at a machine, as steps of a script.

use livestick_vm::{Action, Step};

/// Logs in on the serial port, as the recipes of the test roots let one.
pub(super) fn log_in() -> Vec<Step> {
    vec![
        Step::shown("login: ", Action::Nothing),
        typed("root"),
        Step::shown("assword: ", Action::Nothing),
        typed("livestick"),
        Step::shown("# ", Action::Nothing),
    ]
}

/// Types a command at a shell that waits, and waits for what it must print and for the next prompt.
/// The terminal shows the command, too, so `shown` must not stand in it.
pub(super) fn command(command: &str, shown: &str) -> Vec<Step> {
    assert!(!command.contains(shown), "the terminal shows `{command}`");
    vec![
        typed(command),
        Step::shown(shown, Action::Nothing),
        Step::shown("# ", Action::Nothing),
    ]
}

/// A line, a moment after whatever asked for it: a prompt is shown before the terminal is set.
pub(super) fn typed(line: &str) -> Step {
    Step::after(1, Action::Type(format!("{line}\n")))
}

/// The stick is pulled out as soon as `/init` has started, and plugged in after so many seconds.
pub(super) fn plugged_in_after(seconds: u64) -> Vec<Step> {
    vec![pulled_at_once(), Step::after(seconds, Action::Plug)]
}

/// The loader had the stick; `/init` does not.
pub(super) fn pulled_at_once() -> Step {
    Step::shown("livestick: init uptime=", Action::Pull)
}

/// The stick is plugged in only after `/init` has found this to say of a disk inside the machine.
pub(super) fn plugged_in_behind(verdict: &str) -> Vec<Step> {
    vec![
        pulled_at_once(),
        Step::shown(verdict, Action::Nothing),
        Step::after(2, Action::Plug),
    ]
}

/// The stick is pulled out a moment after this work on it began, and plugged in again at the rescue
/// screen.
pub(super) fn pulled_while(work: &str) -> Vec<Step> {
    let mut steps = vec![
        Step::shown(work, Action::Nothing),
        Step::after(2, Action::Pull),
    ];
    steps.extend(rescue_screen());
    steps.push(Step::after(0, Action::Plug));
    steps
}

/// The rescue screen, from its reason to the last of its keys.
pub(super) fn rescue_screen() -> Vec<Step> {
    [
        "livestick: rescue: ",
        FIRST_LINE,
        "Plug the right stick in to go on, or press",
        "  b  to reboot",
    ]
    .map(|text| Step::shown(text, Action::Nothing))
    .to_vec()
}

/// The rescue screen where no stick helps.
pub(super) fn last_screen() -> Vec<Step> {
    let mut steps = rescue_screen();
    steps.remove(2);
    steps
}

/// A key of the rescue screen, on the serial port.
pub(super) fn key(key: char) -> Step {
    Step::after(1, Action::Type(key.to_string()))
}

/// What stands before the reason on the rescue screen.
pub(super) const FIRST_LINE: &str = "Cannot boot: ";

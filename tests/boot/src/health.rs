//! Whether a boot went as it should.

use livestick_vm::{Ending, Report};

/// What is wrong with a boot that should have come up: nothing is how it should be.
#[must_use]
pub fn problems(report: &Report) -> Vec<String> {
    if report.ending != Ending::Reached {
        return vec![report.ending.to_string()];
    }
    let mut problems = Vec::new();
    let mut expect = |is_so: bool, problem: String| {
        if !is_so {
            problems.push(problem);
        }
    };
    expect(
        report.login_prompt.is_some(),
        "there was no login prompt".to_owned(),
    );
    let written = report.stick.bytes_written;
    expect(
        written == 0,
        format!("{written} bytes were written to the stick"),
    );
    let Some(beacon) = &report.beacon else {
        problems.push("the system did not report its state".to_owned());
        return problems;
    };
    expect(
        beacon.state == "running",
        format!("the system is `{}`, not `running`", beacon.state),
    );
    let failed = beacon.failed_units.join(", ");
    expect(failed.is_empty(), format!("units failed: {failed}"));
    let root = &beacon.root_options;
    expect(
        root.split(',').any(|option| option == "rw"),
        format!("the root is mounted `{root}`, not read-write"),
    );
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_vm::{Accelerator, Beacon, BlockStats};
    use std::time::Duration;

    fn report() -> Report {
        Report {
            ending: Ending::Reached,
            elapsed: Duration::from_secs(9),
            init_started: None,
            hand_over: None,
            login_prompt: Some(Duration::from_secs(8)),
            beacon: Some(Beacon {
                state: "running".to_owned(),
                failed_units: Vec::new(),
                root_options: "rw,relatime".to_owned(),
                complete: true,
            }),
            rescue: None,
            waited_for: None,
            stick: BlockStats::default(),
            disks: Vec::new(),
            figures: Vec::new(),
            screens: Vec::new(),
            serial_log: String::new(),
            screenshot: None,
            accelerator: Accelerator::Tcg,
        }
    }

    fn with(change: impl FnOnce(&mut Report, &mut Beacon)) -> Vec<String> {
        let mut report = report();
        let mut beacon = report.beacon.take().unwrap();
        change(&mut report, &mut beacon);
        report.beacon = Some(beacon);
        problems(&report)
    }

    #[test]
    fn a_good_boot_has_no_problem() {
        assert_eq!(problems(&report()), [""; 0]);
    }

    #[test]
    fn each_problem_is_named() {
        assert_eq!(
            with(|report, _| report.login_prompt = None),
            ["there was no login prompt"]
        );
        assert_eq!(
            with(|report, _| report.stick.bytes_written = 512),
            ["512 bytes were written to the stick"]
        );
        assert_eq!(
            with(|_, beacon| beacon.state = "degraded".to_owned()),
            ["the system is `degraded`, not `running`"]
        );
        assert_eq!(
            with(|_, beacon| beacon.failed_units.push("a.service".to_owned())),
            ["units failed: a.service"]
        );
        assert_eq!(
            with(|_, beacon| beacon.root_options = "ro,relatime".to_owned()),
            ["the root is mounted `ro,relatime`, not read-write"]
        );
        let silent = Report {
            beacon: None,
            ..report()
        };
        assert_eq!(problems(&silent), ["the system did not report its state"]);
        let late = Report {
            ending: Ending::TimedOut,
            ..report()
        };
        assert_eq!(problems(&late), [Ending::TimedOut.to_string()]);
    }
}

//! The page of a plan, opened in a browser: the script runs under its own policy, the map is drawn, and
//! a place in it can be gone to.

use crate::support::{bare_root, livestick, scratch, write};
use std::path::Path;
use std::process::Command;

/// Whether there is a browser; a test without one says so and ends, and in CI it fails.
fn has_browser() -> bool {
    let found = Command::new("chromium").arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "chromium is missing");
        eprintln!("skipped: chromium is missing; `cargo xtask setup` installs it");
    }
    found
}

/// What the page has become once its script has run, and what the browser said of it.
fn opened(page: &Path, place: &str) -> (String, String) {
    let profile = scratch();
    let mut data = std::ffi::OsString::from("--user-data-dir=");
    data.push(profile.path());
    let run = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=2000"])
        .args(["--window-size=1200,1000", "--dump-dom"])
        .arg(data)
        .arg(format!("file://{}{place}", page.display()))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said: Vec<_> = text(&run.stderr)
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .map(str::to_owned)
        .collect();
    (text(&run.stdout), said.join("\n"))
}

#[test]
fn the_map_is_drawn_and_can_be_gone_into() {
    if !has_browser() {
        return;
    }
    let (root, out) = (bare_root(), scratch());
    write(
        root.path(),
        "usr/bin/<b>large",
        "words and words ".repeat(10_000),
    );
    write(root.path(), "usr/bin/other", "more words ".repeat(10_000));
    write(
        root.path(),
        "home/me/.netrc",
        "machine a login b password correct-horse\n",
    );
    let page = out.path().join("plan.html");
    let mut plan = livestick();
    plan.arg("plan").arg(root.path()).arg("--html").arg(&page);
    assert_eq!(plan.output().unwrap().status.code(), Some(3));

    let (top, said) = opened(&page, "");
    assert_eq!(said, "");
    for shown in [
        "<h1 id=\"title\">Test 1</h1>",
        "class=\"tile directory\"",
        "aria-label=\"usr: ",
        "/home/me/.netrc:1",
        "refused",
    ] {
        assert!(top.contains(shown), "{shown}");
    }
    assert!(!top.contains("correct-horse"));

    let (below, said) = opened(&page, "#directories/usr/bin");
    assert_eq!(said, "");
    assert!(below.contains("aria-current=\"location\">bin</button>"));
    assert!(below.contains("aria-label=\"other: "));
    assert!(
        below.contains("&lt;b&gt;large"),
        "a name was taken for markup"
    );
}

//! `livestick plan`, and `build --dry-run`: everything is told, and nothing is written.

use crate::support::{
    assert_empty, assert_fails, bare_root, build, debian, livestick, root_with_kernel, scratch,
    write,
};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Output;

fn plan(root: &Path, more: &[&str]) -> Output {
    let mut command = livestick();
    command
        .arg("plan")
        .arg(root)
        .args(["-z", "zstd:1"])
        .args(more);
    command.output().unwrap()
}

fn document(run: &Output) -> Value {
    let said = String::from_utf8_lossy(&run.stderr);
    serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// A root with something in it that should not be given away.
fn root_with_secret() -> tempfile::TempDir {
    let root = bare_root();
    write(
        root.path(),
        "home/me/.netrc",
        "machine a login b password correct-horse\n",
    );
    root
}

#[test]
fn a_root_that_cannot_boot_is_looked_over_all_the_same() {
    let root = bare_root();
    let run = plan(root.path(), &["--json"]);
    assert_fails(&run, 3, &["there is no kernel", "linux-image-amd64"]);
    let plan = document(&run);
    assert_eq!(plan["title"], "Test 1");
    assert!(
        plan["refusal"]["reason"]
            .as_str()
            .unwrap()
            .contains("no kernel")
    );
    assert!(plan["kernel"].is_null() && plan["estimate"]["image_bytes"].is_null());
    assert!(plan["estimate"]["root_image_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_plan_says_what_a_build_makes() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let planned = document(&plan(root.path(), &["--json"]));
    let image = out.path().join("s.img");
    let built = document(&build(root.path(), &image, &["--json"]));
    assert_eq!(planned["kernel"], built["kernel"]);
    assert_eq!(planned["root"], built["root"]);
    assert_eq!(
        planned["initramfs"]["modules"],
        built["initramfs"]["modules"]
    );
    let near = |estimate: &Value, truth: &Value| {
        let (estimate, truth) = (estimate.as_u64().unwrap(), truth.as_u64().unwrap());
        assert!(
            estimate.abs_diff(truth) * 10 <= truth,
            "{estimate}, not {truth}"
        );
    };
    // The times in it are those of its making.
    near(&planned["initramfs"]["bytes"], &built["initramfs"]["bytes"]);
    near(
        &planned["estimate"]["root_image_bytes"],
        &built["squashfs"]["bytes"],
    );
    near(
        &planned["estimate"]["image_bytes"],
        &built["image"]["bytes"],
    );
    let top = &planned["sizes"]["directories"];
    assert_eq!(top["bytes"], planned["root"]["bytes"]);
}

#[test]
fn a_dry_run_is_a_plan_that_knows_its_image() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let image = out.path().join("s.img");
    let run = build(root.path(), &image, &["--dry-run", "--json"]);
    assert!(run.status.success());
    assert!(document(&run)["sizes"]["directories"]["entries"].is_array());
    assert_empty(out.path());
    fs::write(&image, "").unwrap();
    let run = build(root.path(), &image, &["--dry-run"]);
    assert_fails(&run, 3, &["s.img", "hint: "]);
}

#[test]
fn secrets_are_told_but_not_shown_and_fail_only_an_audit() {
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    write(
        root.path(),
        "home/me/.netrc",
        "machine a login b password correct-horse\n",
    );
    let run = plan(root.path(), &["--json"]);
    assert!(run.status.success());
    let said = [&run.stdout[..], &run.stderr[..]].concat();
    assert!(!String::from_utf8_lossy(&said).contains("correct-horse"));
    let findings = document(&run)["audit"]["findings"].clone();
    // The root of these tests has a password.
    let rules = findings.as_array().unwrap().iter();
    let rules: Vec<_> = rules
        .filter(|found| found["rule"] != "password-hash")
        .collect();
    assert_eq!(rules.len(), 1, "{findings}");
    assert_eq!(rules[0]["rule"], "netrc");
    assert_eq!(rules[0]["path"], "home/me/.netrc");

    assert_fails(&plan(root.path(), &["--audit"]), 5, &["1 high", "hint: "]);
    for allowed in [
        &["--allow-secret", "home/me/.netrc"],
        &["--allow-secret", "netrc"],
        &["--exclude", "home/me/.netrc"],
    ] {
        let audit = ["--audit", "--allow-secret", "password-hash"];
        let run = plan(root.path(), &[&audit, &allowed[..]].concat());
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success(), "{said}");
    }
    let run = plan(root.path(), &["--allow-secret", "no/such/file"]);
    assert!(String::from_utf8_lossy(&run.stderr).contains("`no/such/file` allowed nothing"));
    assert_fails(&plan(root.path(), &["--allow-secret", "["]), 2, &["`[`"]);
}

#[test]
fn a_stock_root_has_no_secret_but_the_password_that_was_set() {
    let Some(debian) = debian() else { return };
    let run = plan(&debian, &["--json", "--skip-unreadable"]);
    let findings = document(&run)["audit"]["findings"].clone();
    let rules: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .filter(|rule| *rule != "password-hash")
        .collect();
    assert!(rules.is_empty(), "{findings}");
}

#[test]
fn the_page_is_written_whole_and_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let (root, out) = (root_with_secret(), scratch());
    let page = out.path().join("plan.html");
    let run = plan(root.path(), &["--html", page.to_str().unwrap()]);
    assert_eq!(run.status.code(), Some(3));
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("\"title\":\"Test 1\"") && text.ends_with("</html>\n"));
    assert_eq!(
        fs::metadata(&page).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let run = plan(root.path(), &["--html", "/nonexistent/plan.html"]);
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn the_guide_lists_the_rules_that_there_are() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/plan.md");
    let guide = fs::read_to_string(guide).unwrap();
    let rules = livestick_survey::Rules::builtin().unwrap();
    let rows = guide.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<_> = rows.filter(|row| row.matches('|').count() >= 5).collect();
    let expected: Vec<_> = rules.all().iter().map(row).collect();
    assert_eq!(rows, expected);
}

fn row(rule: &livestick_survey::Rule) -> String {
    let paths: Vec<_> = rule.paths.iter().map(|path| format!("`{path}`")).collect();
    let places = match paths.is_empty() {
        true => "in any text".to_owned(),
        false => paths.join(", "),
    };
    let (name, severity) = (&rule.name, rule.severity.name());
    format!("| `{name}` | {severity} | {} | {places} |", rule.title)
}

#[test]
fn the_rules_are_listed_with_what_is_in_force() {
    let list = |more: &[&str]| {
        let run = livestick()
            .args(["plan", "--rules", "--json"])
            .args(more)
            .output();
        document(&run.unwrap())
    };
    let in_force = |rules: &Value, name: &str| {
        let rules = rules.as_array().unwrap();
        let rule = rules.iter().find(|rule| rule["name"] == name).unwrap();
        rule["in_force"] == true
    };
    let clone = list(&["--keep", "swap"]);
    assert!(in_force(&clone, "fstab"));
    assert!(!in_force(&clone, "swap"));
    assert!(!in_force(&clone, "credentials"));
    assert!(in_force(&list(&["--generic"]), "credentials"));
}

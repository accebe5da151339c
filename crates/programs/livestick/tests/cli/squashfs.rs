//! `livestick squashfs` as people and scripts use it, with `unsquashfs` as the judge.

use crate::support::{assert_empty, assert_fails, livestick, scratch, write};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A small directory with a bit of everything that needs no rights.
fn source() -> tempfile::TempDir {
    let source = scratch();
    for directory in ["bin", "etc/deep", "proc"] {
        fs::create_dir_all(source.path().join(directory)).unwrap();
    }
    write(source.path(), "bin/program", [7; 300_000]);
    write(source.path(), "etc/deep/one", "one\n");
    write(source.path(), "etc/two.pyc", "two\n");
    write(source.path(), "proc/left", "x");
    std::os::unix::fs::symlink("../bin/program", source.path().join("etc/link")).unwrap();
    fs::hard_link(
        source.path().join("etc/deep/one"),
        source.path().join("etc/same"),
    )
    .unwrap();
    source
}

fn create(source: &Path, image: &Path, more: &[&str]) -> Output {
    let mut command = livestick();
    command.args(["squashfs", "create"]).arg(source).arg(image);
    command.args(more).output().unwrap()
}

#[track_caller]
fn assert_done(run: &Output) {
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}

/// What `unsquashfs -lln` says of an image: a line for each path.
#[track_caller]
fn listing(image: &Path) -> String {
    let run = Command::new("unsquashfs")
        .args(["-lln", "-d", ""])
        .arg(image)
        .output()
        .unwrap();
    assert_done(&run);
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn an_image_holds_the_directory() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    assert_done(&create(source.path(), &image, &[]));
    let back = out.path().join("back");
    let unpacked = Command::new("unsquashfs")
        .args(["-quiet", "-no-progress", "-d"])
        .args([&back, &image])
        .output();
    assert_done(&unpacked.unwrap());
    let compared = Command::new("diff")
        .args(["-r", "--no-dereference"])
        .args([source.path(), &back])
        .output();
    assert_done(&compared.unwrap());
}

#[test]
fn habits_and_our_own_spelling_give_the_same_bytes() {
    let (source, out) = (source(), scratch());
    let (ours, habit) = (out.path().join("ours"), out.path().join("habit"));
    let list = out.path().join("list");
    fs::write(&list, "# what nobody needs\n\n... *.pyc\n").unwrap();
    let list = list.to_str().unwrap();
    let run = |image: &Path, more: &[&str]| {
        let mut command = livestick();
        command.env("SOURCE_DATE_EPOCH", "1000000000");
        command.args(["squashfs", "create"]).arg(source.path());
        let run = command.arg(image).args(more).output().unwrap();
        assert_done(&run);
        fs::read(image).unwrap()
    };
    let spelled = [
        "-z",
        "gzip:9",
        "-b",
        "64K",
        "-j",
        "1",
        "--exclude-from",
        list,
        "--all-root",
        "-x",
        "proc",
    ];
    let typed = [
        "-comp",
        "gzip",
        "-Xcompression-level",
        "9",
        "-b",
        "65536",
        "-processors",
        "2",
        "-ef",
        list,
        "-all-root",
        "-noappend",
        "-wildcards",
        "-no-progress",
        "-e",
        "proc",
    ];
    assert!(run(&ours, &spelled) == run(&habit, &typed));
    let listing = listing(&ours);
    assert!(listing.contains("/etc/deep/one"), "{listing}");
    assert!(
        !listing.contains("pyc") && !listing.contains("/proc"),
        "{listing}"
    );
    let owners = listing
        .lines()
        .filter(|line| line.contains(" 0/0 "))
        .count();
    assert_eq!(owners, listing.lines().count(), "{listing}");
}

#[test]
fn files_are_added_and_owners_forced() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    let more = [
        "--force-uid",
        "12",
        "--force-gid",
        "34",
        "--add",
        "dev d 755 0 0",
        "--add",
        "dev/null c 666 0 0 1 3",
        "--add",
        "lib l 777 0 0 usr/lib",
    ];
    assert_done(&create(source.path(), &image, &more));
    let listing = listing(&image);
    for words in ["crw-rw-rw- 12/34", "1,  3", "/lib -> usr/lib", "/dev/null"] {
        assert!(listing.contains(words), "`{words}` is not in {listing}");
    }
}

#[test]
fn a_pipe_takes_an_image_only_through_a_spool() {
    let (source, out) = (source(), scratch());
    let refused = create(source.path(), Path::new("-"), &[]);
    assert_fails(&refused, 3, &["standard output", "--spool"]);
    assert!(refused.stdout.is_empty());
    let spooled = create(source.path(), Path::new("-"), &["--spool"]);
    assert_done(&spooled);
    let image = out.path().join("image");
    fs::write(&image, &spooled.stdout).unwrap();
    assert!(listing(&image).contains("/bin/program"));

    // A file that the shell opened is written in place.
    let direct = out.path().join("direct");
    let mut command = livestick();
    command
        .args(["squashfs", "create"])
        .arg(source.path())
        .arg("-");
    let run = command
        .stdout(Stdio::from(File::create(&direct).unwrap()))
        .output();
    assert_done(&run.unwrap());
    assert!(listing(&direct).contains("/bin/program"));
}

#[test]
fn the_report_counts() {
    let (source, out) = (source(), scratch());
    write(source.path(), "bin/again", [7; 300_000]);
    let run = create(
        source.path(),
        &out.path().join("image"),
        &["--json", "--quiet"],
    );
    assert_done(&run);
    assert!(run.stderr.is_empty());
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["counts"]["files"], 5);
    assert_eq!(report["counts"]["directories"], 5);
    assert_eq!(report["counts"]["hard_links"], 1);
    assert_eq!(report["duplicate_files"], 1);
    assert_eq!(report["duplicate_bytes"], 300_000);
    let length = fs::metadata(out.path().join("image")).unwrap().len();
    assert_eq!(report["bytes"], length);
}

#[test]
fn a_dry_run_foresees_the_image_and_makes_nothing() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    let run = create(
        source.path(),
        &image,
        &["--dry-run", "--json", "--all-root"],
    );
    assert_done(&run);
    assert_empty(out.path());
    let foreseen: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(
        said.contains("nothing was made; it would be about"),
        "{said}"
    );

    assert_done(&create(source.path(), &image, &["--all-root"]));
    // All of so little is the sample.
    assert_eq!(
        foreseen["estimated_bytes"],
        fs::metadata(&image).unwrap().len()
    );
    assert_eq!(foreseen["counts"]["hard_links"], 1);
    assert_fails(
        &create(source.path(), &image, &["--dry-run"]),
        3,
        &["exists"],
    );
}

#[test]
fn what_is_wrong_is_told_and_leaves_nothing() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    for (more, code, words) in [
        (&["-z", "lzo"][..], 2, &["lzo"][..]),
        (
            &["-z", "gzip:3", "-Xcompression-level", "9"],
            2,
            &["gzip:3"],
        ),
        (&["-b", "100"], 2, &["--block-size `100`"]),
        (
            &["--exclude-from", "/nonexistent/list"],
            2,
            &["/nonexistent/list"],
        ),
        (&["--add", "a/b d 755 0 0"], 2, &["no directory a"]),
        (&["--add", "etc d 755 0 0"], 2, &["cannot add etc"]),
    ] {
        assert_fails(&create(source.path(), &image, more), code, words);
        assert_empty(out.path());
    }
    let missing = create(Path::new("/nonexistent"), &image, &[]);
    assert_fails(&missing, 3, &["/nonexistent"]);
    let both = create(source.path(), Path::new("-"), &["--json"]);
    assert_fails(&both, 2, &["standard output"]);
    fs::write(&image, "mine").unwrap();
    assert_fails(
        &create(source.path(), &image, &[]),
        3,
        &["exists", "--force"],
    );
    assert_eq!(fs::read(&image).unwrap(), b"mine");
    // It is called what it was called, whether it is new or replaced.
    let mut command = livestick();
    command.current_dir(out.path()).args(["squashfs", "create"]);
    command
        .arg(source.path())
        .args(["image", "--force", "--json"]);
    let replaced = command.output().unwrap();
    assert_done(&replaced);
    let report: serde_json::Value = serde_json::from_slice(&replaced.stdout).unwrap();
    assert_eq!(report["path"], "image");
}

/// What is wrong is named as it was typed, and the hint is of use.
#[test]
fn words_from_elsewhere_are_told_from_ours() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    for habit in ["-Xbcj", "-no-fragments", "-xattrs-include"] {
        let run = create(source.path(), &image, &[habit, "x86"]);
        assert_fails(&run, 2, &[&format!("`{habit}` is not"), "docs/squashfs.md"]);
    }
    let leveled = create(source.path(), &image, &["-Xcompression-level", "5"]);
    assert_done(&leveled);
    assert!(String::from_utf8_lossy(&leveled.stderr).contains("zstd:5"));
    let full = create(source.path(), Path::new("/dev/full"), &["--force"]);
    assert_fails(&full, 3, &["/dev/full is not a file", "standard output"]);
    assert!(!String::from_utf8_lossy(&full.stderr).contains("--to"));
    let file = source.path().join("etc/two.pyc");
    let path = file.to_str().unwrap();
    let extracted = squashfs(&["extract", image.to_str().unwrap(), "-d", path]);
    assert_fails(
        &extracted,
        3,
        &[&format!("cannot extract into {path}"), "Not a directory"],
    );
}

#[test]
fn the_image_itself_is_left_out_of_its_source() {
    let source = source();
    let image = source.path().join("image");
    assert_done(&create(source.path(), &image, &[]));
    assert!(!listing(&image).contains("/image"));
}

/// Runs `livestick squashfs` with these words.
fn squashfs(words: &[&str]) -> Output {
    let mut command = livestick();
    command.arg("squashfs").args(words).output().unwrap()
}

#[test]
fn an_image_is_listed_and_extracted() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    assert_done(&create(source.path(), &image, &["-z", "xz"]));
    let image = image.to_str().unwrap();
    let text = |run: Output| {
        assert_done(&run);
        String::from_utf8(run.stdout).unwrap()
    };
    let paths = text(squashfs(&["list", image, "etc"]));
    assert_eq!(
        paths,
        "etc\netc/deep\netc/deep/one\netc/link\netc/same\netc/two.pyc\n"
    );
    let long = text(squashfs(&["list", "-l", image, "/etc/link"]));
    assert!(long.starts_with("lrwxrwxrwx "), "{long}");
    assert!(long.ends_with(" etc/link -> ../bin/program\n"), "{long}");
    let json = text(squashfs(&["list", "--json", image]));
    let files: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(files.as_array().unwrap().len(), 11);
    assert_eq!(files[2]["path"], "bin/program");
    assert_eq!(files[2]["bytes"], 300_000);

    let back = out.path().join("back");
    let extracted = squashfs(&["extract", image, "-d", back.to_str().unwrap()]);
    assert_done(&extracted);
    let compared = Command::new("diff")
        .args(["-r", "--no-dereference"])
        .args([source.path(), &back])
        .output();
    assert_done(&compared.unwrap());
    let again = squashfs(&["extract", image, "-d", back.to_str().unwrap()]);
    assert_fails(&again, 3, &["not empty", "--force"]);
    let some = out.path().join("some");
    let part = squashfs(&[
        "extract",
        image,
        "-d",
        some.to_str().unwrap(),
        "etc/d*",
        "nothing",
    ]);
    assert_done(&part);
    assert!(String::from_utf8_lossy(&part.stderr).contains("`nothing` matched nothing"));
    assert!(some.join("etc/deep/one").is_file() && !some.join("etc/same").exists());
}

/// It has no listing at all.
#[test]
fn an_image_of_nothing_is_listed_and_extracted() {
    let (source, out) = (scratch(), scratch());
    let (image, copy) = (out.path().join("image"), out.path().join("copy"));
    assert_done(&create(source.path(), &image, &[]));
    let (image, copy) = (image.to_str().unwrap(), copy.to_str().unwrap());
    let listed = squashfs(&["list", image]);
    assert_eq!(listed.stdout, b".\n");
    assert_done(&squashfs(&["extract", image, "-d", copy]));
    assert_eq!(fs::read_dir(copy).unwrap().count(), 0);
}

#[test]
fn damage_is_found_and_named() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    assert_done(&create(source.path(), &image, &["-z", "gzip"]));
    let path = image.to_str().unwrap();
    let good = squashfs(&["check", path]);
    assert_done(&good);
    assert!(good.stdout.is_empty());
    assert!(String::from_utf8_lossy(&good.stderr).contains("is good"));

    // The first block of data follows the superblock and the options; it begins as zlib has it.
    let mut bytes = fs::read(&image).unwrap();
    assert_eq!(bytes[106], 0x78);
    bytes[106] ^= 0x55;
    fs::write(&image, &bytes).unwrap();
    let damaged = squashfs(&["check", path]);
    assert_fails(&damaged, 4, &["is damaged", "cannot be read"]);
    assert!(String::from_utf8_lossy(&damaged.stdout).contains("/bin/program"));
    let json = squashfs(&["check", "--json", "--quiet", path]);
    assert_eq!(json.status.code(), Some(4));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&report["good"], &report["mountable"]),
        (&false.into(), &true.into())
    );

    let back = out.path().join("back");
    let extract = ["extract", path, "-d", back.to_str().unwrap()];
    let stopped = squashfs(&extract);
    assert_fails(
        &stopped,
        1,
        &["`bin/program` cannot be extracted", "--keep-going"],
    );
    let words = ["--force", "--keep-going", "--json"];
    let went_on = squashfs(&[&extract[..], &words[..]].concat());
    assert_fails(
        &went_on,
        4,
        &["warning: `bin/program` cannot be", "one thing"],
    );
    let report: serde_json::Value = serde_json::from_slice(&went_on.stdout).unwrap();
    assert_eq!(report["damaged_count"], 1);
    assert_eq!(fs::read(back.join("etc/two.pyc")).unwrap(), b"two\n");
    assert!(!back.join("bin/program").exists());

    fs::write(&image, "no image at all").unwrap();
    assert_fails(
        &squashfs(&["check", path]),
        4,
        &["the kernel would not mount it"],
    );
    assert_fails(&squashfs(&["list", path]), 3, &["SquashFS"]);
    let missing = squashfs(&["check", "/nonexistent"]);
    assert_fails(&missing, 3, &["/nonexistent"]);
}

#[test]
fn an_image_in_a_file_of_more_is_found_by_its_offset() {
    let (source, out) = (source(), scratch());
    let image = out.path().join("image");
    assert_done(&create(source.path(), &image, &[]));
    let mut bytes = vec![0; 12_345];
    bytes.extend(fs::read(&image).unwrap());
    fs::write(&image, &bytes).unwrap();
    let path = image.to_str().unwrap();
    assert_fails(&squashfs(&["list", path]), 3, &["SquashFS"]);
    assert_done(&squashfs(&["list", "--offset", "12345", path]));
    assert_done(&squashfs(&["check", "--offset", "12345", path]));
}

#[test]
fn a_tar_archive_becomes_an_image() {
    let (source, out) = (source(), scratch());
    for (archive, compress) in [("a.tar", "--no-auto-compress"), ("a.tar.xz", "--xz")] {
        let archive = out.path().join(archive);
        let packed = Command::new("tar")
            .args(["--create", compress, "--file"])
            .arg(&archive)
            .arg("--directory")
            .arg(source.path())
            .arg(".")
            .output();
        assert_done(&packed.unwrap());
        let (direct, image) = (out.path().join("direct"), out.path().join("image"));
        let run = |from: &Path, image: &Path| {
            let mut command = livestick();
            command.env("SOURCE_DATE_EPOCH", "1000000000");
            command.args(["squashfs", "create", "--force", "-x", "proc"]);
            assert_done(&command.arg(from).arg(image).output().unwrap());
            fs::read(image).unwrap()
        };
        assert!(run(source.path(), &direct) == run(&archive, &image));

        let mut command = livestick();
        command
            .args(["squashfs", "create", "--force", "-"])
            .arg(&image);
        let mut piped = Command::new("cat")
            .arg(&archive)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let run = command.stdin(piped.stdout.take().unwrap()).output();
        let run = run.unwrap();
        assert!(piped.wait().unwrap().success());
        assert_done(&run);
        assert!(listing(&image).contains("/etc/deep/one"));
        fs::write(&archive, &fs::read(&archive).unwrap()[..100]).unwrap();
        let cut = create(&archive, &image, &["--force"]);
        assert_fails(&cut, 1, &["as a tar archive"]);
    }
}

#[test]
fn the_order_of_files_is_the_callers() {
    let (source, out) = (source(), scratch());
    write(source.path(), "bin/noise", noise());
    let list = out.path().join("list");
    let list = list.to_str().unwrap();
    fs::write(list, "bin/noise 10\nno such file -5\n").unwrap();
    let image = out.path().join("image");
    let run = create(source.path(), &image, &["--sort", list]);
    assert_done(&run);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("`no such file`"), "{said}");
    let bytes = fs::read(&image).unwrap();
    let place = bytes
        .windows(64)
        .position(|window| window == &noise()[..64]);
    assert!(place.is_some_and(|place| place < 200), "{place:?}");
    fs::write(list, "bin/noise high\n").unwrap();
    let wrong = create(source.path(), &image, &["--sort", list, "--force"]);
    assert_fails(&wrong, 2, &["bin/noise high"]);
}

/// Bytes that cannot be compressed, and so are stored as they are.
fn noise() -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56).to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(200_000).collect()
}

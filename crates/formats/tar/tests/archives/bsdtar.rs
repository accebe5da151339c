//! Archives that libarchive's `bsdtar` makes.

use crate::support::compare::{Xattrs, assert_same};
use crate::support::fixture;
use crate::support::read::{has_tool, read_file};
use std::process::Command;

#[test]
fn every_format_of_bsdtar() {
    if !has_tool("bsdtar") {
        return;
    }
    for (format, is_pax) in [("pax", true), ("gnutar", false), ("ustar", false)] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        fixture::plain(&root);
        fixture::special(&root);
        fixture::long_names(&root, 50);
        let mut xattrs = Xattrs::Lost;
        if is_pax {
            fixture::long_links(&root);
            fixture::wide_numbers(&root);
            fixture::fractions(&root);
            fixture::sparse(&root);
            if fixture::xattrs(&root) {
                xattrs = Xattrs::Kept;
            }
        }
        let path = root.with_extension("tar");
        let status = Command::new("bsdtar")
            .arg(format!("--format={format}"))
            .arg("-cf")
            .arg(&path)
            .arg("-C")
            .arg(&root)
            .arg(".")
            .status()
            .unwrap();
        assert!(status.success(), "{format}");
        assert_same(&root, &read_file(&path).unwrap(), xattrs);
    }
}

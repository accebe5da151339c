//! How much is written. The only test of its process, which counts for it.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use livestick_blockio::{NoProgress, WriteAt};
use livestick_handoff::{Seal, Segments};
use livestick_image::{
    Contents, Existing, Facts, Identities, Initrd, Layout, Output, RootImage, Settings, Size,
    StickFile, Timestamp,
};
use std::fs;

/// All bytes that this process has written so far: proc_pid_io(5).
fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.unwrap().parse().unwrap()
}

/// What would cost a second pass over the stick, and half of its life: a spool file, a copy, zeros.
#[test]
fn everything_is_written_once() {
    const ROOT_BYTES: usize = 64 << 20;
    let directory = tempfile::tempdir().unwrap();
    let contents = Contents {
        files: vec![StickFile {
            path: "live/vmlinuz".to_owned(),
            bytes: vec![1; 8 << 20],
        }],
        initrd: Initrd {
            bytes: vec![2; 4 << 20],
            seal_offset: Seal::LENGTH_BYTES,
        },
        facts: Facts {
            kernel_release: "6".to_owned(),
            title: "Test".to_owned(),
            stores: vec![],
            workload: livestick_handoff::Workload::Console,
            tool: "livestick 0".to_owned(),
            options: vec![],
            origins: vec![],
        },
    };
    let settings = Settings {
        label: "LIVE".parse().unwrap(),
        timestamp: Timestamp::from_unix_seconds(0),
        identities: Identities::Random,
        boot_code: None,
    };
    let output = Output::create(&directory.path().join("stick.img"), Existing::Refuse).unwrap();
    let longest = Segments::new(1 << 30, 1 << 30).unwrap();
    let layout = Layout::plan(contents, Size::Fit, longest).unwrap();
    let before = written_bytes();
    let written = layout.write(
        output,
        &settings,
        |place| {
            place.write_all_at(&vec![3; ROOT_BYTES], 0)?;
            Ok(RootImage {
                length_bytes: ROOT_BYTES as u64,
                superblock: [3; 96],
            })
        },
        &NoProgress,
    );
    let measured = written_bytes() - before;
    let content = (ROOT_BYTES + (8 << 20) + (4 << 20)) as u64;
    assert_eq!(written.unwrap().written_bytes, measured);
    let overhead = measured - content;
    assert!(
        overhead * 200 < content,
        "{overhead} bytes besides the files"
    );
}

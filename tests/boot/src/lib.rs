//! What the tests of whole sticks share: making a stick of the test root with the program itself,
//! taking it apart with the field's own tools, comparing it with its source, and judging a boot.
//!
//! `cargo xtask test` sets three variables: `LIVESTICK_TEST_ROOT`, a root to make sticks of,
//! `LIVESTICK_TEST_STORAGE_ROOT`, one with LVM and RAID, and `LIVESTICK_BIN`, the program. Without
//! the roots these tests skip visibly, and fail in CI.

pub mod compare;
mod health;
pub mod matrix;
mod stick;

pub use health::problems;
pub use stick::{Mounted, Stick, build_folder, program, storage_root, test_root, tool};

//! The machine's RAM: whether it suffices, and swap space in it.

use crate::loader::Loader;
use crate::report::Report;
use livestick_handoff::{RamBudget, RamSize};
use std::path::Path;
use std::{fs, io};

/// How much RAM the machine has, in bytes.
pub fn total_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}

/// Says so where the machine has less RAM than the stick wants, or where changes could take more than
/// there is. `in_ram_bytes` of the root image are in RAM already.
pub fn check(budget: RamBudget, overlay: RamSize, in_ram_bytes: u64, report: &Report) {
    let total = total_bytes();
    for sentence in shortages(total, budget, overlay, in_ram_bytes) {
        report.notice(&sentence);
    }
}

fn shortages(
    total_bytes: u64,
    budget: RamBudget,
    overlay: RamSize,
    in_ram_bytes: u64,
) -> Vec<String> {
    let mut sentences = Vec::new();
    let needed = budget.least_bytes.saturating_add(in_ram_bytes);
    // A part of what is built in belongs to firmware and kernel.
    if total_bytes < needed {
        sentences.push(format!(
            "this computer has {} of RAM, and the stick needs {}: programs may be ended for lack of \
             memory",
            mebibytes(total_bytes),
            mebibytes(needed)
        ));
    }
    let left = budget.left_for_changes(total_bytes, in_ram_bytes, overlay);
    let limit = overlay.of(total_bytes);
    if left < limit {
        sentences.push(format!(
            "changes may take {}, and only {} of RAM are left for them: keep below that, or give \
             `overlay-size={}M`",
            mebibytes(limit),
            mebibytes(left),
            (left >> 20).max(1)
        ));
    }
    sentences
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Has the kernel keep what programs do not use right now compressed in RAM: swap space on a zram device
/// (`Documentation/admin-guide/blockdev/zram.rst`). A system runs without it just as well, if not as
/// long, so a failure is only reported.
pub fn compress(size: RamSize, loader: &Loader, report: &Report) {
    loader.load_now(&["lzo_rle", "zram"]);
    let length_bytes = size.of(total_bytes());
    match swap_on_zram(Path::new(ZRAM), length_bytes) {
        Ok(()) => report.step(&format!("swap in RAM: {}", mebibytes(length_bytes))),
        Err(error) => report.notice(&format!("no swap in RAM: {error}")),
    }
}

/// The module makes one device.
const ZRAM: &str = "/sys/block/zram0";

/// The algorithm stays the kernel's own choice, which is the quick one.
fn swap_on_zram(folder: &Path, length_bytes: u64) -> io::Result<()> {
    // The kernel wants whole pages.
    let length_bytes = length_bytes & !0xfff;
    fs::write(folder.join("disksize"), length_bytes.to_string())?;
    livestick_sys::swap_on(Path::new("/dev/zram0"), length_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_machine_that_is_too_small_is_told_so() {
        let budget = RamBudget::new(livestick_handoff::Workload::Console, 1000 * MIB);
        let half = RamSize::Percent(50);
        assert!(shortages(1024 * MIB, budget, half, 0).is_empty());
        let small = shortages(300 * MIB, budget, half, 0);
        assert!(
            small[0].starts_with("this computer has 300 MiB of RAM, and the stick needs 384 MiB"),
            "{small:?}"
        );
        assert!(small[1].contains("only 44 MiB of RAM"), "{small:?}");
        let to_ram = shortages(2048 * MIB, budget, half, 1000 * MIB);
        assert_eq!(to_ram.len(), 1);
        assert!(to_ram[0].contains("`overlay-size=792M`"), "{to_ram:?}");
    }

    #[test]
    fn without_zram_there_is_an_error_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("zram0");
        let error = swap_on_zram(&missing, 1 << 20).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

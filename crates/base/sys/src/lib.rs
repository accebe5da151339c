//! The only crate with unsafe code: what the kernel offers and rustix does not wrap, as small safe
//! functions. What rustix has, the other crates use directly.

mod block_device;
mod device_mapper;
mod ignore_sync;
mod loop_device;
mod mount_clone;
mod swap;
mod uevent_socket;
mod writeback;
mod xattr_at;

pub use block_device::{disk_sequence, drop_buffers, reread_partitions};
pub use device_mapper::{JoinedDevice, Part};
pub use ignore_sync::ignore_sync;
pub use loop_device::{LoopBacking, LoopDevice, loop_backing};
pub use mount_clone::{clone_mount_read_only, clone_open_mount_read_only};
pub use swap::swap_on;
pub use uevent_socket::{Received, UeventSocket};
pub use writeback::start_writeback;
pub use xattr_at::{get_xattr_at, list_xattrs_at};

#[cfg(test)]
mod testing {
    /// Most of this needs root: without it a test says so and ends, except on the build machine.
    pub(crate) fn is_root() -> bool {
        let root = rustix::process::geteuid().is_root();
        if !root {
            assert!(std::env::var_os("CI").is_none(), "this test needs root");
            eprintln!("skipped: not root");
        }
        root
    }
}

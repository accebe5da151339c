//! The SquashFS engine by itself.

mod create;
mod created;
mod destination;
mod rewrite;

pub use create::create;
pub use created::Created;

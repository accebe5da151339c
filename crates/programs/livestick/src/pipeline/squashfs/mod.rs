//! The SquashFS engine by itself.

mod check;
mod contents;
mod create;
mod created;
mod destination;
mod escaped;
mod extract;
mod list;
mod opened;
mod rewrite;

pub use check::{Checked, check};
pub use create::{create, foresee};
pub use created::{Created, Foreseen};
pub use extract::{Extracted, extract};
pub use list::list;

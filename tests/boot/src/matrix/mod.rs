//! The scenarios in which a stick must boot or, where it cannot, say why: a row each, and what runs
//! them.

mod damage;
mod inside;
mod rows;
mod run;
mod scenario;
mod typed;

pub use rows::scenarios;
pub use run::{Outcome, Runner};
pub use scenario::{Root, Scenario};

pub mod compare;
pub mod fixture;
pub mod read;
pub mod writer;

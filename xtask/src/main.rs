//! demo, test, tidy, bench.
fn main() {}

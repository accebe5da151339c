//! /init on the stick: finds the stick, lays a RAM overlay over it, hands over.
fn main() {}

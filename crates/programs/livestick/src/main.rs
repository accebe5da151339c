//! Makes a USB stick that boots a Linux root, without ever writing to the flash.
fn main() {}

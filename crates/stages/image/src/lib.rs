//! Which byte of the stick holds what; written once, front to back.

//! Which block devices there are, and what is on them.

//! A file tree in memory: names, metadata, xattrs, and where each file's bytes are.

//! A directory that holds a root becomes a tree.

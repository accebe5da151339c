//! What the builder tells /init: seal, manifest, command-line keys, paths on the stick.

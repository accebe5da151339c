//! Modules, /init and the manifest become an initramfs archive.

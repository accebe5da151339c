//! Loader files, menus and patches for each firmware.

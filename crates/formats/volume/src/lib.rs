//! FAT32 and the partition table around it.

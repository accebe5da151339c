#!/bin/sh
# mmdebstrap calls this with the path of a root: it gets a file of noise, the same every time, that
# is longer than the longest file on a FAT volume.
set -eu
root=$1

head -c 4400M /dev/zero |
    openssl enc -aes-128-ctr -nosalt -K 6c6976657374696b6c6976657374696b \
        -iv 00000000000000000000000000000000 -out "$root/srv/noise"

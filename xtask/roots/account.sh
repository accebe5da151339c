#!/bin/sh
# mmdebstrap calls this with the path of a root whose packages are installed: it gets a name of its
# own, instead of the machine's that it is made on, and an account that can log in.
set -eu
root=$1

echo livestick-demo > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 livestick-demo\n' > "$root/etc/hosts"
: > "$root/etc/resolv.conf"
echo 'root:livestick' | chroot "$root" chpasswd

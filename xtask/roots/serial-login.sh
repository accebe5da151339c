#!/bin/sh
# mmdebstrap calls this with the path of a root that systemd does not start: a login prompt on the
# serial port, as a computer without a screen has it.
set -eu
root=$1

if [ -e "$root/etc/inittab" ]; then
    echo 'T0:23:respawn:/sbin/getty -L 115200 ttyS0 vt100' >> "$root/etc/inittab"
fi
if [ -d "$root/etc/runit" ]; then
    ln -sf /etc/sv/getty-ttyS0 "$root/etc/runit/runsvdir/default/getty-ttyS0"
fi

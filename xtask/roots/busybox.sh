#!/bin/sh
# mmdebstrap calls this with the path of a root that BusyBox shall start: the links to it, and the
# table that it goes by.
set -eu
root=$1

for name in init poweroff reboot halt; do
    ln -s /bin/busybox "$root/sbin/$name"
done
cat > "$root/etc/inittab" <<'TABLE'
::sysinit:/bin/mkdir -p /dev/pts
::sysinit:/bin/mount -t devpts devpts /dev/pts
::sysinit:/bin/hostname -F /etc/hostname
tty1::respawn:/sbin/getty 38400 tty1
ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/umount -a -r
TABLE

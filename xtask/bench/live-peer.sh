#!/bin/bash
# A stick like the one that by-hand.sh makes, with the same SquashFS, kernel, loader and console, but
# with the initramfs of another live system, as Debian's packages make it.
#   live-peer.sh live-boot|dracut ROOT BY-HAND WORKDIR
# ROOT is a root in which the system's packages are installed, BY-HAND what by-hand.sh made.
# Needs root and Debian's syslinux, syslinux-common, mtools, dosfstools, fdisk.
set -e
KIND=$1; ROOT=$(readlink -f "$2"); HAND=$(readlink -f "$3"); W=$4
rm -rf "$W"; mkdir -p "$W"; W=$(readlink -f "$W")
K=$(ls "$ROOT/lib/modules")

trap 'umount "$ROOT/proc" "$ROOT/sys" "$ROOT/dev" 2>/dev/null || :' EXIT
mount -t proc proc "$ROOT/proc"; mount -t sysfs sys "$ROOT/sys"; mount --bind /dev "$ROOT/dev"
case $KIND in
  live-boot)
    chroot "$ROOT" mkinitramfs -o /initrd.live "$K"
    image=live/filesystem.squashfs; words="boot=live" ;;
  dracut)
    chroot "$ROOT" dracut --quiet --force --no-hostonly --add dmsquash-live /initrd.live "$K"
    image=LiveOS/squashfs.img; words="root=live:LABEL=STICK rd.live.image rd.live.overlay.overlayfs=1" ;;
  *) echo "no such live system: $KIND" >&2; exit 2 ;;
esac
mv "$ROOT/initrd.live" "$W/initrd.img"

S=$(( ($(stat -c %s "$HAND/newroot.sfs") + $(stat -c %s "$W/initrd.img")) / 1048576 + 100 ))
truncate -s ${S}M "$W/stick.img"
printf '2048,,c,*\n' | sfdisk -q "$W/stick.img"
mkfs.vfat -F32 --offset 2048 -n STICK "$W/stick.img" $(( (S-1)*1024 )) >/dev/null
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$W/stick.img" bs=440 count=1 conv=notrunc status=none
export MTOOLS_SKIP_CHECK=1
syslinux --install -t 1048576 "$W/stick.img"
printf 'default linux\nlabel linux\nkernel /kernel.img\nappend initrd=/initrd.img %s quiet console=ttyS0,115200 loglevel=4\n' \
  "$words" > "$W/syslinux.cfg"
mmd -i "$W/stick.img@@1M" "::/${image%/*}"
for f in "$ROOT/boot/vmlinuz-$K:kernel.img" "$W/initrd.img:initrd.img" "$HAND/newroot.sfs:$image" "$W/syslinux.cfg:syslinux.cfg"; do
  mcopy -i "$W/stick.img@@1M" "${f%%:*}" "::/${f##*:}"; done

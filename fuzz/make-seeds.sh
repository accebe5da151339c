#!/bin/sh
# Makes the seeds of the SquashFS targets with mksquashfs: small images of each compressor, and some
# whose metadata is stored as it is, so that the fuzzer can change it. Needs root for the devices.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
tree=$work/tree

mkdir -p "$tree/etc" "$tree/many"
head -c 5000 /dev/zero | tr '\0' a >"$tree/etc/text"
head -c 4096 /dev/zero | tr '\0' b >"$tree/etc/whole"
printf 'tail' >"$tree/etc/tail"
truncate -s 20000 "$tree/sparse"
printf 'end' >>"$tree/sparse"
ln -s etc/text "$tree/link"
ln "$tree/etc/tail" "$tree/etc/tail2"
mkfifo "$tree/pipe"
mknod "$tree/disk" b 8 1
setfattr -n user.note -v "a value that is long enough to be stored once" "$tree/etc/text"
setfattr -n user.note -v "a value that is long enough to be stored once" "$tree/etc/whole"
for number in $(seq -w 280); do : >"$tree/many/a-rather-long-name-$number"; done
find "$tree" -exec touch -h -d @1000000000 {} +

plain="-noI -noX -noId -noF -noD"
make() {
	name=$1
	shift
	rm -f "$work/image"
	# shellcheck disable=SC2086
	mksquashfs "$tree" "$work/image" -b 4096 -nopad -noappend -quiet -no-progress \
		-mkfs-time 0 "$@" >/dev/null
	for target in squashfs_read squashfs_check; do
		mkdir -p "corpus/$target"
		cp "$work/image" "corpus/$target/$name"
	done
}
make gzip -comp gzip
make xz -comp xz -Xbcj x86
make lz4 -comp lz4
make zstd -comp zstd
rm -r "$tree/many"
# shellcheck disable=SC2086
make plain -comp zstd $plain
# shellcheck disable=SC2086
make plain-no-export -comp gzip $plain -no-exports -no-xattrs -no-fragments

#!/bin/sh
# Makes the seeds in corpus/tar: small archives of every dialect. Run as root in an empty directory
# of a filesystem with extended attributes; the first argument is where the seeds go.
set -eu
seeds=$1
mkdir -p root/dir
cd root
printf hello > dir/file
ln dir/file linked
ln -s dir/file symlink
mkfifo pipe
mknod device c 4 64
head -c 700 /dev/zero | tr '\0' x > data
printf x > owned
touch -d @-1.5 owned
chown 3000000:4 owned
cd ..
mkdir long
cp root/dir/file "long/$(printf '%0120d' 1)"
ln -s "$(printf '%0120d' 2)" long/symlink
mkdir sparse
for piece in 1 2 3 4 5 6; do
    printf '%s' "$piece" | dd of=sparse/file bs=1 seek=$((piece * 65536)) conv=notrunc status=none
done
mkdir attributes
printf x > attributes/file
setfattr -n user.name -v value attributes/file

# Nothing of the blocks after the end mark is read.
make() {
    output=$1
    shift
    tar --sort=name -b 1 -cf "$seeds/$output" "$@"
}
make v7.tar --format=v7 -C root dir linked symlink data
make ustar.tar --format=ustar -C root dir linked symlink pipe device
make gnu.tar --format=gnu -C root .
make posix.tar --format=posix -C root .
make gnu-long.tar --format=gnu long
make posix-long.tar --format=posix long
make gnu-sparse.tar --format=gnu --sparse sparse
for version in 0.0 0.1 1.0; do
    make "posix-sparse-$version.tar" --format=posix --sparse --sparse-version=$version sparse
done
make attributes.tar --format=posix --xattrs attributes
make label.tar --format=gnu --label=name --listed-incremental=snapshot root
make global.tar --format=posix --pax-option=globexthdr.name=g,comment=x,gname=y -C root data
gzip -9n < "$seeds/ustar.tar" > "$seeds/ustar.tar.gz"
xz -9 < "$seeds/ustar.tar" > "$seeds/ustar.tar.xz"
zstd -q -19 < "$seeds/ustar.tar" > "$seeds/ustar.tar.zst"

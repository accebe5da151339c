#!/bin/sh
# mmdebstrap calls this with the path of a root, and makes it look lived in: the old machine's disks
# in /etc/fstab, a swap file, leftovers in /tmp, and in /srv/odd every kind of file that a root can
# hold, so that a stick can be compared with it.
set -eu
root=$1

# An installed machine's disks, which are not there when the stick boots.
cat > "$root/etc/fstab" <<'FSTAB'
UUID=6d7e5b0e-95c6-4a45-a4b2-0d4d1c4f7a10 /     ext4 errors=remount-ro 0 1
UUID=0b5c5cbe-2f64-4ab5-8f0c-5f2f1c1bd0c2 /home ext4 defaults          0 2
/swapfile                                 none  swap sw                0 0
FSTAB
truncate --size 1M "$root/swapfile"
chmod 600 "$root/swapfile"
mkswap --quiet "$root/swapfile" 2>/dev/null

# Left over by what ran before: none of it may reach the stick.
touch "$root/tmp/left-over" "$root/var/tmp/left-over" "$root/run/left-over"

odd=$root/srv/odd
mkdir --mode=1777 "$odd"
mkfifo "$odd/fifo"
mknod "$odd/disk" b 8 1
mknod "$odd/tty" c 204 64
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => shift, Listen => 1) or die' "$odd/socket"
touch "$odd/empty" "$odd/a line
feed" "$odd/$(printf 'not-utf8-\377')"
seq 1 200000 > "$odd/numbers"
ln "$odd/numbers" "$odd/the-same-numbers"
cp "$odd/numbers" "$odd/equal-numbers"
truncate --size 40M "$odd/hole"
truncate --size 5M "$odd/mostly-hole"
echo end >> "$odd/mostly-hole"
head -c 131072 /dev/zero > "$odd/one-block-of-zeros"
ln -s ../../nowhere "$odd/dangling"
chmod 4755 "$odd/empty"
chown 4000000:65534 "$odd/equal-numbers"
touch --date=@1 "$odd/one-block-of-zeros"
cp /bin/true "$odd/capable"
setcap cap_net_raw+ep "$odd/capable"
setfattr --name user.comment --value short "$odd/numbers"
setfattr --name user.long --value "$(seq -s ' ' 1 500)" "$odd/hole"
setfattr --name trusted.note --value directory "$odd"
mkdir "$odd/many"
(cd "$odd/many" && seq -f 'an-entry-whose-name-is-not-that-short-%05.0f' 1 2000 | xargs touch)

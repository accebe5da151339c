#!/bin/sh
# Makes the seeds of the target for EFI programs: the headers of a program of each width, with a
# signature's table behind them, and a kernel's setup header. The argument is where they go.
set -eu
mkdir -p "$1"
cd "$1"

# put FILE OFFSET BYTES, the bytes as printf has them.
put() {
	# shellcheck disable=SC2059
	printf "$3" | dd of="$1" bs=1 seek="$(($2))" conv=notrunc status=none
}

# program FILE MACHINE MAGIC DIRECTORIES
program() {
	head -c 528 /dev/zero >"$1"
	put "$1" 0 MZ
	put "$1" 0x3c '\100'
	put "$1" 0x40 "PE\\0\\0$2"
	put "$1" 0x54 '\360'
	put "$1" 0x58 "$3"
	put "$1" "$4 - 4" '\006'
	put "$1" "$4 + 32" '\000\002\000\000\020'
	put "$1" 0x200 '\020\000\000\000\000\002\002\0000\202'
}
program x64 '\144\206' '\013\002' 0x58+112
program ia32 '\114\001' '\013\001' 0x58+96

head -c 1536 /dev/zero >kernel
put kernel 0x1f1 '\002'
put kernel 0x1fe '\125\252'
put kernel 0x202 'HdrS\017\002'
put kernel 0x20e '\000\001'
put kernel 0x236 '\177'
put kernel 0x300 '6.1.0-50-amd64 (builder) #1 SMP'

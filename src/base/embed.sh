#!/bin/sh
# usage: embed.sh SYMBOL FOLDER OUTPUT FILE…
# Writes an assembler source whose SYMBOL is a table of struct embedded_file (embed.h): the FILEs, named relative to
# FOLDER. .incbin leaves the bytes to the assembler, so this needs no tool beyond the shell.
set -eu
symbol=$1 folder=$(cd "$2" && pwd) output=$3
shift 3
here=$PWD

absolute() {
        case $1 in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$here" "$1" ;; esac
}

exec >"$output.new"
printf '/* made by embed.sh */\n.section .note.GNU-stack,"",%%progbits\n.section .rodata\n'
number=0
for file; do
        path=$(cd "$(dirname "$(absolute "$file")")" && pwd)/$(basename "$file")
        name=${path#"$folder"/}
        printf '.Lname%d: .asciz "%s"\n.Lbytes%d: .incbin "%s"\n.Lend%d: .byte 0\n' $number "$name" $number "$path" $number
        number=$((number + 1))
done
printf '.section .data.rel.ro,"aw"\n.balign 8\n.global %s\n.type %s, %%object\n%s:\n' "$symbol" "$symbol" "$symbol"
i=0
while [ $i -lt $number ]; do
        printf '.quad .Lname%d, .Lbytes%d, .Lend%d - .Lbytes%d\n' $i $i $i $i
        i=$((i + 1))
done
printf '.quad 0, 0, 0\n.size %s, . - %s\n' "$symbol" "$symbol"
mv "$output.new" "$output"

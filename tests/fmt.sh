#!/bin/sh
# mtlc fmt: the one style of every spec there is; a file is replaced whole, and only where it changes; what is wrong stays as it is.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
mkdir specs
for f in "$top"/specs/*.mtl "$top"/specs/std/*.mtl "$top"/tests/golden/*.mtl; do
  "$mtlc" compile "$f" --emit ast >/dev/null 2>&1 && sed '/^#---/,$d' "$f" >"specs/$(basename "$f")"
done
ls specs >names
check "there are specs" test "$(wc -l <names)" -gt 20
cp -r specs before
expect 0 "fmt of a folder"                    "$mtlc" fmt specs
expect 0 "fmt again"                          "$mtlc" fmt --check specs
cp -r specs once
expect 0 "and again, written"                 "$mtlc" fmt specs
check "formatted again, nothing changes"      diff -r once specs
same=0
while read -r f; do
  for d in before specs; do "$mtlc" compile $d/"$f" --emit ast >$d.ast 2>/dev/null; done
  cmp -s before.ast specs.ast || { same=1; note names; echo "# $f: another tree"; }
  [ "$(grep -c '#' before/"$f")" = "$(grep -c '#' specs/"$f")" ] || { same=1; echo "# $f: comments are lost"; }
  ! grep -nE '	| $' specs/"$f" || { same=1; echo "# $f: tabs, or blanks at the end of a line"; }
done <names
check "the same trees, all comments"          test $same -eq 0

printf 'model  a\nedition 2026\n' >a.mtl
expect 1 "check: exit 1"                      "$mtlc" fmt --check a.mtl
has out "check: the name"                     "a.mtl"
check "check: the file is untouched"          grep -q 'model  a' a.mtl
expect 1 "check --json"                       "$mtlc" fmt --check --json a.mtl
has out "check --json: changed"               '"changed": true'
expect 0 "standard input"                     sh -c "'$mtlc' fmt - <a.mtl"
check "standard input: formatted"             sh -c "printf 'model a\nedition 2026\n' | cmp - out"
cp out formatted
expect 0 "a file"                             "$mtlc" fmt a.mtl
check "a file: formatted"                     cmp formatted a.mtl
ls -i a.mtl >inode
expect 0 "a file in the style"                "$mtlc" fmt a.mtl
check "a file in the style is not written"    sh -c 'ls -i a.mtl | cmp - inode'
printf 'model a\r\nedition 2026\r\n\r\n\r\n\r\n\tinput x : real # c\r\n\n\n' >crlf.mtl
expect 0 "line ends of another system"        "$mtlc" fmt crlf.mtl
check "line ends, tabs, blank lines"          sh -c "printf 'model a\nedition 2026\n\ninput x : real  # c\n' | cmp - crlf.mtl"
: >empty.mtl
expect 0 "an empty file"                      "$mtlc" fmt empty.mtl
check "an empty file stays one"               test ! -s empty.mtl

printf 'model a\ntaks t { head = ( }\n' >bad.mtl
cp bad.mtl kept.mtl
expect 2 "errors"                             "$mtlc" fmt bad.mtl
has err "errors: where"                       "bad.mtl:2"
check "errors: the file is as it was"         cmp bad.mtl kept.mtl
expect 2 "a file that is not there"           "$mtlc" fmt none.mtl
has err "a file that is not there: its name"  "none.mtl"
done_testing

#!/bin/sh
# The examples of README.md and docs/*.md. A block ```mtl is a whole spec: it is checked, and kept under the name in its first line
# (`# NAME.mtl`). A block ```console has lines `$ mtlc …`, run in order in one folder; the lines behind one are its output:
# `…` alone stands for any lines, within a line for any text. Where no output is shown, only the exit code counts: 0.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
ln -s "$top/specs" specs
mkdir bin blocks
ln -s "$mtlc" bin/mtlc
PATH=$tmp/bin:$PATH

# Blocks of a file → blocks/NNN.KIND
extract() {
  awk -v prefix="blocks/" '
    /^```/ && kind { close(file); kind = ""; next }
    /^```(mtl|console)$/ { kind = substr($0, 4); file = sprintf("%s%03d.%s", prefix, ++n, kind); printf "" > file; next }
    /^```/ { kind = "other"; file = "/dev/null"; next }
    kind { print > file }' "$1"
}

# matches PATTERN TEXT: files; see above.
matches() {
  awk '
    function regex(s,   r, i, c) {
      r = ""
      gsub(/…/, "\001", s)
      for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        r = r (c == "\001" ? ".*" : index("\\^$.[]|()*+?{}", c) ? "\\" c : c)
      }
      return "^" r "$"
    }
    function rest(i, j) {
      for (; i <= np; i++) {
        if (p[i] == "…") {
          for (; j <= nt + 1; j++) if (rest(i + 1, j)) return 1
          return 0
        }
        if (j > nt || t[j++] !~ regex(p[i])) return 0
      }
      return j > nt
    }
    FNR == NR { p[++np] = $0; next }
    { t[++nt] = $0 }
    END { exit !rest(1, 1) }' "$1" "$2"
}

run_step() {
  [ -n "$command" ] || return
  got=0
  sh -c "$command" >got 2>err </dev/null || got=$?
  if [ $got -ne 0 ]; then
    fail "$file: $command"
    echo "# exit code $got"
    note err
  elif [ -s want ] && ! matches want got; then
    fail "$file: $command"
    diff -u want got | note
  else
    pass "$file: $command"
  fi
  command=
}

run_console() {
  command=
  : >want
  while IFS= read -r line; do
    case $line in
    '$ '*) run_step; command=${line#'$ '}; : >want ;;
    *) printf '%s\n' "$line" >>want ;;
    esac
  done <"$1"
  run_step
}

for path in "$top/README.md" "$top"/docs/*.md; do
  [ -f "$path" ] || continue
  file=${path##*/}
  rm -f blocks/*
  extract "$path"
  for block in blocks/*; do
    [ -f "$block" ] || continue
    name=$(sed -n '1s/^# *\([^ ]*\.mtl\).*/\1/p' "$block")
    case $block in
    *.mtl)
      [ -z "$name" ] || cp "$block" "$name"
      expect 0 "$file: ${name:-$block}" "$mtlc" check "${name:-$block}" ;;
    *.console) run_console "$block" ;;
    esac
  done
done
done_testing

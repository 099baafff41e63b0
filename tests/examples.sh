#!/bin/sh
# The examples of README.md and docs/*.md.
# ```mtl is a spec: it is checked, and kept under the name in its first line (`# NAME.mtl`). Without a `model` declaration it is a
#   fragment: it stands behind the document's preamble (the block whose first line is `# preamble`), less the preamble's inputs and
#   labels that it declares itself, and gets a task where it has none.
# ```mtl error CODE must fail with exit code 2 and that error, CODE being the code in the message's brackets.
# ```console has lines `$ mtlc …`, run in order in one folder; the lines behind one are its output: `…` alone stands for any lines,
#   within a line for any text. A last line `exit N` is its exit code, and the output then has what it says of errors too; else the code
#   is 0. Where no output is shown, only the exit code counts. Other commands than mtlc may stand there, too; cc finds mtl.h and libmtl.
# ```c is a program, kept under the name in its first line (`// NAME.c`).
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
ln -s "$top/specs" specs
mkdir bin blocks
ln -s "$mtlc" bin/mtlc
libraries=$(dirname "$mtlc")/.libs
printf '#!/bin/sh\nexec %s "$@" -I%s -L%s -Wl,-rpath,%s\n' "${MTLC_CC:-cc} -Wall -Wextra -Werror" "'$top/src'" "'$libraries'" "'$libraries'" >bin/cc
chmod +x bin/cc
PATH=$tmp/bin:$PATH

# Blocks of a file → blocks/NNN.KIND; the code of an error in blocks/NNN.code
extract() {
  awk -v prefix="blocks/" '
    /^```/ && kind { close(file); kind = ""; next }
    /^```(mtl|console|c)( error .*)?$/ {
      split(substr($0, 4), word, " "); kind = word[1]
      file = sprintf("%s%03d.%s", prefix, ++n, kind); printf "" > file
      if (word[2]) { code = sprintf("%s%03d.code", prefix, n); print word[3] > code; close(code) }
      next
    }
    /^```/ { kind = "other"; file = "/dev/null"; next }
    kind { print > file }' "$1"
}

# whole PREAMBLE FRAGMENT: a spec of the two
whole() {
  awk '
    # A declaration line of the preamble → the names that it declares, less those that the fragment has; "": all of them
    function rest(line,   word, names, part, n, i, left) {
      word = line; sub(/ .*/, "", word)
      names = line; sub(/^[a-z]+ +/, "", names); sub(/ *:.*/, "", names)
      n = split(names, part, / *, */)
      for (i = 1; i <= n; i++) if (!(part[i] in own)) left = left (left == "" ? "" : ", ") part[i]
      if (left == "") return ""
      sub(/^[^:]*:/, "", line)
      return word " " left " :" line
    }
    FNR == NR {
      fragment = fragment $0 "\n"
      if ($1 == "task") task = 1
      if ($1 == "input" || $1 == "label") {
        names = $0; sub(/^[a-z]+ +/, "", names); sub(/ *:.*/, "", names)
        n = split(names, part, / *, */)
        for (i = 1; i <= n; i++) own[part[i]] = 1
      }
      if ($1 ~ /^(let|shared|source|output)$/) own[$2] = 1
      if ($1 == "train") own["train"] = 1
      next
    }
    $1 == "input" || $1 == "label" { line = rest($0); if (line != "") print line; next }
    ($1 == "let" || $1 == "shared") && ($2 in own) { next }
    $1 == "train" && ("train" in own) { next }
    { print }
    END {
      printf "%s", fragment
      if (!task) print "task an_example { head = features |> dense(1) |> sigmoid, loss = bce(click) }"
    }' "$2" "$1"
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
  got=0 code=0
  case $(tail -n 1 want) in 'exit '[0-9]*) code=$(sed -n '$s/exit //p' want); sed '$d' want >kept; mv kept want ;; esac
  if [ "$code" -eq 0 ]; then
    sh -c "$command" >got 2>err </dev/null || got=$?
  else
    sh -c "$command" >got 2>&1 </dev/null || got=$?
    cp got err
  fi
  if [ $got -ne "$code" ]; then
    fail "$file: $command"
    echo "# exit code $got, not $code"
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

run_spec() {
  spec=$1 name=$(sed -n '1s/^# *\([^ ]*\.mtl\).*/\1/p' "$1")
  if ! grep -q '^model ' "$spec"; then
    whole preamble "$spec" >fragment.mtl
    spec=fragment.mtl
  fi
  if [ -n "$name" ]; then cp "$spec" "$name"; spec=$name; fi
  label="$file: ${name:-$1, $(grep -vm 1 '^#' "$1" | cut -c 1-60)}"
  if [ ! -f "${1%.mtl}.code" ]; then expect 0 "$label" "$mtlc" check "$spec"; return; fi
  expect 2 "$label" "$mtlc" check "$spec"
  has err "$label: $(cat "${1%.mtl}.code")" "[$(cat "${1%.mtl}.code")]"
}

for path in "$top/README.md" "$top"/docs/*.md; do
  [ -f "$path" ] || continue
  file=${path##*/}
  rm -f blocks/*
  extract "$path"
  : >preamble
  for block in blocks/*.mtl blocks/*.console; do
    [ -f "$block" ] || continue
    case $block in *.mtl) if head -n 1 "$block" | grep -q '^# preamble'; then cp "$block" preamble; fi ;; esac
  done
  for block in blocks/*; do
    case $block in
    *.c) cp "$block" "$(sed -n '1s/^\/\/ *\([^ ]*\.c\).*/\1/p' "$block")" ;;
    *.mtl) head -n 1 "$block" | grep -q '^# preamble' || run_spec "$block" ;;
    *.console) run_console "$block" ;;
    esac
  done
done
done_testing

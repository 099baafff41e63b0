# tap.sh: what the scripts that test the command line share. Reports by the Test Anything Protocol.
#   expect CODE NAME COMMAND…   runs it: standard output in $tmp/out, standard error in $tmp/err; its exit code must be CODE
#   has out|err NAME TEXT       the output of the latest command has TEXT in a line
#   empty out|err NAME
#   check NAME COMMAND…         COMMAND succeeds
#   done_testing
mtlc=${MTLC:-$PWD/mtlc}
top=$(cd "${srcdir:-.}" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/mtlc-test.XXXXXX")
trap 'chmod -R u+w "$tmp"; rm -rf "$tmp"' EXIT
count=0 failed=0

pass() { count=$((count + 1)); echo "ok $count - $1"; }
fail() {
  count=$((count + 1)) failed=$((failed + 1))
  echo "not ok $count - $1"
}
note() { sed 's/^/# /' "$@"; }

expect() {
  code=$1 name=$2
  shift 2
  got=0
  "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || got=$?
  if [ "$got" -eq "$code" ]; then pass "$name"; return; fi
  fail "$name"
  echo "# exit code $got, not $code: $*"
  tail -n 20 "$tmp/out" "$tmp/err" | note
}
has() {
  if grep -qF -- "$3" "$tmp/$1"; then pass "$2"; return; fi
  fail "$2"
  echo "# no line with: $3"
  head -n 20 "$tmp/$1" | note
}
empty() {
  if [ ! -s "$tmp/$1" ]; then pass "$2"; return; fi
  fail "$2"
  head -n 20 "$tmp/$1" | note
}
check() {
  name=$1
  shift
  if "$@" >"$tmp/check" 2>&1; then pass "$name"; return; fi
  fail "$name"
  head -n 20 "$tmp/check" | note
}
done_testing() {
  echo "1..$count"
  [ "$failed" -eq 0 ]
}

#!/bin/sh
# mtlc doctor: what is found, what is broken, and what it says to do about it. Breaks the surroundings by environment variables.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99

health() { grep -E "^(ok|weak|broken) +$1 " out | cut -d ' ' -f 1; }
is() { check "$1" test "$(health "$2")" = "$3"; }

export XDG_CACHE_HOME="$tmp/none-yet"
expect 0 "doctor"                              "$mtlc" doctor
for name in processor kernels memory layers compiler BLAS cache runs build self-test; do
  check "doctor: $name"                        test -n "$(health $name)"
done
is "the self-test passes"                      self-test ok
has out "it ran on what every processor has"   "self-test  a training step by "
check "no file is left behind"                 test -z "$(ls -A | grep -v -x -e out -e err -e check)"
expect 0 "doctor -q"                           "$mtlc" doctor -q
empty out "doctor -q: nothing where all is well"
expect 0 "doctor --json"                       "$mtlc" doctor --json
has out "doctor --json: verdict"               '"ok": true'
has out "doctor --json: details"               '"usable": ['
if [ -n "${MTLC_MODULE-}" ] && command -v ldd >/dev/null 2>&1; then           # whoever opens it may have no libraries of its own for it
  check "the module names all that it needs"   sh -c '! ldd -r "$MTLC_MODULE" 2>&1 | grep "undefined symbol" | grep -v -e __asan -e __ubsan -e __lsan'
else
  pass "the module names all that it needs # SKIP no ldd"
fi

expect 4 "a target of another processor"       env MTLC_TARGET=nonsense "$mtlc" doctor
is "kernels are broken"                        kernels broken
has out "it says what to do"                   "unset MTLC_TARGET"
expect 4 "no layers"                           env MTLC_STD="$tmp" "$mtlc" doctor
is "layers are broken"                         layers broken
check "no self-test without layers"            test -z "$(health self-test)"
expect 4 "no compiler module"                  env MTLC_MODULE="$tmp/none.so" "$mtlc" doctor
is "the compiler is broken"                    compiler broken
has out "the module is named"                  "none.so"
expect 4 "no compiler module, --json"          env MTLC_MODULE="$tmp/none.so" "$mtlc" doctor --json
has out "no compiler module, --json: verdict"  '"ok": false'
has out "no compiler module, --json: health"   '"health": "broken"'
expect 4 "a spec of the shipped layers that is broken" sh -c 'mkdir std && echo "layer" >std/base.mtl && MTLC_STD=std "$0" doctor' "$mtlc"
is "the self-test finds it"                    self-test broken
expect 0 "a cache that cannot be"              env XDG_CACHE_HOME=/dev/null/x MTLC_TARGET=portable "$mtlc" doctor
is "the cache is weak"                         cache weak
sanitized() { ldd "$mtlc" 2>/dev/null | grep -q -e libasan -e libubsan -e libtsan; }
if (ulimit -d 2000000 && "$mtlc" --version) >/dev/null 2>&1 && ! sanitized; then
  expect 0 "less memory"                       sh -c 'ulimit -d 2000000; exec "$0" doctor --json' "$mtlc"
  has out "it is said"                         '"usable_bytes": 2048000000.0'
  has out "and what limits it"                 '"limited_by": "ulimit -d"'
else
  pass "less memory # SKIP this build needs more by itself"
fi
expect 2 "doctor takes no operand"             "$mtlc" doctor what
has err "doctor takes no operand: said"         "takes no names"
done_testing

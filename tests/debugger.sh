#!/bin/sh
# MTLC_DEBUG_INFO=1: a debugger sees kernels and stops at lines of the spec; no bit of the weights depends on it.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
unset MTLC_DEBUG_INFO
cat >shop.mtl <<'END'
model shop
input features     : vector(12)
label liked, acted : binary
shared trunk = features
  |> dense(16, relu) as wide
  |> dense(8, tanh) as narrow
task like { head = trunk |> dense(1) |> sigmoid, loss = bce(liked) }
task act  { head = trunk |> dense(1) |> sigmoid, loss = mse(acted) }
train { batch = 32, epochs = 2 }
END
"$mtlc" synth shop.mtl --rows 300 --seed 2 -o rows.csv -q
expect 0 "run without"                         "$mtlc" run shop.mtl --data rows.csv -o without -q
expect 0 "run with lines"                      env MTLC_DEBUG_INFO=1 "$mtlc" run shop.mtl --data rows.csv -o with -q
check "the same weights"                       cmp without/weights.safetensors with/weights.safetensors
expect 0 "assembly with lines"                 env MTLC_DEBUG_INFO=1 "$mtlc" compile shop.mtl --emit asm
has out "it names the spec"                    '"shop.mtl"'
check "and a line of it"                       grep -Eq '[.]loc[[:space:]]1 5 ' out
expect 0 "assembly without"                    "$mtlc" compile shop.mtl --emit asm
check "has no lines"                           sh -c '! grep "shop.mtl" out'
{ echo "# a line more"; cat shop.mtl; } >moved.mtl
expect 0 "a spec that has moved a line"        env MTLC_DEBUG_INFO=1 XDG_CACHE_HOME="$tmp/cache" "$mtlc" run moved.mtl --data rows.csv -o moved -q
cat >stop.gdb <<'END'
set pagination off
set breakpoint pending on
set env MTLC_DEBUG_INFO=1
break moved.mtl:7
run
bt 3
kill
END
if command -v gdb >/dev/null 2>&1; then
  expect 0 "gdb stops at a line of the spec"   timeout 120 gdb -nx -q -batch -x stop.gdb --args "$mtlc" run moved.mtl --data rows.csv -o no -q --threads 1
  has out "it shows the line"                  "7	  |> dense(8, tanh) as narrow"
  check "and who called"                       grep -Eq '#[0-9]+ .*(in )?train_[0-9]+ \(\) at moved\.mtl' out
else
  pass "gdb stops at a line of the spec # SKIP no gdb"
fi
done_testing

#!/bin/sh
# Gradients of large weights by OpenBLAS: who says so, how to switch it off, and that a run repeats its bits.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
unset MTLC_BLAS MTLC_TARGET OPENBLAS_CORETYPE
cat >wide.mtl <<'END'
model wide
input a, b, c : real
label hit : binary
let h = concat(a, b, c) |> mlp([256, 256])
task hits { head = h |> dense(1) |> sigmoid, loss = bce(hit) }
train { batch = 1024, epochs = 1 }
END
sed 's/epochs = 1/epochs = 1, blas = off/' wide.mtl >off.mtl
"$mtlc" synth wide.mtl --rows 2100 --seed 1 -o rows.csv -q

expect 4 "a word that MTLC_BLAS does not know"  env MTLC_BLAS=maybe "$mtlc" compile wide.mtl --emit sched
has err "what it knows"                         "off, auto, on"
expect 2 "a word that the clause does not know" sh -c 'sed "s/blas = off/blas = of/" off.mtl >bad.mtl; "$0" check bad.mtl' "$mtlc"
has err "did you mean"                          'did you mean `off`?'
expect 0 "the clause"                           "$mtlc" compile off.mtl --emit sched
check "no routine is called"                    sh -c '! grep host_gemm out'
expect 0 "the variable"                         env MTLC_BLAS=off "$mtlc" compile wide.mtl --emit sched
check "no routine is called"                    sh -c '! grep host_gemm out'
expect 0 "explain without"                      "$mtlc" explain off.mtl
check "explain is silent of it"                 sh -c '! grep "^BLAS" out'
expect 0 "portable kernels leave BLAS alone"    env MTLC_TARGET=portable "$mtlc" compile wide.mtl --emit sched
check "no routine is called"                    sh -c '! grep host_gemm out'

"$mtlc" --version >version
if grep -q 'target: avx512' version; then                # some of whose processors leave BLAS alone
  export MTLC_TARGET=avx2
  "$mtlc" --version >version
fi
if grep -Eq 'target: (avx2|avx512)' version && grep -Eq 'BLAS: .* (Haswell|Zen|SkylakeX|Cooperlake|Sapphirerapids)' version; then
  expect 0 "explain"                            "$mtlc" explain wide.mtl
  has out "it names the weights"                "computes the gradients of h.mlp[1].dense.w"
  expect 0 "explain --json"                     "$mtlc" explain wide.mtl --json
  has out "it names the weights"                '"gradients": ['
  expect 0 "the schedule"                       "$mtlc" compile wide.mtl --emit sched
  has out "one gradient is a call"              "host host_gemm h.mlp[1].dense.w [256, 256]"
  check "and only that"                         test "$(grep -c host_gemm out)" -eq 1
  expect 0 "old kernels of OpenBLAS"            env OPENBLAS_CORETYPE=Prescott "$mtlc" explain wide.mtl
  has out "are not used"                        "BLAS             not used"
  expect 0 "run"                                "$mtlc" run wide.mtl --data rows.csv -o one -q
  check "the run names its BLAS"                grep "BLAS: OpenBLAS" one/run.json
  expect 0 "run again, from the cache"          env MTLC_MODULE=none "$mtlc" run wide.mtl --data rows.csv -o two -q
  check "equal weights"                         cmp one/weights.safetensors two/weights.safetensors
else
  pass "the choice # SKIP no OpenBLAS with kernels for this processor"
fi
unset MTLC_TARGET
for target in portable avx2; do
  MTLC_TARGET=$target "$mtlc" run off.mtl --data rows.csv -o off-$target -q >/dev/null 2>err || continue
  expect 0 "run without BLAS"                   "$mtlc" run off.mtl --data rows.csv -o off-of-$target -q
  check "equal weights by $target"              cmp off-$target/weights.safetensors off-of-$target/weights.safetensors
done
done_testing

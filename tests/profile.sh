#!/bin/sh
# run --profile: what each kernel took, by the spec's lines; that looking changes no bit.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >shop.mtl <<'END'
model shop
input features : vector(30)
input city     : category { vocab = ["a", "b", "c"] }
label click    : binary
let hidden = concat(features, embed(city, 8)) |> dense(64, relu) as wide
task ctr { head = hidden |> dense(1) as last |> sigmoid, loss = bce(click) }
train { batch = 256, epochs = 3, optimizer = adam(0.003) }
END
"$mtlc" synth shop.mtl --rows 2000 --seed 2 -o rows.csv -q
expect 0 "a run without"                  "$mtlc" run shop.mtl --data rows.csv -o plain -q
expect 0 "a run with a profile"           "$mtlc" run shop.mtl --data rows.csv -o seen --profile -q
check "it changes no weight"              cmp plain/weights.safetensors seen/weights.safetensors
check "steps of whole batches"            grep -Eq '^profile of 18 steps of 256 rows on one thread: [0-9.]+ us in kernels; this core: [0-9]+ GFLOP/s, [0-9]+ GB/s from memory$' out
check "a product of the layer's line"     grep -Eq '^ *[0-9.]+ +[0-9.]+% +[0-9.]+ +[0-9]+% +[0-9.]+ +[0-9]+%  product     hidden\.wide\.w +shop\.mtl:5$' out
check "and of the head's"                 grep -Eq 'ctr\.last\.w +shop\.mtl:6$' out
has out "the report goes on"              "run: seen"
expect 0 "as JSON"                        "$mtlc" run shop.mtl --data rows.csv -o json --profile --json -q
check "shares are of the whole"           sh -c "tr -d ' ,' <out | awk -F: '/^\"share\"/ { s += \$2; n++ } END { exit !(n > 8 && s > 0.999 && s < 1.001) }'"
for key in steps rows peak_gflops peak_gbytes calls name kind place us flops bytes; do has out "it has $key" "\"$key\":"; done
check "no profile unless asked for"       sh -c '"$0" run shop.mtl --data rows.csv -o none --json -q >plain.json && ! grep -q peak_gflops plain.json' "$mtlc"
done_testing

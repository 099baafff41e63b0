#!/bin/sh
# What a spec requires of a run: exit 1 with the figure, the bound and the place; the run is kept all the same, and eval judges it again.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >shop.mtl <<'END'
model shop
edition 2026
input x : vector(4)
label click : binary
label buy   : binary where click
let h = x |> mlp([8])
task ctr { head = h |> dense(1) |> sigmoid, loss = bce(click), metric = [logloss] }
task cvr { head = ctr * (h |> dense(1) |> sigmoid), loss = bce(buy), metric = [auc] }
train { epochs = 2, split = fraction(train = 0.7, valid = 0.1, test = 0.2) }
require auc(ctr) >= 0.999 "the shop's floor"
require logloss(ctr) < 9
  require always(cvr <= ctr)
END
"$mtlc" synth shop.mtl --rows 300 --seed 2 -o rows.csv || exit 99
expect 1 "run: a figure is missed"              "$mtlc" run shop.mtl --data rows.csv -o missed
has out "the condition, its reason"             "require auc(ctr) >= 0.999: NOT MET (0."
has out "why, and where"                        "the shop's floor  [shop.mtl:10:9]"
has out "one that is met"                       "require logloss(ctr) < 9: met (0."
has out "one of all rows"                       "require always(cvr <= ctr): met"
check "the run is kept"                         test -s missed/weights.safetensors
expect 1 "run --json"                           "$mtlc" run shop.mtl --data rows.csv -o two --json -q
for text in '"bound": 0.999' '"met": false' '"place": "shop.mtl:10:9"' "\"reason\": \"the shop's floor\"" '"metric": "auc"' '"metric": null'; do
  has out "run --json has $text"                "$text"
done
expect 1 "eval: the same"                       "$mtlc" eval missed
has out "eval says the figure"                  "require auc(ctr) >= 0.999: NOT MET (0."
has out "eval says where"                       "spec.mtl:10:9]"
expect 1 "eval --json"                          "$mtlc" eval missed --data rows.csv --json
has out "eval --json has the figures"           '"met": false'
sed 's/0.999/0.001/' shop.mtl >easy.mtl
expect 0 "run: all met"                         "$mtlc" run easy.mtl --data rows.csv -o easy
expect 0 "eval: all met"                        "$mtlc" eval easy
sed 's/^\([^,]*,[^,]*,[^,]*,[^,]*\),.*/\1,1,1/;1s/.*/x_0,x_1,x_2,x_3,click,buy/' rows.csv >ones.csv
expect 1 "a figure that is undefined is not met" "$mtlc" eval easy --data ones.csv
has out "it says so"                            "NOT MET (undefined)"
expect 0 "check without warnings, strictly"     "$mtlc" check --strict shop.mtl
sed 's/sigmoid, loss = bce(click)/sigmoid |> stop_gradient, loss = bce(click)/' shop.mtl >warned.mtl
expect 0 "check with warnings"                  "$mtlc" check warned.mtl
has err "they are shown"                        "warning[untrained-task]"
expect 1 "check --strict"                       "$mtlc" check --strict warned.mtl
empty out "it does not say ok"
expect 1 "check --strict --json"                "$mtlc" check --strict warned.mtl --json
has out "it says no"                            '"ok": false'
expect 2 "an error goes before"                 "$mtlc" check --strict missing.mtl
done_testing

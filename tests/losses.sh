#!/bin/sh
# Every loss of one spec in a run: they fall, heads predict in the label's unit, labels that do not fit are data errors.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >spec.mtl <<'END'
model losses
edition 2026
input x       : vector(6)
label click   : binary
label grade   : class(3)
label orders  : count
label stars   : rank
label amount  : real
let h = x |> dense(32, relu)
task smooth  { head = h |> dense(1) |> sigmoid, loss = bce(click, smoothing = 0.05, positive_weight = 2) }
task hard    { head = h |> dense(1) |> sigmoid, loss = focal(click) }
task classes { head = h |> dense(3) |> softmax, loss = cross_entropy(grade, smoothing = 0.1, weights = [1, 2, 1]) }
task number  { head = h |> dense(1), loss = mse(stars) + 0.5 * mae(stars) + huber(stars, 0.5) }
task upper   { head = h |> dense(1), loss = quantile(stars, 0.9) }
task smoothly { head = x |> dense(1), loss = log_cosh(stars) }
task many    { head = h |> dense(1) |> exp, loss = poisson(orders) }
task plus    { head = h |> dense(1) |> softplus, loss = tweedie(orders, 1.3) }
task value   { head = h |> dense(3), loss = ziln(amount), metric = [rmse, mae] }
task two     { head = h |> dense(1) |> sigmoid, loss = bce(click) + 0.1 * mse(stars, on = h |> dense(1) as side) }
task twice   { head = h |> dense(1), loss = huber(orders) + mae(stars), target = orders }
train { epochs = 12, batch = 64, optimizer = adam(0.01) }
END
expect 0 "rows with every type of label"        "$mtlc" synth spec.mtl --rows 1500 --seed 3 -o rows.csv
expect 0 "a run with every loss"                "$mtlc" run spec.mtl --data rows.csv -o one --json -q
cat >fell.awk <<'END'
# Losses of the first and the last epoch's tasks, from the JSON text of a run; prints those that did not fall.
/"epochs"/ { on = 1 } /"held_out"|"interrupted"/ { on = 0 }
on && /"tasks"/ { part = "t" } on && /"valid"/ { part = "" }
on && part && /^ *"[a-z]+": \{/ { split($0, a, "\""); name = a[2] }
on && part && /"loss":/ && name != "tasks" { v = $2 + 0; if (!(name in first)) first[name] = v; last[name] = v }
END { for (k in first) { n++; if (!(last[k] < first[k])) { print k, first[k], last[k]; bad = 1 } } if (n != 11) { print n " tasks"; bad = 1 } exit bad }
END
check "every loss fell"                         awk -f fell.awk out
expect 0 "predictions"                          "$mtlc" predict one --data rows.csv -o p.csv -q
check "a head under ziln predicts one number"   sh -c 'head -n 1 p.csv | grep -q ",value,two"'
# means of the predictions beside those of the labels; a quantile of 0.9 lies above nine tenths of them
paste -d , p.csv rows.csv >both.csv
cat >means.awk <<'END'
NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
{ for (k in at) sum[k] += $at[k]; n++; below += $at["stars"] <= $at["upper"] }
function near(a, b) { if (sum[a] < 0.75 * sum[b] || sum[a] > 1.25 * sum[b]) { print a, sum[a] / n, b, sum[b] / n; bad = 1 } }
END { near("many", "orders"); near("plus", "orders"); near("value", "amount"); near("number", "stars")
      if (below / n < 0.8 || below / n > 0.98) { print "below", below / n; bad = 1 } exit bad }
END
check "predictions in the unit of the labels"   awk -F , -f means.awk both.csv
expect 0 "the arguments in explain"             "$mtlc" explain spec.mtl
has out "what was given"                        "huber(stars, delta = 0.5)"
has out "what was left out"                     "hard.focal.gamma = 2"

# ---- labels that do not fit
spoil() { awk -F , -v OFS=, -v name="$1" -v value="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } NR == 8 { $c = value } { print }' rows.csv; }
spoil orders 2.5 >bad.csv
expect 3 "half an order"                        "$mtlc" run spec.mtl --data bad.csv -o bad -q
has err "it is no count"                        "2.5 is no count: that is 0, 1, 2"
spoil stars -1 >bad.csv
expect 3 "a rank below 0"                       "$mtlc" run spec.mtl --data bad.csv -o bad -q
has err "it is no rank"                         "-1 is no rank"
spoil amount -0.5 >bad.csv
expect 3 "an amount below 0"                    "$mtlc" run spec.mtl --data bad.csv -o bad -q
has err "where the loss ends"                   "-0.5 is below 0, where the loss \`ziln\` of \`amount\` ends"
done_testing

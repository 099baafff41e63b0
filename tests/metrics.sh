#!/bin/sh
# Metrics of a run: over the held-out rows, by groups of a column that no input reads, of rows with weights.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >spec.mtl <<'END'
model metrics
edition 2026
source events
source shops { key = id, match = events.shop }
input x      : vector(6)
label click  : binary
label amount : real
let h = x |> dense(8, relu)
task ctr   {
  head   = h |> dense(1) |> sigmoid
  loss   = bce(click)
  metric = [auc, gauc(by = events.session), gauc(by = shops.city), ndcg(k = 3, by = events.session), recall_at(k = 2, by = events.session),
            pr_auc, max_f1, normalised_entropy, brier, calibration, ece, f1(at = 0.2)]
}
task value { head = h |> dense(1) |> exp, loss = tweedie(amount), metric = [rmse, poisson_deviance, tweedie_deviance(power = 1.2)] }
train { epochs = 2, batch = 16, split = rule(train = row % 4 > 0, test = true), weight = 1 + events.twice }
require ndcg(ctr) >= 0.1
END
awk 'BEGIN { srand(3); print "x_0,x_1,x_2,x_3,x_4,x_5,click,amount,session,shop,twice"
  for (i = 0; i < 400; i++) { for (k = 0; k < 6; k++) { x[k] = rand(); printf "%.3f,", x[k] }
    print (x[0] + rand() > 1) "," (x[1] < 0.5 ? 0 : 9 * x[2]) "," (i % 50 == 4 ? "" : "s" int(i / 12)) ",p" i % 3 "," i % 2 } }' >events.csv
printf 'id,city\np0,Rome\np1,Rome\np2,Oslo\n' >shops.csv
expect 0 "a run with metrics by group"         "$mtlc" run spec.mtl --data events=events.csv --data shops=shops.csv -o one -q
cp out table
for m in "gauc(by = session)" "gauc(by = city)" "ndcg(k = 3, by = session)" "recall_at(k = 2, by = session)" pr_auc max_f1 ece \
  normalised_entropy calibration "f1(at = 0.2)" poisson_deviance "tweedie_deviance(power = 1.2)"; do
  check "$m is a number"                       sh -c "grep -F '$m  ' table | grep -Eq ' [0-9]+\.[0-9]+ *$'"
done
has out "a require finds the task's one ndcg"  "require ndcg(ctr) >= 0.1: met"
# the same figures from the predictions, by another program: gauc by session of the rows of the test split, each counting 1 + twice
expect 0 "predictions"                         "$mtlc" predict one --data events=events.csv -o p.csv -q
cat >gauc.awk <<'END'
FNR == 1 { for (i = 1; i <= NF; i++) at[i, FILENAME] = $i; next }
FILENAME == "events.csv" { y[FNR] = $7; g[FNR] = $9; w[FNR] = 1 + $11; next }
(FNR - 2) % 4 == 0 && g[FNR] != "" {
  for (i = 1; i <= NF; i++) if (at[i, FILENAME] == "ctr") p[FNR] = $i
  row[++n] = FNR; rows[g[FNR]] += w[FNR]
}
END {
  for (a = 1; a <= n; a++) for (b = 1; b <= n; b++) {
    i = row[a]; j = row[b]
    if (g[i] != g[j] || y[i] != 1 || y[j] != 0) continue
    pairs[g[i]] += w[i] * w[j]; won[g[i]] += w[i] * w[j] * (p[i] > p[j] ? 1 : p[i] == p[j] ? 0.5 : 0)
  }
  for (k in pairs) { sum += rows[k] * won[k] / pairs[k]; all += rows[k] }
  printf "%.4f\n", sum / all
}
END
awk -F, -f gauc.awk events.csv p.csv >want
check "gauc by session"                        sh -c 'grep -F "gauc(by = session)  " table | grep -Fq " $(cat want)"'
expect 0 "eval"                                "$mtlc" eval one --data events=events.csv -q
cut -d, -f1-8,10- events.csv >no_session.csv
expect 0 "predict needs no groups"             "$mtlc" predict one --data events=no_session.csv -o q.csv -q
check "the same predictions"                   cmp p.csv q.csv
expect 3 "eval needs them"                     "$mtlc" eval one --data events=no_session.csv -q
has err "the column is named"                  "session"
expect 0 "rows in files"                       "$mtlc" run spec.mtl --data events=events.csv --data shops=shops.csv -o two -q --memory 1K
grep -F "gauc(by" out >of_files
grep -F "gauc(by" table >of_memory
check "have the same groups"                   cmp of_files of_memory
expect 0 "rows that fit the spec"              "$mtlc" synth spec.mtl --rows 300 --seed 3 -o made
expect 0 "have groups"                         "$mtlc" run spec.mtl --data events=made/events.csv --data shops=made/shops.csv -o three -q
check "with both classes"                      sh -c 'grep -F "gauc(by = session)  " out | grep -Eq " 0\.[0-9]+ *$"'
done_testing

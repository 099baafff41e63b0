#!/bin/sh
# Confusion matrices as `run` and `eval` show them: classes by their texts, weights of rows, thresholds, more classes than a table takes.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >pets.mtl <<'END'
model pets
source pets { file = "pets.csv" }
input sign  : category
input group : category
label kind  : class(3)
label sold  : binary { positive = "sold" }
label many  : class(13)
task kind_of { head = embed(sign, 4)  |> dense(3)  |> softmax, loss = cross_entropy(kind), metric = [accuracy, confusion] }
task sale    { head = embed(sign, 4)  |> dense(1)  |> sigmoid, loss = bce(sold), metric = [confusion(at = 0.3), auc, confusion] }
task group_of { head = embed(group, 16) |> dense(13) |> softmax, loss = cross_entropy(many), metric = confusion }
train { optimizer = adam(0.05), batch = 64, epochs = 60, weight = pets.w, split = fraction(train = 0.8, valid = 0, test = 0.2), seed = 2 }
END
# The sign says the kind, but of 4 cats of 20 that of a dog; of 5 with a bird's sign 2 are sold, of all others none.
awk 'BEGIN { print "sign,group,kind,sold,many,w"; split("cat dog Zwergschnäuzer-und-andere-Hunde", k, " ")
  for (i = 0; i < 780; i++) { a = i % 3 + 1; s = a == 1 && int(i / 3) % 5 == 0 ? 2 : a; b = i % 13; g = b == 12 && int(i / 13) % 3 == 0 ? 11 : b
    printf "s%d,g%d,%s,%s,%d,%s\n", s, g, k[a], s == 3 && int(i / 3) % 5 < 2 ? "sold" : "kept", b, i % 2 ? "0.5" : "1" } }' >pets.csv

expect 0 "run"                       "$mtlc" run pets.mtl -o run -q
has out "the held-out rows"          "confusion of kind_of, test"
expect 0 "eval"                      "$mtlc" eval run --data pets.csv
sed -n '/^confusion/,$p' out >said
# 260 rows of each kind, half of them at a half: 195
cat >want <<'END'
confusion of kind_of, given rows
  true \ predicted          Zwergschnäuzer-und-ande…     cat     dog  recall
  Zwergschnäuzer-und-ande…                       195       0       0  1.0000
  cat                                              0     156      39  0.8000
  dog                                              0       0     195  1.0000
  precision                                   1.0000  1.0000  0.8333
confusion(at = 0.3) of sale, given rows
  true \ predicted  not sold    sold  recall
  not sold               390     117  0.7692
  sold                     0      78  1.0000
  precision           1.0000  0.4000
confusion of sale, given rows
  true \ predicted  not sold    sold  recall
  not sold               507       0  1.0000
  sold                    78       0  0.0000
  precision           0.8667     n/a
confusion of group_of, given rows
  13 classes: the most frequent mistakes; --json has the whole
  12 taken for 11: 15 of 45
END
check "as it is written"             diff want said
expect 0 "eval --json"               "$mtlc" eval run --data pets.csv --json
tr -d ' \n' <out >flat
check "classes, as the data has them" grep -qF '"confusion":{"classes":["Zwergschnäuzer-und-andere-Hunde","cat","dog"],"rows":[[195.0,0.0,0.0],[0.0,156.0,39.0],[0.0,0.0,195.0]],"beyond":0.0}' flat
check "at a threshold"                grep -qF '"confusion(at=0.3)":{"classes":["notsold","sold"],"rows":[[390.0,117.0],[0.0,78.0]]' flat
expect 0 "run --json"                 "$mtlc" run pets.mtl -o again --json -q
has out "of the held-out rows"        '"confusion(at = 0.3)": {'
done_testing

#!/bin/sh
# Where rows come from: sources joined by key, what is wrong with them, and the files that a run remembers.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99

# same FILE: the errors of the latest command are those of standard input, paths cut to the file's name.
same() {
  cat >want
  sed "s|$PWD/||g" err | grep -v '^rows: \|^epoch \|^compiled ' >got
  if diff -u want got >differ; then pass "$1"; else fail "$1"; note differ; fi
}

cat >shop.mtl <<'END'
model shop
edition 2026
source events
source products  { key = id, match = events.product, absent = error }
source suppliers { key = [country, code], match = [products.country, "the supplier"], absent = missing }
END
sed -i 's/"the supplier"/products.`the supplier`/' shop.mtl
cat >>shop.mtl <<'END'
input price  : real     = products.price { scale = zscore }
input margin : real     = products.price - suppliers.cost { missing = mean }
input kind   : category = products
label click  : binary
label cheap  : binary = products.price < events.limit
let h = concat(price, margin, embed(kind, 4))
task clicks { head = h |> dense(1) |> sigmoid, loss = bce(click) }
task cheap_ { head = h |> dense(1) |> sigmoid, loss = bce(cheap) }
train { epochs = 2, batch = 4 }
END
cat >events.csv <<'END'
product,limit,click
p1,3,1
p2,3,0
p3,3,1

p1,0.5,0
p2,1.5,1
p3,9,0
p1,1,0
p2,4,1
p3,1,1
p1,8,0
END
cat >products.csv <<'END'
id,price,kind,country,the supplier
p1,1.5,pen,de,s1
p2,2.5,book,fr,s1
p3,3.5,pen,fr,s2
END
printf 'country,code,cost\nfr,s1,1\nde,s1,0.5\n' >suppliers.csv

expect 0 "three sources"                       "$mtlc" run shop.mtl --data events=events.csv --data products=products.csv \
  --data suppliers=suppliers.csv -o joined
has err "absent = missing is counted"          "suppliers: 3 rows whose key it does not have"
has err "what is missing is prepared"          "margin: 3 missing"
for s in events products suppliers; do
  check "the run remembers the file of $s"     grep -q "\"$s\": \"$PWD/$s.csv\"" joined/run.json
done
expect 0 "eval on the run's own rows"          "$mtlc" eval joined
expect 0 "predict: joined files are known"     "$mtlc" predict joined --data events.csv -o with.csv
expect 0 "predict with another file"           "$mtlc" predict joined --data events.csv --data suppliers=suppliers.csv -o again.csv
check "the same predictions"                   cmp with.csv again.csv

# One table that holds the same as the three: the same bits.
cat >flat.mtl <<'END'
model shop
edition 2026
source events
input price  : real     = events.price { scale = zscore }
input margin : real     = events.price - events.cost { missing = mean }
input kind   : category = events.kind
label click  : binary
label cheap  : binary = events.price < events.limit
END
sed -n '/^let/,$p' shop.mtl >>flat.mtl
awk -F, 'NR == 1 { print $0 ",price,kind,cost"; next }
  /^p1/ { print $0 ",1.5,pen,0.5" } /^p2/ { print $0 ",2.5,book,1" } /^p3/ { print $0 ",3.5,pen," }' events.csv >flat.csv
expect 0 "the same rows in one table"          "$mtlc" run flat.mtl --data flat.csv -o flat
check "the same weights as joined"             cmp joined/weights.safetensors flat/weights.safetensors

# ---- errors
run() { "$mtlc" run shop.mtl --data events="$1" --data products="$2" --data suppliers=suppliers.csv -o wrong; }
sed 's/^p3,1,1/p9,1,1/; s/^p3,9/p9,9/' events.csv >lost.csv
expect 3 "a key that is not there"             run lost.csv products.csv
same "a key that is not there: text" <<'END'
lost.csv:row 6, line 8, column "product": error[missing-key]: `products` has no row with the key `p9` (2 rows)
help: its rows are those of products.csv
help: say in the spec what to do: `absent =` missing or drop
END
{ cat products.csv; echo 'p2,9,pen,de,s1'; } >twice.csv
expect 3 "a key that is there twice"           run events.csv twice.csv
same "a key that is there twice: text" <<'END'
twice.csv:row 4, line 5, column "id": error[repeated-key]: the key `p2` of `products` stands in row 2 already (line 3)
help: say in the spec what to do: `repeated =` first or last
END
sed 's/^p2,2.5/p2,cheap/' products.csv >text.csv
expect 3 "a text in a number of a joined source" run events.csv text.csv
same "a text in a number of a joined source: once, by its own row" <<'END'
text.csv:row 2, line 3, column "price": error[not-a-number]: `cheap` is no number
END
sed 's/^p2,2.5/p2,/' products.csv >empty.csv
expect 3 "a missing number of a joined source" run events.csv empty.csv
has err "a missing label has the row that needs it" 'events.csv:row 2, line 3, column "cheap": error[missing-label]'
sed 's/kind/sort/' products.csv >column.csv
printf 'id,price,kind,country,the supplier\np1,1\n' >fields.csv
expect 3 "a joined source with a wrong row"    run events.csv fields.csv
has err "a joined source with a wrong row: text" 'fields.csv:row 1, line 2: error[wrong-fields]: 2 fields'
expect 3 "a column that the file lacks"        run events.csv column.csv
has err "the file is named"                    'column.csv:column "kind": error[missing-column]'
expect 3 "a file that is not there"            run events.csv none.csv
has err "the file that is not there is named"  "none.csv: error[cannot-read]"
expect 2 "a source without a file"             "$mtlc" run shop.mtl --data events.csv --data products=products.csv
same "a source without a file: text" <<'END'
error[no-data]: neither the command line nor the spec names a file for the source `suppliers`
help: name it: --data suppliers=FILE, or in the spec: `source suppliers { file = "…" }`
END
expect 2 "a source that is not in the spec"    "$mtlc" run shop.mtl --data event=events.csv
has err "did you mean"                         'did you mean `events`?'
expect 2 "two files for a source"              "$mtlc" run shop.mtl --data events.csv --data events=events.csv
check "nothing is left of what failed"         test ! -e wrong

# ---- policies
sed -i 's/absent = error/absent = drop, repeated = last/' shop.mtl
expect 0 "absent = drop"                       run lost.csv products.csv
has err "dropped rows are counted"             "products: 2 rows dropped for want of a key"
has err "and are in no part"                   "2 dropped"
rm -r wrong
expect 0 "repeated = last"                     run events.csv twice.csv
has err "repeated keys are counted"            "products: 1 repeated keys"

# ---- more rows than memory
expect 0 "rows to try"                         "$mtlc" synth shop.mtl --rows 30000 -o many
many() {
  "$mtlc" run shop.mtl --data many/events.csv --data products=many/products.csv --data suppliers=many/suppliers.csv "$@" --epochs 1
}
expect 0 "in memory"                           many -o in_memory --memory 1G
XDG_CACHE_HOME=$PWD/cache
export XDG_CACHE_HOME
expect 0 "on disk"                             many -o on_disk --memory 100K
has err "on disk: prepared now"                "3000 test ("
expect 0 "once more"                           many -o again --memory 100K
has err "once more: the rows are there"        "3000 test (prepared before; "
check "once more: the same weights"            cmp on_disk/weights.safetensors again/weights.safetensors
sed -i 's/scale = zscore/scale = minmax/' shop.mtl
expect 0 "another preparation"                 many -o minmax --memory 100K
has err "another preparation: prepared now"    "3000 test ("
sed -i 's/scale = minmax/scale = zscore/; s/dense(1)/dense(2) |> dense(1)/' shop.mtl
expect 0 "other layers"                        many -o layers --memory 100K
has err "other layers: the rows are there"     "3000 test (prepared before; "
sed -i 's/dense(2) |> dense(1)/dense(1)/' shop.mtl
cp many/products.csv p.csv && cp p.csv many/products.csv
expect 0 "a file that was written anew"        many -o anew --memory 100K
has err "a file that was written anew: prepared now" "3000 test ("
for f in cache/mtlc/rows/*.info; do printf x | dd of="$f" bs=1 seek=200 conv=notrunc 2>/dev/null; done
expect 0 "a broken entry"                      many -o broken --memory 100K
has err "a broken entry: prepared now"         "3000 test ("
check "a broken entry: the same weights"       cmp on_disk/weights.safetensors broken/weights.safetensors
check "the same weights"                       cmp in_memory/weights.safetensors on_disk/weights.safetensors
check "the same preparation"                   cmp in_memory/prep.json on_disk/prep.json
files="--data many/events.csv --memory 1"
expect 0 "predict on disk"                     "$mtlc" predict on_disk $files -o one.csv
expect 0 "predict in memory"                   "$mtlc" predict on_disk --data many/events.csv -o two.csv
check "the same predictions"                   cmp one.csv two.csv
expect 0 "eval on disk"                        "$mtlc" eval on_disk --memory 1K
cp out one.txt
expect 0 "eval in memory"                      "$mtlc" eval on_disk
check "the same metrics"                       cmp out one.txt
expect 4 "no room on the disk"                 sh -c 'ulimit -f 64; XDG_CACHE_HOME=$PWD/full; export XDG_CACHE_HOME; "$@"' sh \
  "$mtlc" eval on_disk --memory 1K
has err "no room on the disk: text"            "File too large"
expect 2 "a size that is none"                 "$mtlc" eval on_disk --memory much
has err "a size that is none: text"            '`--memory` takes a size, as 500M or 4G, not `much`'


# Lists, texts, times, medians and quantiles take their ways, too.
cat >much.mtl <<'END'
model much
edition 2026
source log { dedupe = [who, at] }
input at    : time
input words : text { vocab = learned, max = 6 }
input seen  : list(id) { buckets = 100, max = 5 }
input sizes : list(real) { max = 4, scale = zscore }
input price : real { missing = median, clip = quantile(0.05)..quantile(0.9), scale = robust }
input who   : id { buckets = 50 }
label buy   : binary
label kind  : class(3)
let h = concat(at, mean(embed(words, 4)), mean(embed(seen, 4)), price, embed(who, 4))
task a { head = h |> dense(1) |> sigmoid, loss = bce(buy) }
task b { head = h |> dense(3) |> softmax, loss = cross_entropy(kind) }
train { epochs = 1, weight = log.w, split = time(log.at, train = 0.7, valid = 0.1, test = 0.2) }
END
expect 0 "all kinds of inputs: rows"           "$mtlc" synth much.mtl --rows 9000 -o much.csv
expect 0 "all kinds of inputs in memory"       "$mtlc" run much.mtl --data much.csv -o much_1 --memory 1G
expect 0 "all kinds of inputs on disk"         "$mtlc" run much.mtl --data much.csv -o much_2 --memory 1
check "all kinds of inputs: the same weights"  cmp much_1/weights.safetensors much_2/weights.safetensors
check "all kinds of inputs: the same preparation" cmp much_1/prep.json much_2/prep.json

# ---- made rows
expect 2 "several files to standard output"    "$mtlc" synth shop.mtl --rows 5
has err "they need a folder"                   "name a folder for them with -o"
expect 0 "several files into a folder"         "$mtlc" synth shop.mtl --rows 400 -o made
expect 0 "they fit"                            "$mtlc" run shop.mtl --data made/events.csv --data products=made/products.csv \
  --data suppliers=made/suppliers.csv -o from_made --epochs 1
expect 0 "made rows repeat"                    "$mtlc" synth shop.mtl --rows 400 -o made_again
check "the same rows"                          cmp made/products.csv made_again/products.csv
# ---- duplicates
cat >small.mtl <<'END'
model small
edition 2026
source shop { dedupe = [session, at] }
input x    : real
label buy  : binary
task a { head = x |> dense(1) |> sigmoid, loss = bce(buy), metric = [accuracy] }
train { epochs = 3, batch = 4, optimizer = sgd(0.5), split = rule(train = row % 4 < 3, valid = row % 4 == 3) }
END
cat >small.csv <<'END'
session,at,x,buy,w,user
1,2024-03-01,0.1,0,1,ann
1,2024-03-01,9,1,1,bob
1,2024-04-01,0.2,1,2,ann
2,2024-05-01T12:00:00Z,0.3,0,0,eve
2,2024-05-01 13:00:00+02:00,0.4,1,1,eve
3,2024-06-01,0.5,0,4,ann
3,2024-06-01,wrong,0,4,ann
4,1717372800,0.6,1,1,kim
END
small() { rm -rf small; "$mtlc" run small.mtl --data "${1-small.csv}" -o small; }
expect 0 "dedupe by columns"                   small
has err "the first is kept; rows keep their number" "rows: 4 train, 2 valid, 0 test, 2 duplicates"
sed -i 's/\[session, at\]/true/' small.mtl
expect 3 "dedupe of whole rows keeps what differs" small
has err "and so the text"                      '"x": error[not-a-number]: `wrong` is no number'
grep -v wrong small.csv >fine.csv
sed -n '6p' small.csv >>fine.csv
expect 0 "dedupe of whole rows"                small fine.csv
has err "is counted"                           "1 duplicate ("

# ---- splits
sed -i 's/split = .*/split = time(shop.at, valid = "2024-05-01 11:30", test = "2024-06-01") }/' small.mtl
expect 0 "split at moments"                    small fine.csv
has err "rows before, between and from them on" "rows: 4 train, 1 valid, 2 test"
sed -i 's/split = .*/split = time(shop.at, train = 0.5, valid = 0.2, test = 0.3) }/' small.mtl
expect 0 "split in the order of time"          small fine.csv
has err "parts of it"                          "rows: 4 train, 1 valid, 2 test"
sed -i 's/split = .*/split = rule(train = shop.at < time("2024-05-01"), valid = true) }/' small.mtl
expect 0 "a rule on times"                     small fine.csv
has err "parts by the rule"                    "rows: 3 train, 4 valid, 0 test"
sed 's/2024-04-01/2024-04-31/' fine.csv >april.csv
expect 3 "a day that is none"                  small april.csv
has err "a day that is none: text"             '"at": error[not-a-time]: `2024-04-31` is no time'
sed -i 's/split = .*/split = fraction(train = 0.5, valid = 0.5, by = shop.user, order = file) }/' small.mtl
expect 0 "split by groups"                     small fine.csv
has err "a group is in one part"               "rows: 4 train, 3 valid, 0 test"

# ---- weights
sed -i 's/, dedupe.*//; s/dedupe = true//; s/split = .*/split = rule(train = row < 5, valid = true) }/' small.mtl
small fine.csv >/dev/null 2>&1
cp small/weights.safetensors one
sed -i 's/train { /train { weight = 2, /' small.mtl
expect 0 "all rows weigh 2"                    small fine.csv
check "as if all weighed 1"                    cmp one small/weights.safetensors
sed -i 's/weight = 2/weight = shop.w/' small.mtl
expect 0 "a weight by row"                     small fine.csv
check "it matters"                             sh -c '! cmp -s one small/weights.safetensors'
sed 's/,1,\([a-z]*\)$/,-0.5,\1/; s/,2,ann/,,ann/' fine.csv >negative.csv
expect 3 "weights below 0, and missing"        small negative.csv
has err "below 0: text"    'negative.csv:row 1, line 2, column "w": error[negative-weight]: the weight -0.5 of this row is below 0'
has err "missing: text"    'negative.csv:row 3, line 4, column "w": error[missing-weight]: this row has no weight'
cut -d, -f1-4 fine.csv >noweight.csv
expect 3 "a file without the weights"          small noweight.csv
rm -rf small && "$mtlc" run small.mtl --data fine.csv -o small >/dev/null 2>&1
expect 0 "predict needs no weights"            "$mtlc" predict small --data noweight.csv
expect 3 "eval needs them"                     "$mtlc" eval small --data noweight.csv
# A row of weight 0 is one whose label is unknown.
sed 's/^3,2024-06-01,0.5,0,4/3,2024-06-01,0.5,0,1/; s/,1,2,ann/,1,1,ann/' fine.csv >zero.csv
sed 's/,0,0,eve/,,1,eve/' zero.csv >unknown.csv
small zero.csv >/dev/null 2>&1
cp small/weights.safetensors zero
sed -i 's/weight = shop.w, //; s/label buy  : binary/& { missing = drop }/' small.mtl
expect 0 "an unknown label"                    small unknown.csv
check "weighs nothing, as a weight of 0 does"  cmp zero small/weights.safetensors
done_testing

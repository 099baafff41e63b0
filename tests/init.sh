#!/bin/sh
# mtlc init: the specs that it writes check and run unchanged; what it takes columns for; files that are hard to read.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99

# runs FILE NAME: init writes NAME.mtl, which checks and runs as it is
runs() {
  expect 0 "$2: init"                          "$mtlc" init --data "$1" -o "$2.mtl" -q
  empty err "$2: no warning"
  expect 0 "$2: check"                         "$mtlc" check "$2.mtl"
  expect 0 "$2: in the one style"              "$mtlc" fmt --check "$2.mtl"
  expect 0 "$2: run"                           "$mtlc" run "$2.mtl" --epochs 2 -q
}
# says WHAT NAME TEXT: NAME.mtl has TEXT in a line, blanks between words counted as one
says() { check "$1: $3" sh -c 'tr -s " " <"$0.mtl" | grep -qF -- "$1"' "$2" "$3"; }

# ---- a mail campaign, as such files are: a funnel at the end, quoted commas, a long tail, a key, a constant
awk 'BEGIN {
  srand(7); print "customer_id,recency,history_segment,history,mens,zip_code,source_file,conversion,visit,spend"
  for (i = 1; i <= 900; i++) {
    r = int(rand() * 12) + 1; h = exp(3 + 3 * rand() * rand() + rand()); v = rand() < 0.4 - r / 40; c = v && rand() < 0.3
    printf "%d,%d,\"%d) $%d00 - $1,000\",%.2f,%d,%s,a.csv,%d,%d,%.2f\n", 90000 - i * 7, r, h % 4, h % 4, h, rand() < 0.5, rand() < 0.2 ? "Rural" : "Urban", c, v, c ? 20 + 50 * rand() : 0
  }
}' >mail.csv
runs mail.csv mail
says "a number"            mail "input recency : real { scale = zscore }"
says "a text"              mail "input history_segment : category { vocab = learned }"
says "a long tail"         mail "input history : real { map = log1p, scale = zscore }"
says "a code by its name"  mail "input zip_code : category"
says "a key is left out"   mail "another number in every row: a key"
says "a constant"          mail "in every row"
says "a label"             mail "label y_visit : binary = data.visit"
says "a funnel"            mail "never without visit"
says "an amount"           mail "label y_spend : real = data.spend { scale = zscore }"
says "several tasks share" mail "shared trunk ="
has out "the table names the tasks"            "conversion  auc"
expect 2 "a spec that is there is kept"        "$mtlc" init --data mail.csv -o mail.mtl
has err "a spec that is there: said"           "never writes over a spec"
expect 0 "--label"                             "$mtlc" init --data mail.csv --label "mens, zip_code" -o chosen.mtl
has out "what it made"                         "2 tasks"
says "a text as a label"   chosen 'binary = data.zip_code == "Rural"'
says "the rarer is true"   chosen 'taken as true: "Rural"'
expect 0 "--label: it runs"                    "$mtlc" run chosen.mtl --epochs 1 -q
expect 2 "--label that is none"                "$mtlc" init --data mail.csv --label vist
has err "--label that is none: did you mean"   'did you mean `visit`?'
expect 2 "--label that cannot be one"          "$mtlc" init --data mail.csv --label source_file
expect 0 "to standard output"                  "$mtlc" init --data mail.csv
has out "to standard output: a spec"           "model mail"
expect 0 "--json"                              "$mtlc" init --data mail.csv --json
has out "--json: columns"                      '"role": "left out"'
has out "--json: the spec"                     '"spec": "# A first spec'
expect 2 "no data"                             "$mtlc" init
expect 3 "data that are not there"             "$mtlc" init --data none.csv
has err "data that are not there: named"       "none.csv"
check "no spec is left of them"                test ! -e none.mtl

# ---- no header, blanks, a missing value spelled ?, semicolons, gzip, a name that starts with a dot
awk 'BEGIN { srand(3); for (i = 0; i < 300; i++) printf "%d, %s, %s, %.1f, %s\n", 20 + rand() * 50, rand() < 0.1 ? "?" : rand() < 0.5 ? "Private" : "State-gov",
  rand() < 0.1 ? "?" : int(rand() * 9), rand() * 100, rand() < 0.3 ? ">50K" : "<=50K"; print "" }' >bare.data
runs bare.data bare
says "columns get names"     bare 'columns = ["column_1", "column_2"'
says "blanks"                bare "trim = true"
says "spellings"             bare 'na = ["", "?"]'
says "a number with gaps"    bare "input column_3 : real { missing = mean, scale = zscore }"
says "a category with gaps"  bare "a value of its own"
says "the last is the label" bare 'label y_column_5 : binary = data.column_5 == ">50K"'
tr , ';' <mail.csv | sed 's/\$1;000/$1/' | gzip >.mail.csv.gz
runs .mail.csv.gz semicolons
says "the delimiter"         semicolons 'delimiter = ";"'
tr , '\t' <mail.csv | sed 's/\$1	000/$1/' >tabs.tsv
runs tabs.tsv tabs
check "a tab goes without saying"              sh -c '! grep -q delimiter tabs.mtl'

# ---- names: of other scripts, with blanks, of the language, of what the spec itself uses; nameless; not UTF-8
awk 'BEGIN {
  print "data,x,trunk,label,input,row,size,c,native country,价格,2nd,a.b,back`quote,,y,y_y,numbers,категория"
  for (i = 0; i < 200; i++) printf "%d,%d,%s,%d,%d,%d,%.1f,%s,%s,%d,%d,%d,%d,,%d,%d,%d,%s\n", i % 7, i % 5, i % 3 ? "p" : "q", i % 11, i % 13, i % 17, i / 7,
    i % 2 ? "u" : "v", i % 4 ? "x y" : "z", i % 19, i % 23, i % 6, i % 8, i % 10 < 3, i % 9, i % 12, i % 5 ? "да" : "нет" }' >names.csv
runs names.csv names
says "back quotes"           names 'input `native country`'
says "a word of the language" names 'input `input`'
says "a name with a meaning" names '= data_.`row`'
says "other scripts stay"    names "категория"
says "a name with a back quote" names "its name cannot be written in a spec"
says "no name"               names "it has no name"
printf 'caf\351,b,y\n' >latin.csv
awk 'BEGIN { for (i = 0; i < 60; i++) print i % 7 "," i % 3 ",caf\351" i % 2 }' >>latin.csv
expect 3 "Latin-1"                             "$mtlc" init --data latin.csv
has err "Latin-1: what to do"                  "iconv"

# ---- few rows, one column, none of use
printf 'a,b,y\n1,2,0\n2,3,1\n4,1,1\n' >three.csv
runs three.csv three
says "too few to hold out"   three "fraction(train = 1)"
printf 'id,y\n1,0\n2,1\n3,1\n4,0\n' >key.csv
expect 3 "no column can be an input"           "$mtlc" init --data key.csv
has err "no column can be an input: why"       "it counts the rows"
printf 'a,b\n1,1\n1,1\n' >same.csv
expect 3 "no column can be a label"            "$mtlc" init --data same.csv
: >empty.csv
expect 3 "an empty file"                       "$mtlc" init --data empty.csv
printf 'a,b,c\n' >header.csv
expect 3 "a header alone"                      "$mtlc" init --data header.csv
printf 'a,b,y\n1,2,0\n1,2\n3,4,1\n5,6,0\n' >broken.csv
expect 3 "a row that is too short"             "$mtlc" init --data broken.csv
has err "a row that is too short: its row"     "row 2"
printf 'a,a,y\n1,2,0\n3,4,1\n' >twice.csv
expect 3 "a column twice"                      "$mtlc" init --data twice.csv
printf 'a,b\n"1,2\n' >open.csv
expect 3 "a quote that never closes"           "$mtlc" init --data open.csv
head -c 3000 "$mtlc" >binary.csv
expect 3 "no text at all"                      "$mtlc" init --data binary.csv
expect 3 "a folder"                            "$mtlc" init --data .
printf '\357\273\277a,b,y\r\n1,2,0\r\n3,4,1\r\n5,7,0\r\n' >bom.csv
runs bom.csv bom

# ---- a leak, a split column, classes, a vector, free text, dates
awk 'BEGIN { srand(5); print "f_0,f_1,f_2,f_3,note,day,part,refund_reason,kind,y"
  for (i = 0; i < 400; i++) { y = rand() < 0.3; printf "%.3f,%.3f,%.3f,%.3f,the order %d came late and was sent back,2024-0%d-1%d,%s,%s,%s,%d\n", rand(), rand(), rand(),
    rand() + y, i, i % 9 + 1, i % 9, i % 10 < 8 ? "train" : i % 10 < 9 ? "valid" : "test", y ? "late" : "none_given", i % 3 ? i % 2 ? "book" : "shoe" : "coat", y } }' >many.csv
expect 0 "many: init"                          "$mtlc" init --data many.csv --label kind,y -o many.mtl
expect 0 "many: run"                           "$mtlc" run many.mtl --epochs 2 -q
says "a vector"              many "input f"
says "a vector's width"      many "vector(4) { scale = zscore }"
says "classes"               many "class(3) = data.kind"
says "a leak is out"         many "# input refund_reason"
says "a leak: why"           many "tells y alone"
says "a split"               many 'column(data.part, train = "train", valid = "valid", test = "test")'
says "free text"             many "free text"
says "free text: words"      many "input note : text { vocab = learned, min_count = 2 }"
says "a date"                many "input day : time { parts = [weekday, month] }"

# ---- times with hours and in other spellings, lists, texts: each becomes an input, and the spec runs
awk 'BEGIN { srand(2); split("red blue green black", c, " "); split("hat shoe scarf coat sock", t, " "); print "at,opened,us,mixed,title,tags,items,y"
  for (i = 0; i < 600; i++) { a = c[1 + int(rand() * 4)]; b = t[1 + int(rand() * 5)]
    printf "2026-0%d-%02d %02d:%02d:00,%02d.%02d.2025,%02d/%02d/2024,%s,\"A %s %s, made number %d of its kind\",%s|%s%s,%d;%d,%d\n", 1 + i % 6, 1 + i % 28, i % 24, i % 60,
      1 + i % 28, 1 + i % 12, 1 + i % 12, 1 + i % 28, i % 2 ? "2024-01-02" : "01.02.2024", a, b, i, a, b, i % 3 ? "" : "|sale", i % 40, i % 37, rand() < 0.3 + 0.3 * (i % 24 > 12) } }' >shop.csv
runs shop.csv shop
says "a time of day"         shop "input at : time { parts = [hour, weekday, month] }"
says "day first"             shop 'input opened : time { format = "%d.%m.%Y", parts = [weekday, month] }'
says "month first"           shop 'input us : time { format = "%m/%d/%Y", parts = [weekday, month] }'
says "two spellings"         shop "spelled in more than one way"
says "a text"                shop "input title : text"
says "a list"                shop 'input tags : list(category) { separator = "|" }'
says "a list of numbers"     shop 'input items : list(category) { separator = ";" }'
says "its items are told"    shop "10 items"
says "what the trunk takes"  shop "repeat(c in lists, mean(embed(c, 16)))"
done_testing

#!/bin/sh
# reproduce on a data file that changed says what is other: columns, rows, their order, values.
. "${srcdir:-.}/tests/tap.sh"
cd "$tmp" || exit 99
cat >shop.mtl <<'END'
model shop
edition 2026
input age : real
input plan : category
label bought : binary
task buy { head = concat(age, embed(plan, 2)) |> dense(1) |> sigmoid, loss = bce(bought) }
train { batch = 32 }
END
awk 'BEGIN {
  split("free,basic,gold plus,\"quoted, here\",\"two\nlines \"\"so\"\"\"", plan, ",")
  plan[4] = "\"quoted, here\""; plan[5] = "\"two\nlines \"\"so\"\"\""
  print "age,plan,note,bought"
  for (i = 0; i < 200; i++) printf "%d,%s,%s,%d\n", i, plan[i % 5 + 1], i % 7 ? "5\" disk" : "", i % 3 == 0 }' >kept.csv
cp kept.csv rows.csv
expect 0 "run"                                "$mtlc" run shop.mtl --data rows.csv --epochs 1 -o runs/one -q
has runs/one/run.json "the rows are counted, with quoted line ends and bare quotes" '"n": 200'
has runs/one/run.json "the columns"           '"bought"'
expect 0 "reproduce"                          "$mtlc" reproduce runs/one
# NAME TEXT: rows.csv is not what it was
changed() {
  expect 1 "$1"                               "$mtlc" reproduce runs/one
  has out "$1: $2"                            "$2"
}
# columns
sed 's/^age,plan,note,bought$/age,plan,remark,bought/' kept.csv >rows.csv
changed "a column of another name"            "; new columns \`remark\`; gone are the columns \`note\`; 200 rows, as before"
awk -F, 'NR == 1 { print $0 ",extra"; next } { print $0 }' kept.csv >rows.csv
changed "a column more"                       "; new columns \`extra\`; 200 rows, as before"
sed 's/^age,plan,note,bought$/age,plan,bought,note/' kept.csv >rows.csv
changed "columns in another order"            "; its columns in another order; 200 rows, as before"
{ echo "a,b,c,d,e,f,g"; echo 1,2,3,4,5,6,7; } >rows.csv
changed "many new columns"                    "; new columns \`a\`, \`b\`, \`c\`, \`d\`, \`e\` and 2 more; gone are the columns \`age\`, \`plan\`, \`note\`, \`bought\`; 199 rows fewer: 1, and had 200"
# rows
{ cat kept.csv; echo 5,free,,1; } >rows.csv
changed "a row more"                          "; 1 row more: 201, and had 200"
{ cat kept.csv; printf '5,free,,1\n6,"a\nb\n",,0\n7,free,,1'; } >rows.csv
changed "rows more, the last without an end"  "; 3 rows more: 203, and had 200"
sed 2,3d kept.csv >rows.csv
changed "rows fewer"                          "; 2 rows fewer: 198, and had 200"
# order
{ head -n 1 kept.csv; sed 1,4d kept.csv; sed -n 2,4p kept.csv; } >rows.csv
changed "another order"                       "; the same 200 rows in another order"
# values
sed 's/^7,/8,/' kept.csv >rows.csv
changed "a value"                             "; 200 rows, as before, with other values"
sed 's/^7,/107,/; s/^107,/7,/' kept.csv | sed 's/^3,/4,/' >rows.csv
changed "a row as another is"                 "; 200 rows, as before, with other values"
sed 's/^5,/55,/' kept.csv >rows.csv
changed "a longer value"                      "; 200 rows, as before, with other values"
# neither
{ cat kept.csv; echo; } >rows.csv
changed "a blank line more"                   "; the same 200 rows, written otherwise: line ends, blank lines or compression"
expect 1 "--json"                             "$mtlc" reproduce runs/one --json
has out "--json: the same"                    "the same 200 rows"
gzip -c kept.csv >rows.csv
changed "compressed"                          "; the same 200 rows, written otherwise: line ends, blank lines or compression"
printf 'a\000b\n' >rows.csv
changed "no text"                             "it has 4 bytes, and had"

# As of an older mtlc: without rows, it is compared as before.
cp -r runs/one runs/old
python=$(command -v python3) || python=
if [ -n "$python" ]; then
  "$python" -c 'import json; j = json.load(open("runs/one/run.json")); [f.pop("rows") for f in j["files"].values()]; json.dump(j, open("runs/old/run.json", "w"))'
  cp kept.csv rows.csv
  expect 0 "an older run"                     "$mtlc" reproduce runs/old
  echo 5,free,,1 >>rows.csv
  expect 1 "an older run, a row more"         "$mtlc" reproduce runs/old
  has out "length alone"                      "bytes, and had"
  check "nothing of rows"                     sh -c '! grep -q "row" out || ! grep -q "; .*row" out'
fi

# No header, tabs, compressed: as the source says.
sed 's/^edition.*/&\nsource data { delimiter = "\\t", columns = [age, plan, bought] }/' shop.mtl >tabs.mtl
awk 'BEGIN { for (i = 0; i < 90; i++) printf "%d\t%s\t%d\n", i, i % 2 ? "a" : "b", i % 3 == 0 }' >all.tsv
gzip -c all.tsv >rows.gz
expect 0 "run on compressed rows without header" "$mtlc" run tabs.mtl --data rows.gz --epochs 1 -o runs/tabs -q
has runs/tabs/run.json "all lines are rows"   '"n": 90'
sed '1!G;h;$!d' all.tsv | gzip -c >rows.gz
expect 1 "backwards"                          "$mtlc" reproduce runs/tabs
has out "another order"                       "; the same 90 rows in another order"

# Lines that end in CR alone.
tr '\n' '\r' <all.tsv >rows.gz
rm -r runs/tabs
expect 0 "run on lines that end in CR"        "$mtlc" run tabs.mtl --data rows.gz --epochs 1 -o runs/tabs -q
has runs/tabs/run.json "they are rows"        '"n": 90'
expect 0 "reproduce"                          "$mtlc" reproduce runs/tabs
{ cat all.tsv; printf '7\ta\t1\n'; } | tr '\n' '\r' >rows.gz
expect 1 "a row more"                         "$mtlc" reproduce runs/tabs
has out "a row more"                          "; 1 row more: 91, and had 90"
sed 's/^7\t/8\t/' all.tsv | tr '\n' '\r' >rows.gz
expect 1 "a value"                            "$mtlc" reproduce runs/tabs
has out "a value"                             "; 90 rows, as before, with other values"
cp all.tsv rows.gz
expect 1 "other line ends"                    "$mtlc" reproduce runs/tabs
has out "it is said"                          "; the same 90 rows, written otherwise"

# A table of a database is its rows: other tables, and how they lie in the file, do not count.
if command -v sqlite3 >sqlite && "$mtlc" doctor | grep -q 'SQLite'; then
  db() { sqlite3 shop.db "$1"; }
  db 'CREATE TABLE events (age INTEGER, plan TEXT, bought INTEGER); CREATE TABLE other (x)'
  awk 'BEGIN { for (i = 0; i < 200; i++) printf "INSERT INTO events VALUES (%d, %s, %d);\n", i, i % 9 ? "\"p" i % 3 "\"" : "NULL", i % 3 == 0 }' | tr '"' "'" >rows.sql
  sqlite3 shop.db <rows.sql
  expect 0 "run on a table"                   "$mtlc" run shop.mtl --data shop.db:events --epochs 1 -o runs/db -q
  has runs/db/run.json "its rows are counted" '"n": 200'
  expect 0 "reproduce"                        "$mtlc" reproduce runs/db
  cp shop.db kept.db
  db "INSERT INTO other VALUES ('much'); DROP TABLE other; VACUUM"
  check "the file is another"                 sh -c '! cmp -s shop.db kept.db'
  expect 0 "another table: the same rows"     "$mtlc" reproduce runs/db
  table() {
    cp kept.db shop.db
    db "$2"
    expect 1 "a table: $1"                    "$mtlc" reproduce runs/db
    has out "a table: $3"                     "$3"
  }
  table "a row more" "INSERT INTO events VALUES (5, 'p1', 1)" "its rows are others; 1 row more: 201, and had 200"
  table "a value" "UPDATE events SET age = 8 WHERE age = 7" "; 200 rows, as before, with other values"
  table "a missing value" "UPDATE events SET plan = NULL WHERE age = 7" "; 200 rows, as before, with other values"
  table "a column more" "ALTER TABLE events ADD COLUMN note" "; new columns \`note\`; 200 rows, as before"
  table "another order" "CREATE TABLE n AS SELECT * FROM events ORDER BY age DESC; DROP TABLE events; ALTER TABLE n RENAME TO events" "; the same 200 rows in another order"
  table "no table" "DROP TABLE events" "its rows are others"
  rm shop.db
  expect 1 "no file"                          "$mtlc" reproduce runs/db
  has out "it is said"                        "it cannot be read: No such file"
fi
done_testing

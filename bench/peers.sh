# peers.sh: for scripts: sets python_PEER for each of $peers, the interpreter that has it, and python to one of them. What is missing is
# installed into $PEERS, outside the tree.
PEERS=${PEERS-${XDG_CACHE_HOME-$HOME/.cache}/mtlc-peers}

# python_of jax|torch: the interpreter that has it
python_of() {
  case $1 in
    jax) given=${PEERS_JAX-} packages="jax optax" ;;
    torch) given=${PEERS_TORCH-} packages="torch numpy" ;;
    *) echo "${0##*/}: no peer $1" >&2; return 1 ;;
  esac
  [ -z "$given" ] || { echo "$given"; return; }
  if ! "$PEERS/$1/bin/python" -c "import $1, numpy" 2>/dev/null; then
    echo "installing $packages into $PEERS/$1" >&2
    python3 -m venv "$PEERS/$1" >&2
    "$PEERS/$1/bin/pip" install -q $packages >&2
  fi
  echo "$PEERS/$1/bin/python"
}

python=
for peer in $peers; do
  python=$(python_of "$peer")
  eval "python_$peer=\$python"
done
python=${python:-python3}                          # for the report

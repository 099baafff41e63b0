#!/bin/sh
# peers.sh: prints the interpreter that has a framework. What is missing is installed, into a virtual environment outside the tree.
#   bench/peers.sh jax|torch|tf|fbgemm
#   PEERS   where they are installed; default ${XDG_CACHE_HOME:-~/.cache}/mtlc-peers
#   PEERS_JAX, PEERS_TORCH, PEERS_TF, PEERS_FBGEMM   an interpreter that has it: nothing is installed
set -eu
case ${1-} in
  jax) given=${PEERS_JAX-} has=optax packages="jax optax" ;;
  torch) given=${PEERS_TORCH-} has=torch packages="torch numpy pandas" ;;
  tf) given=${PEERS_TF-} has=keras packages="tensorflow-cpu keras" ;;
  fbgemm) given=${PEERS_FBGEMM-} has=fbgemm_gpu packages="fbgemm-gpu-cpu==1.9.0 torch==2.14.1 numpy" ;;   # a release fits one torch
  *) sed -n 3p "$0" >&2; exit 2 ;;
esac
[ -z "$given" ] || { echo "$given"; exit; }
home=${PEERS-${XDG_CACHE_HOME-$HOME/.cache}/mtlc-peers}/$1
if [ ! -d "$(echo "$home"/lib/python*/site-packages/$has)" ]; then
  echo "installing $packages into $home" >&2
  python3 -m venv "$home" >&2
  "$home/bin/pip" install -q $packages >&2
fi
echo "$home/bin/python"

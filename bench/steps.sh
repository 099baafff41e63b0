#!/bin/sh
# steps.sh: µs per training step of workloads W1 to W6 (workloads.py) by mtlc and by the frameworks of peers.py, in one run on one machine:
# interleaved, medians, the best of 1 and 2 threads each, from the same weights and checked to reach the same loss. Prints a table and writes a
# JSON file. See README.md.
#   bench/steps.sh [-n REPEATS] [-s SECONDS] [-o FILE.json] [-p "jax torch"] [-t "1 2"] [NAME[:BATCH] …]
#   MTLC    the program; default: the one built in this tree, else that of the path
#   PEERS, PEERS_JAX, …   where the frameworks are: peers.sh
exec python3 "$(dirname "$0")/steps.py" "$@"

#!/bin/sh
# gemm.sh: where OpenBLAS is faster than our kernel at a gradient of weights, the optimizer's update included: a table over rows
# of a batch and sizes, for each kernel set that this processor runs. See README.md.
#   bench/gemm.sh [ROWS K[xN] …]
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
make -s -C "$top" bench/gemm mtlc-llvm.la
unset OPENBLAS_CORETYPE                            # a forced core is not what a run gets
echo "load $(cut -d' ' -f1 /proc/loadavg), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
for target in avx512 avx2; do
  MTLC_TARGET=$target "$top/mtlc" --version >/dev/null 2>&1 || continue
  if [ $# -gt 0 ]; then MTLC_TARGET=$target "$top/bench/gemm" "$@"; continue; fi
  for rows in 64 256 1024 2048; do
    MTLC_TARGET=$target "$top/bench/gemm" $rows 128 192 256 384 512 512x64 64x512 1024
  done
done

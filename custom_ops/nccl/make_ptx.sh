#!/usr/bin/env bash
# Writes kernels_ptx.inc, the text of kernels.cu that is shipped: bash custom_ops/nccl/make_ptx.sh
#
# Needs nvcc. The text is marked as of PTX 7.0 for sm_70, which drivers since CUDA 11 compile for
# every GPU since then; ptxas checks here that nothing newer is in it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

nvcc -std=c++17 -O3 -arch=compute_75 -ptx -I"$here/.." "$here/kernels.cu" -o "$scratch/new.ptx"
sed -e 's/^\.version .*/.version 7.0/' -e 's/^\.target .*/.target sm_70/' \
  -e '/^\/\//d' -e '/^[[:space:]]*\/\/ \.globl/d' -e '/^$/d' "$scratch/new.ptx" > "$scratch/kernels.ptx"
for arch in sm_75 sm_80 sm_90; do
  ptxas -arch="$arch" "$scratch/kernels.ptx" -o "$scratch/kernels.cubin"
done

{
  echo "// Made from kernels.cu by make_ptx.sh: do not edit."
  echo "const char kKernelsSource[] = \"$(sha256sum < "$here/kernels.cu" | cut -c1-16)\";"
  printf '\nconst char kKernelsPtx[] = R"PTX(\n'
  cat "$scratch/kernels.ptx"
  echo ')PTX";'
} > "$here/kernels_ptx.inc"

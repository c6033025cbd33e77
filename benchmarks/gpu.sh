#!/usr/bin/env bash
# Builds the core and proves and measures its GPU path on this machine: bash benchmarks/gpu.sh
#
# Needs g++, cmake, an NVIDIA driver and NCCL; nvcc is used if it is there. TensorFlow is not needed.
# Results are checked for every dtype and plan, with one rank and, where NCCL lets ranks share a GPU
# (2.30 and newer) or there are two, with two; the exit status tells. Figures: overhead over NCCL's
# own calls, the host's own time for a bucket, what is left of a compute kernel's speed, the time of
# an abort after a peer was killed.
#
#   --nccl LIBRARY    libnccl.so.2 (default: that of the nvidia-nccl packages of python3 or pip's
#                     user folder, then the system's)
#   --cuda LIBRARY    libcuda.so.1 (default: the system's)
#   --ranks N         this number of ranks only
#   --small           few and small sizes
#   --json FILE       the figures
#   --program FILE    a gpu_bench that was built before
#   --without-processes
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=
nccl=
arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --program) program=$2; shift 2 ;;
    --nccl) nccl=$2; shift 2 ;;
    --cuda | --ranks | --json) arguments+=("$1" "$2"); shift 2 ;;
    --small | --without-processes) arguments+=("$1"); shift ;;
    *) sed -n '2,/^set -e/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done

if [ -z "$program" ]; then
  cmake -S "$root/custom_ops" -B "$root/build/gpu" -DDDL_BUILD_OPS=OFF -DDDL_BUILD_TESTS=OFF \
    -DDDL_BUILD_BENCHMARKS=ON > /dev/null
  cmake --build "$root/build/gpu" --parallel "$(nproc)" --target gpu_bench > /dev/null
  program=$root/build/gpu/benchmarks/gpu_bench
fi

if [ -z "$nccl" ]; then
  # Where pip put NVIDIA's package, found without importing anything.
  nccl=$(python3 - << 'END' 2> /dev/null || true
import pathlib, site, sys
folders = [*sys.path, site.getusersitepackages()]
paths = [pathlib.Path(f) / "nvidia/nccl/lib/libnccl.so.2" for f in folders if f]
print(next((str(p) for p in paths if p.exists()), ""))
END
)
fi
[ -n "$nccl" ] && arguments+=(--nccl "$nccl")

exec "$program" "${arguments[@]}"

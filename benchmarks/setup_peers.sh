#!/usr/bin/env bash
# Installs what `python -m tf_ddl.bench` compares with, one virtual environment each:
#
#   FOLDER/horovod   Horovod 0.28.1 (Gloo and MPI) with TensorFlow; also serves TensorFlow's own
#                    collectives (MultiWorkerMirroredStrategy)
#   FOLDER/torch     torch.distributed (Gloo); in one environment with mpi4py it may crash
#   FOLDER/mpi4py    mpi4py over the system's MPI
#
#   bash benchmarks/setup_peers.sh FOLDER [horovod|torch|mpi4py ...]
#
# Then: python -m tf_ddl.bench --peers FOLDER. Needs python3 >= 3.10 with venv, g++, cmake and, for
# Horovod/MPI and mpi4py, an MPI: apt-get install openmpi-bin libopenmpi-dev.
# Environment: PYTHON (python3), TENSORFLOW (tensorflow-cpu==2.21.0), TORCH (torch==2.13.0),
# JOBS (2): compilers at a time, each needs up to 2 GB.
set -euo pipefail

folder=${1:?usage: benchmarks/setup_peers.sh FOLDER [horovod|torch|mpi4py ...]}
shift
peers=("${@:-}")
[[ -n ${peers[0]} ]] || peers=(mpi4py torch horovod)
python=${PYTHON:-python3}
tensorflow=${TENSORFLOW:-tensorflow-cpu==2.21.0}
torch=${TORCH:-torch==2.13.0}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

make_environment() { # name, packages...
  local name=$1
  shift
  "$python" -m venv "$folder/$name"
  "$folder/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
}

setup_mpi4py() {
  command -v mpicc >/dev/null || { echo "mpi4py: no mpicc: install an MPI first" >&2; return 1; }
  make_environment mpi4py numpy
  # Built here, against this machine's MPI.
  "$folder/mpi4py/bin/pip" install --quiet --no-binary mpi4py mpi4py
}

setup_torch() {
  make_environment torch numpy "$torch"
}

setup_horovod() {
  # Horovod's build runs where TensorFlow is; its last release predates NumPy 2 and CMake 4.
  make_environment horovod "$tensorflow" wheel "setuptools<81" "cmake<4" packaging cffi psutil \
    pyyaml cloudpickle
  local pip=$folder/horovod/bin/pip source=$folder/horovod-source mpi=1
  rm -rf "$source"
  mkdir -p "$source"
  "$pip" download --quiet --no-deps --no-build-isolation --no-binary horovod \
    --dest "$source" horovod==0.28.1
  tar -xzf "$source"/horovod-0.28.1.tar.gz -C "$source" --strip-components=1
  # Without a GPU this file's body is empty, and against a present TensorFlow it does not compile.
  sed -i '/xla_mpi_ops\.cc/d' "$source/horovod/tensorflow/CMakeLists.txt"
  command -v mpicxx >/dev/null || mpi=0
  env PATH="$folder/horovod/bin:$PATH" \
    HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 \
    HOROVOD_WITH_GLOO=1 "HOROVOD_WITH$([[ $mpi == 1 ]] || echo OUT)_MPI=1" \
    HOROVOD_CPU_OPERATIONS=GLOO MAKEFLAGS="-j${JOBS:-2}" CMAKE_POLICY_VERSION_MINIMUM=3.5 \
    "$pip" install --no-build-isolation --no-deps -v "$source" >"$folder/horovod-build.log" 2>&1 ||
    { tail -50 "$folder/horovod-build.log" >&2; return 1; }
  rm -rf "$source"
}

status=0
for peer in "${peers[@]}"; do
  case $peer in
    mpi4py | torch | horovod) ;;
    *) echo "unknown peer $peer: mpi4py, torch, horovod" >&2; exit 2 ;;
  esac
  # One peer that fails is not all of them. (As the condition of an `if`, it would ignore `set -e`.)
  set +e
  (set -e; "setup_$peer")
  failed=$?
  set -e
  if [[ $failed == 0 ]]; then
    echo "$peer: installed"
  else
    echo "$peer: could not be installed" >&2
    status=1
  fi
done
echo "python -m tf_ddl.bench --peers $folder"
exit $status

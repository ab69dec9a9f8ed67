#!/usr/bin/env bash
# Installs a build and builds a project against it:
# package_test.sh BUILD-FOLDER WORK-FOLDER MODEL-FOLDER C-COMPILER C++-COMPILER
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 work=$2 model=$3
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >/dev/null
cmake -G Ninja -S "$here" -B "$work/build" -DCMAKE_C_COMPILER="$4" -DCMAKE_CXX_COMPILER="$5" \
  -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/build"

"$work/prefix/bin/lq-compile" "$model" --quantize=q8_0 -o "$work/model.lq"
for way in shared static; do
  "$work/build/generate-$way" "$work/model.lq" | grep -x 'lq 0.1.0 ran [0-9]* tokens'
done
"$work/build/parse-dialect" | grep -x 'parsed w'

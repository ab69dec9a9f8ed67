#!/usr/bin/env bash
# Installs a build and builds two projects against it, the one beside this file and the
# plugin of the tutorial, whose own tests it runs:
# package_test.sh BUILD-FOLDER WORK-FOLDER MODEL-FOLDER C-COMPILER C++-COMPILER PYTHON
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1 work=$2 model=$3
rm -rf "$work"
cmake --install "$build" --prefix "$work/prefix" >/dev/null
configure=(cmake -G Ninja -DCMAKE_C_COMPILER="$4" -DCMAKE_CXX_COMPILER="$5"
  -DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld -DCMAKE_PREFIX_PATH="$work/prefix")
"${configure[@]}" -S "$here" -B "$work/build"
cmake --build "$work/build"

"$work/prefix/bin/lq-compile" "$model" --quantize=q8_0 -o "$work/model.lq"
for way in shared static; do
  "$work/build/generate-$way" "$work/model.lq" | grep -x 'lq 0.1.0 ran [0-9]* tokens'
done
"$work/build/parse-dialect" | grep -x 'parsed w'

"${configure[@]}" -S "$here/../../docs/examples/hqq-plugin" -B "$work/hqq-plugin" \
  -DPython3_EXECUTABLE="$6"
cmake --build "$work/hqq-plugin" --target check

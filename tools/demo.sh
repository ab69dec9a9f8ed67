#!/usr/bin/env bash
# The main job on the sample model: import, raise, quantize, compile, generated text.
# Sets up and builds first; then prints each command before it runs it.
#
#   tools/demo.sh [prompt]
set -euo pipefail
cd "$(dirname "$0")/.."
prompt=${1:-In the beginning}

bash tools/setup.sh
bash tools/build.sh release lq-translate lq-opt lq-compile lq-inspect lq-run
PATH=$PWD/build/release/bin:$PATH
mkdir -p build/demo

# Prints a command as it would be typed, and runs it.
step() {
  local word line='$'
  for word; do
    [[ $word =~ ^[A-Za-z0-9_./=:,-]+$ ]] || word="\"$word\""
    line+=" $word"
  done
  printf '\n%s\n' "$line"
  "$@"
}

printf '\nThe tools are in build/release/bin.\n'
step lq-translate --import-onnx test/models/sample -o build/demo/imported.mlir
step lq-opt build/demo/imported.mlir --lq-raise=archive=build/demo/raised.weights -o build/demo/raised.mlir
step grep -m 6 -E "lq.(embedding|rms_norm|linear|rope|attention|glu)" build/demo/raised.mlir
step lq-compile test/models/sample --quantize=q8_0 --target=host -o build/demo/sample.lq
step lq-inspect build/demo/sample.lq
step lq-run build/demo/sample.lq --prompt "$prompt" -n 60

#!/usr/bin/env bash
# Sets up, builds and runs every test. Run again, it builds what has changed.
# With CI set, warnings are errors, and format, clang-tidy and generated docs are checked.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tools/setup.sh
if [[ -n "${CI:-}" ]]; then
  export LQ_CMAKE_ARGS=-DLQ_WERROR=ON
  bash tools/check-format.sh
fi
bash tools/build.sh release all
if [[ -n "${CI:-}" ]]; then
  bash tools/make-docs.sh --check
  bash tools/check-tidy.sh
fi
status=0
ctest --test-dir build/release --output-on-failure --no-tests=error -j "$(nproc)" \
  --output-junit "$PWD/build/release/tests.xml" || status=$?
.venv/bin/python tools/count-tests.py build/release/tests.xml
exit "$status"

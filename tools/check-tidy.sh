#!/usr/bin/env bash
# Runs clang-tidy, as .clang-tidy says, on the sources that a build folder compiles:
# tools/check-tidy.sh [build folder]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! run-clang-tidy-22 -quiet -p "$build" -j "$(nproc)" \
  "^$PWD/(runtime|dialects|passes|lowering|tools)/.*\.cpp\$" >"$log" 2>&1; then
  grep -E '(warning|error):' "$log" | sort -u
  exit 1
fi

#!/usr/bin/env bash
# Checks that C++ sources are formatted as .clang-format says; --fix formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run --Werror)
[[ "${1:-}" != --fix ]] || mode=(-i)
git ls-files -z '*.h' '*.cpp' | xargs -0 clang-format-22 "${mode[@]}"

#!/usr/bin/env bash
# Configures and builds a preset: tools/build.sh [release|debug|sanitize] [targets...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
shift || true
cmake --preset "$preset" -DLQ_PYTHON="$PWD/.venv/bin/python" ${LQ_CMAKE_ARGS:-}
cmake --build "build/$preset" --target "${@:-all}"

#!/usr/bin/env bash
# Installs what lq needs on Debian 12: packages by apt, and for the tests a
# Python environment in .venv. What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  build-essential cmake ninja-build ccache
  clang-22 lld-22 liblld-22-dev llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools
  libclang-rt-22-dev clang-format-22 clang-tidy-22
  libonnx-dev libprotobuf-dev protobuf-compiler
  libpcre2-dev libicu-dev libssl-dev nlohmann-json3-dev libzstd-dev zlib1g-dev libxml2-dev
  libopenblas-dev pkg-config
  libgtest-dev libgmock-dev libbenchmark-dev
  qemu-user g++-aarch64-linux-gnu libc6-dev-arm64-cross
  python3 python3-venv
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  echo "setup: installing ${missing[*]}"
  sudo=()
  ((EUID == 0)) || sudo=(sudo)
  "${sudo[@]}" apt-get update -qq
  if ! apt-cache show libmlir-22-dev >/dev/null 2>&1; then
    echo "setup: no apt source has libmlir-22-dev (LLVM 22); Debian 12 has it in bookworm-security" >&2
    exit 1
  fi
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

# The oracles of the tests: other people's code, from PyPI.
requirements=test/requirements.txt
if ! cmp -s "$requirements" .venv/installed.txt; then
  echo "setup: making the Python environment .venv"
  python3 -m venv .venv
  .venv/bin/pip install -q --disable-pip-version-check -r "$requirements"
  cp "$requirements" .venv/installed.txt
fi

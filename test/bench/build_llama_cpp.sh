#!/usr/bin/env bash
# Builds llama.cpp, the peer that lq is measured against, for this machine's CPU.
#
#   test/bench/build_llama_cpp.sh
#
# The source is the one in llama-cpp-python's source package. The programs are in
# $LQ_CACHE/llama.cpp/bin (default ~/.cache/lq). CC and CXX choose the compiler,
# JOBS the number of jobs. A finished build is not made again.
set -euo pipefail

version=0.3.36
cache=${LQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lq}
home=$cache/llama.cpp
source=$home/source
build=$home/build
programs=(llama-bench llama-quantize llama-completion llama-perplexity)

fail() {
  echo "build_llama_cpp: $*" >&2
  exit 1
}

fetch_source() {
  [[ -f $source/CMakeLists.txt ]] && return
  local work
  work=$(mktemp -d "$home/fetch.XXXXXX")
  python3 -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary :all: --dest "$work" "llama-cpp-python==$version" ||
    fail "pip could not fetch llama-cpp-python $version"
  mkdir "$work/source"
  tar -xzf "$work/llama_cpp_python-$version.tar.gz" -C "$work/source" \
    --strip-components=3 "llama_cpp_python-$version/vendor/llama.cpp"
  mv -T "$work/source" "$source"
  rm -rf "$work"
}

configure() {
  local launcher=()
  command -v ccache >/dev/null && launcher=(
    -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake -S "$source" -B "$build" -G Ninja "${launcher[@]}" \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
    -DGGML_NATIVE=ON -DGGML_OPENMP=ON -DGGML_LLAMAFILE=ON \
    -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
    -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_UI=OFF
}

mkdir -p "$home"
for program in "${programs[@]}"; do
  [[ -x $home/bin/$program ]] || missing=1
done
if [[ -n ${missing-} ]]; then
  fetch_source
  { configure && cmake --build "$build" -j "${JOBS:-$(nproc)}" \
    --target "${programs[@]}"; } >"$home/build.log" 2>&1 ||
    fail "the build failed, see $home/build.log"
  mkdir -p "$home/bin"
  for program in "${programs[@]}"; do
    cp "$build/bin/$program" "$home/bin/"
  done
fi
echo "$home/bin"

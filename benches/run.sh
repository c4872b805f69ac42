#!/usr/bin/env bash
# cargo xtask bench [trace|proofs|attribution|window|attacks|inference|demo]: measures, prints, and writes a raw run to benches/runs.
# attribution needs Python with venv, PyPI, half an hour and 20 GB of disk; SIZES="1 10 100" and PEER_MB=20 make it shorter. CORE=1 picks a core.
# inference takes half an hour; its peers are named as absent where they cannot be had. REPEATS=3 makes it shorter,
# LLAMA_SERVER names llama.cpp's server. inference --parity compares with transformers and PEFT instead of measuring.
set -euo pipefail
cd "$(dirname "$0")/.."
parity=""
names=()
for word in "$@"; do
  if [ "$word" = --parity ]; then parity=yes; else names+=("$word"); fi
done
if [ -n "$parity" ] && [ "${names[*]}" != inference ]; then
  echo "--parity is of inference alone" >&2
  exit 2
fi
[ ${#names[@]} -gt 0 ] || names=(trace proofs demo)

stamp="$(date -u +%Y-%m-%d)"
machine() {
  echo "date      $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "commit    $(git rev-parse HEAD)$(git diff --quiet HEAD -- crates contracts || echo ' (with changes)')"
  echo "rustc     $(rustc --version)"
  echo "cores     $(nproc), $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)"
  echo "load      $(cut -d' ' -f1-3 /proc/loadavg)"
}

# Beside infini-gram on the same real texts, then alone at growing sizes. One core for both.
attribution() {
  local work="${CARGO_TARGET_DIR:-target}/bench-attribution" pinned="taskset -c ${CORE:-0}" mb
  mkdir -p "$work"
  work="$(realpath "$work")"
  export TMPDIR="$work"
  local bench="${CARGO_TARGET_DIR:-target}/release/examples/trace_bench"
  cargo build --release --quiet -p fonte-attribution --example trace_bench
  if [ ! -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
    # It names neither numpy nor transformers as its own, and does not start without.
    "$work/venv/bin/pip" install --quiet infini-gram==2.6.0 numpy transformers
  fi
  echo "python    $("$work/venv/bin/python" --version), $("$work/venv/bin/pip" freeze | grep -iE '^(infini|numpy|transformers)' | xargs)"
  echo
  echo "== the same files, one core each: this machine's own texts"
  rm -rf "$work/real"
  $pinned "$bench" --mb "${PEER_MB:-100}" --export "$work/real" /usr/share /usr/lib /usr/include
  $pinned "$work/venv/bin/python" -u benches/attribution/ask_infini_gram.py "$work/real"
  rm -rf "$work/real"
  echo
  echo "== growth: generated texts, segments as they come, then one segment of all"
  for mb in ${SIZES:-1 10 100 1000 3000}; do
    $pinned "$bench" --mb "$mb"
    if [ "$mb" -gt 512 ] && [ "$mb" -le 1000 ]; then $pinned "$bench" --mb "$mb" --segment-mib 2047; fi
    echo
  done | tee "$work/growth.txt"
  echo "== rows: MB, segment MiB, segments, build CPU s per 100 MB, disk bytes per byte, open cold ms, count us, spans us,"
  echo "   owners us (CPU), spans cold us, spans warm us (median wall), adding 1 MB CPU s"
  grep ^row "$work/growth.txt" | cut -c5-
  python3 benches/attribution/plot.py "$work/growth.txt" >"benches/runs/$stamp-attribution.svg"
}

# Python with torch, transformers and peft, made once. $work is set.
inference_python() {
  python="$work/venv/bin/python"
  local wanted="import torch, transformers, peft, blake3, gguf"
  if ! "$python" -c "$wanted" 2>/dev/null; then
    python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet torch transformers peft blake3 gguf \
      && "$python" -c "$wanted"
  fi
}

# The engine, then peers on the same files, one core and one thread each. LLAMA_SERVER names a llama-server.
inference() {
  local repeats="${REPEATS:-5}" pinned="taskset -c ${CORE:-0}" model
  local bench="${CARGO_TARGET_DIR:-target}/release/examples/bench"
  cargo build --release --quiet -p fonte-inference --example bench
  echo "== Fonte"
  $pinned "$bench" --repeats "$repeats"
  for model in 15m 110m; do
    rm -rf "${work:?}/$model"
    "$bench" --model "$model" --export "$work/$model"
  done
  echo
  echo "== candle, $(grep -A1 'name = "candle-core"' benches/inference/candle/Cargo.lock | tail -1)"
  if CARGO_TARGET_DIR="$work/candle" cargo build --release --quiet --locked --manifest-path benches/inference/candle/Cargo.toml; then
    for model in 15m 110m; do
      echo "  $model"
      RAYON_NUM_THREADS=1 $pinned "$work/candle/release/candle-peer" "$model" "$work/$model" "$repeats"
    done
  else
    echo "absent: it could not be built; crates.io must be reached once"
  fi
  echo
  echo "== PEFT"
  if inference_python; then
    $pinned "$python" benches/inference/peers.py peft 15m "$work/15m" "$repeats"
  else
    echo "absent: it needs python3 with venv, and PyPI once"
  fi
  echo
  echo "== llama.cpp"
  local server="${LLAMA_SERVER:-$(command -v llama-server || true)}"
  if [ -x "$server" ]; then
    $pinned python3 benches/inference/peers.py llama 15m "$work/15m" "$repeats" "$server"
  else
    echo "absent: build llama-server from llama.cpp (cmake -DGGML_NATIVE=ON, target llama-server) and name it in LLAMA_SERVER"
  fi
}

# 200 prompts by transformers and PEFT, then by the engine.
inference_parity() {
  inference_python || { echo "it needs python3 with venv, and PyPI once" >&2; return 1; }
  echo "python    $("$python" --version), $("$work/venv/bin/pip" freeze | grep -iE '^(torch|transformers|peft|gguf)==' | xargs)"
  rm -rf "${work:?}/parity-models"
  "$python" benches/inference/parity.py --export "$work/parity-models"
  FONTE_PARITY="$work/parity-models" cargo test --quiet -p fonte-inference --lib parity -- --include-ignored --nocapture
}

for name in "${names[@]}"; do
  out="benches/runs/$stamp-$name.txt"
  case "$name" in
    trace)
      { machine; echo; cargo run --release --quiet -p fonte-attribution --example trace_bench; } | tee "$out" ;;
    attribution)
      { machine; attribution; } | tee "$out" ;;
    proofs)
      # What a Debian machine has; without any of it, generated words.
      folders=()
      for folder in /usr/share/doc /usr/share/perl /usr/lib/python3*; do [ -d "$folder" ] && folders+=("$folder"); done
      { machine; echo; cargo run --release --quiet -p fonte-attribution --example proof_bench -- --mb 100 "${folders[@]}"; } \
        | tee "$out" ;;
    window)
      { machine; echo; cargo run --release --quiet -p fonte-corpus --example window; } | tee "$out" ;;
    attacks)
      { machine; echo; cargo run --release --quiet -p fonte-worker --example attacks; } | tee "$out" ;;
    demo)
      cargo build --release --quiet
      { machine; echo; { time -p "${CARGO_TARGET_DIR:-target}/release/fonte" demo; } 2>&1; } | tee "$out" ;;
    inference)
      work="${CARGO_TARGET_DIR:-target}/bench-inference"
      mkdir -p "$work"
      work="$(realpath "$work")"
      if [ -n "$parity" ]; then
        { machine; echo; inference_parity; } | tee "benches/runs/$stamp-parity.txt"
      else
        { machine; echo; inference; echo; echo "load at the end $(cut -d' ' -f1-3 /proc/loadavg)"; } | tee "$out"
        "${CARGO_TARGET_DIR:-target}/release/examples/bench" --table "$out" | tee "$work/table.txt"
        cat "$work/table.txt" >>"$out"
      fi ;;
    *)
      echo "unknown bench $name: there are trace, proofs, attribution, window, attacks, inference and demo" >&2
      exit 2 ;;
  esac
done

#!/usr/bin/env bash
# cargo xtask bench [trace|proofs|attribution|window|attacks|inference|demo]: measures, prints, and writes a raw run to benches/runs.
# attribution needs Python with venv, PyPI, half an hour and 20 GB of disk; SIZES="1 10 100" and PEER_MB=20 make it shorter.
# inference: REPEATS=3 makes it shorter.
set -euo pipefail
cd "$(dirname "$0")/.."
names=("$@")
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
  local work="${CARGO_TARGET_DIR:-target}/bench-attribution" pinned="taskset -c 0" mb
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
      cargo build --release --quiet -p fonte-inference --example bench
      bench="${CARGO_TARGET_DIR:-target}/release/examples/bench"
      {
        machine; echo
        taskset -c "${CORE:-0}" "$bench" --repeats "${REPEATS:-5}"
        echo; echo "load at the end $(cut -d' ' -f1-3 /proc/loadavg)"
      } | tee "$out"
      # The goals beside what was found; those of peers that did not run say so.
      table="$("$bench" --table "$out")"
      echo "$table" | tee -a "$out" ;;
    *)
      echo "unknown bench $name: there are trace, proofs, attribution, window, attacks, inference and demo" >&2
      exit 2 ;;
  esac
done

#!/usr/bin/env bash
# cargo xtask bench [trace|demo|inference]: measures, prints, and writes a raw run to benches/runs.
set -euo pipefail
cd "$(dirname "$0")/.."
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(trace demo)

stamp="$(date -u +%Y-%m-%d)"
machine() {
  echo "date      $(date -u +%Y-%m-%dT%H:%M:%SZ)"
  echo "commit    $(git rev-parse HEAD)$(git diff --quiet HEAD -- crates contracts || echo ' (with changes)')"
  echo "rustc     $(rustc --version)"
  echo "cores     $(nproc), $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs)"
  echo "load      $(cut -d' ' -f1-3 /proc/loadavg)"
}

for name in "${names[@]}"; do
  out="benches/runs/$stamp-$name.txt"
  case "$name" in
    trace)
      { machine; echo; cargo run --release --quiet -p fonte-attribution --example trace_bench; } | tee "$out" ;;
    demo)
      cargo build --release --quiet
      { machine; echo; { time -p "${CARGO_TARGET_DIR:-target}/release/fonte" demo; } 2>&1; } | tee "$out" ;;
    inference)
      { machine; echo; cargo run --release --quiet -p fonte-inference --example bench; } | tee "$out" ;;
    *)
      echo "unknown bench $name: there are trace, demo and inference" >&2
      exit 2 ;;
  esac
done

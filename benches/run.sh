#!/usr/bin/env bash
# cargo xtask bench [trace|proofs|attribution|window|attacks|inference|emulation|demo]: measures, prints, and writes a raw run to benches/runs.
# attribution needs Python with venv, PyPI, half an hour and 20 GB of disk; SIZES="1 10 100" and PEER_MB=20 make it shorter. CORE=1 picks a core.
# PEER_MB=1000 PEER_FOLDERS= SIZES= compares on 1 GB of generated texts and lets nothing grow: infini-gram takes an hour or two.
# inference takes half an hour, and the first time another for its peers: PyPI and crates.io must be reached, llama.cpp wants a
# C++ compiler, Python 3 GB of disk. What cannot be had is named as absent. REPEATS=1 makes it shorter, MODELS=15m too,
# LLAMA_SERVER names llama.cpp's server where there is one. inference --parity compares with transformers and PEFT instead of measuring.
# emulation runs the engine's tests of its instruction sets as other CPUs would, which Debian's qemu-user stands in for.
# window reads what this machine has to read; UNPACKED=FOLDER adds Debian's documentation packages, fetched once (4 GB of disk).
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
# The file for a run called $1, with extension $2: a second one of a day gets a number, and none is lost.
run_file() {
  local file="benches/runs/$stamp-$1.$2" number=1
  while [ -e "$file" ]; do
    number=$((number + 1))
    file="benches/runs/$stamp-$1-$number.$2"
  done
  echo "$file"
}
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
  local folders="${PEER_FOLDERS-/usr/share /usr/lib /usr/include}"
  echo "== the same files, one core each: ${folders:-generated texts}"
  rm -rf "$work/real"
  # shellcheck disable=SC2086
  $pinned "$bench" --mb "${PEER_MB:-100}" --export "$work/real" $folders
  $pinned "$work/venv/bin/python" -u benches/attribution/ask_infini_gram.py "$work/real"
  rm -rf "$work/real"
  [ -n "${SIZES-all}" ] || return 0
  echo
  echo "== growth: generated texts, segments as they come, then one segment of all"
  for mb in ${SIZES:-1 10 100 1000 3000}; do
    $pinned "$bench" --mb "$mb"
    if [ "$mb" -gt 512 ] && [ "$mb" -le 1000 ]; then $pinned "$bench" --mb "$mb" --segment-mib 2047; fi
    echo
  done | tee "$work/growth.txt"
  echo "== rows: MB, segment MiB, segments, build CPU s per 100 MB, disk bytes per byte, open cold ms, count us, spans us,"
  echo "   owners us (CPU), spans cold us, spans warm us (median wall), adding 1 MB CPU s in the median, at worst,"
  echo "   owners cold us, count cold us (median wall)"
  grep ^row "$work/growth.txt" | cut -c5-
  python3 benches/attribution/plot.py "$work/growth.txt" >"$(run_file attribution svg)"
}

# Debian's documentation packages, one of each source, as `window --unpacked` wants them: of those of 6 to 40 MB the ones that are
# least to fetch, 3 GB in all.
documentation() {
  local source name
  mkdir -p "$UNPACKED"
  (
    cd "$UNPACKED"
    apt-cache search --names-only -- '-doc$' | cut -d' ' -f1 | xargs apt-cache show --no-all-versions \
      | awk '/^Package:/ {name = source = $2} /^Source:/ {source = $2} /^Installed-Size:/ {size = $2}
             /^Size:/ {if (size >= 6000 && size <= 40000) print $2, size, source, name}' \
      | sort -n | awk '!seen[$3]++ && (all += $2) < 3000000 {print $3, $4}' \
      | while read -r source name; do [ -d "$source" ] || echo "$source $name"; done >.wanted
    cut -d' ' -f2 .wanted | xargs --no-run-if-empty -n 50 apt-get download --quiet --quiet
    while read -r source name; do
      rm -rf ".$source"
      dpkg-deb --extract "$name"_*.deb ".$source" && mv ".$source" "$source"
      rm -f "$name"_*.deb
    done <.wanted
    rm .wanted
  )
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

# llama.cpp's server ($server), out of the sources in PyPI's llama-cpp-python, made once. $work is set.
inference_llama() {
  server="${LLAMA_SERVER:-$work/llama/build/bin/llama-server}"
  [ ! -x "$server" ] || return 0
  [ -z "${LLAMA_SERVER:-}" ] || { echo "absent: $LLAMA_SERVER, named by LLAMA_SERVER, is no program"; return 1; }
  local version=0.3.36 cmake=4.4.5 tools="$work/llama/tools/bin"
  mkdir -p "$work/llama"
  if ! {
    python3 -m venv "$work/llama/tools" && "$tools/pip" install --quiet "cmake==$cmake" \
      && "$tools/pip" download --no-binary llama-cpp-python --no-deps --dest "$work/llama" "llama-cpp-python==$version" \
      && tar xzf "$work/llama/llama_cpp_python-$version.tar.gz" -C "$work/llama"
  } >"$work/llama/log" 2>&1; then
    echo "absent: llama-cpp-python $version could not be had from PyPI, see $work/llama/log"
    return 1
  fi
  if ! {
    "$tools/cmake" -S "$work/llama/llama_cpp_python-$version/vendor/llama.cpp" -B "$work/llama/build" \
      -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF \
      -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
      && "$tools/cmake" --build "$work/llama/build" --target llama-server -j "$(nproc)"
  } >>"$work/llama/log" 2>&1; then
    echo "absent: llama-server could not be built, see $work/llama/log"
    return 1
  fi
}

# The engine, then peers on the same files, one core and one thread each.
inference() {
  local pinned="taskset -c ${CORE:-0}" model models="${MODELS:-15m 110m}" llama_absent="" repeats
  local bench="${CARGO_TARGET_DIR:-target}/release/examples/bench"
  cargo build --release --quiet -p fonte-inference --example bench
  # All that is fetched and built comes first, so that nothing else runs beside what is measured.
  CARGO_TARGET_DIR="$work/candle" cargo build --release --quiet --locked --manifest-path benches/inference/candle/Cargo.toml || true
  inference_python || true
  inference_llama >"$work/llama-absent" || llama_absent=yes
  repeats() { if [ "$1" = 15m ]; then echo "${REPEATS:-5}"; else echo "${REPEATS:-3}"; fi; }
  echo "== Fonte"
  for model in $models; do
    $pinned "$bench" --model "$model" --repeats "$(repeats "$model")"
    rm -rf "${work:?}/$model"
    "$bench" --model "$model" --export "$work/$model"
    echo
  done
  echo "== candle, $(grep -A1 'name = "candle-core"' benches/inference/candle/Cargo.lock | tail -1)"
  if [ -x "$work/candle/release/candle-peer" ]; then
    for model in $models; do
      echo "  $model"
      RAYON_NUM_THREADS=1 $pinned "$work/candle/release/candle-peer" "$model" "$work/$model" "$(repeats "$model")"
    done
  else
    echo "absent: it could not be built; crates.io must be reached once"
  fi
  echo
  echo "== PEFT"
  # Its adapters take half a second each to load at 15M, and more at 110M.
  if [[ "$models" != *15m* ]]; then
    echo "absent: it is measured at 15m alone"
  elif inference_python; then
    $pinned "$python" benches/inference/peers.py peft 15m "$work/15m" "$(repeats 15m)"
  else
    echo "absent: it needs python3 with venv, and PyPI once"
  fi
  echo
  echo "== llama.cpp"
  if [ -n "$llama_absent" ]; then
    cat "$work/llama-absent"
  else
    for model in $models; do
      $pinned python3 benches/inference/peers.py llama "$model" "$work/$model" "$(repeats "$model")" "$server"
    done
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

# The kernels' tests and the pinned bits of six models, on a CPU with AVX2 and without AVX-512 (Haswell) and on one without AVX
# (Nehalem). It fails where a test does.
emulation() {
  local tests cpu
  tests="$(cargo test --quiet -p fonte-inference --lib --no-run --message-format=json \
    | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -1)"
  echo "qemu      $(qemu-x86_64 --version | head -1)"
  for cpu in Haswell Nehalem; do
    echo
    echo "== $cpu"
    # It tells of each thread which features of the CPU it leaves out.
    qemu-x86_64 -cpu "$cpu" "$tests" --nocapture kernels:: forward::tests::every_instruction_set 2>&1 \
      | grep -v "TCG doesn't support requested feature"
  done
}

for name in "${names[@]}"; do
  out="$(run_file "$name" txt)"
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
      [ -z "${UNPACKED:-}" ] || documentation
      { machine; echo; cargo run --release --quiet -p fonte-corpus --example window -- ${UNPACKED:+--unpacked "$UNPACKED"}; } \
        | tee "$out" ;;
    attacks)
      { machine; echo; cargo run --release --quiet -p fonte-worker --example attacks; } | tee "$out" ;;
    emulation)
      command -v qemu-x86_64 >/dev/null || { echo "absent: qemu-x86_64, of Debian's package qemu-user" >&2; exit 1; }
      { machine; echo; emulation; } | tee "$out" ;;
    demo)
      cargo build --release --quiet
      { machine; echo; { time -p "${CARGO_TARGET_DIR:-target}/release/fonte" demo; } 2>&1; } | tee "$out" ;;
    inference)
      work="${CARGO_TARGET_DIR:-target}/bench-inference"
      mkdir -p "$work"
      work="$(realpath "$work")"
      if [ -n "$parity" ]; then
        { machine; echo; inference_parity; } | tee "$(run_file parity txt)"
      else
        # Machines with and without AVX-512 are two measurements, and so is one model alone.
        case "$(grep -m1 ^flags /proc/cpuinfo || true)" in *avx512f*) isa=avx512 ;; *avx2*) isa=avx2 ;; *) isa=portable ;; esac
        out="$(run_file "inference-$isa${MODELS:+-${MODELS// /-}}" txt)"
        { machine; echo; inference; echo; echo "load at the end $(cut -d' ' -f1-3 /proc/loadavg)"; } | tee "$out"
        table="$("${CARGO_TARGET_DIR:-target}/release/examples/bench" --table "$out")"
        tee -a "$out" <<<"$table"
      fi ;;
    *)
      echo "unknown bench $name: there are trace, proofs, attribution, window, attacks, inference, emulation and demo" >&2
      exit 2 ;;
  esac
done

#!/bin/sh
# Static analysis (slither), proofs (halmos) and coverage of the contracts: `./analyse.sh [--quick] [STEP]...`, steps slither,
# halmos and coverage. `--quick` leaves out the coverage. Installs the tools of
# requirements.txt into ../target/analyse once; everything after it works offline. Fails on the first step that does.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
work=${CARGO_TARGET_DIR:-"$here/../target"}/analyse
mkdir -p "$work/bin"
work=$(cd "$work" && pwd)

quick=
steps=
for argument in "$@"; do
  case "$argument" in
    --quick) quick=1 ;;
    slither | halmos | coverage) steps="$steps $argument" ;;
    *) echo "unknown: $argument; analyse.sh [--quick] [slither|halmos|coverage]..." >&2; exit 2 ;;
  esac
done
[ -n "$steps" ] || steps="slither halmos coverage"

# Installed again only when requirements.txt changes.
if ! cmp -s requirements.txt "$work/installed"; then
  rm -rf "$work/venv" "$work/installed"
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt
  cp requirements.txt "$work/installed"
fi

# slither and halmos call `forge` by its name.
printf '#!/bin/sh\nexec "%s" "$@"\n' "$here/forge.sh" >"$work/bin/forge.new"
chmod +x "$work/bin/forge.new"
mv -f "$work/bin/forge.new" "$work/bin/forge"
PATH="$work/venv/bin:$work/bin:$PATH"
export PATH

slither_step() {
  # crytic-compile builds src/ alone, into a folder of its own.
  rm -f "$work/slither.json"
  FOUNDRY_OUT="$work/slither" FOUNDRY_CACHE_PATH="$work/slither-cache" slither . \
    --foundry-out-directory "$work/slither" --filter-paths 'node_modules|test/' \
    --json "$work/slither.json" >"$work/slither.log" 2>&1 || true
  python3 analyse.py slither "$work/slither.json" slither.exceptions || { tail -5 "$work/slither.log" >&2; return 1; }
}

halmos_step() {
  FOUNDRY_DYNAMIC_TEST_LINKING=false FOUNDRY_TEST=test/halmos FOUNDRY_OUT="$work/halmos" FOUNDRY_CACHE_PATH="$work/halmos-cache" halmos \
    --forge-build-out "$work/halmos" --no-status --solver-timeout-assertion 300s >"$work/halmos.log" 2>&1 \
    || { cat "$work/halmos.log" >&2; return 1; }
  # It calls a check passed whose paths it left out at the loop bound.
  if grep -q 'WARNING' "$work/halmos.log"; then cat "$work/halmos.log" >&2; return 1; fi
  grep -E 'PASS|Symbolic test result' "$work/halmos.log"
}

coverage_step() {
  # test/Authority.t.sol reads the ABIs of an ordinary build. Gas without the optimizer is no gas to compare,
  # OpenZeppelin's P256 does not compile without it (test/lib/CoverageP256.sol), and 100,000 cases would take long.
  ./forge.sh build --skip test >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; return 1; }
  FOUNDRY_DYNAMIC_TEST_LINKING=false FORGE_SNAPSHOT_CHECK=false FORGE_SNAPSHOT_EMIT=false FOUNDRY_EVM_VERSION=osaka \
    FOUNDRY_FUZZ_RUNS=32 FOUNDRY_INVARIANT_RUNS=4 FOUNDRY_OUT="$work/coverage" FOUNDRY_CACHE_PATH="$work/coverage-cache" \
    ./forge.sh coverage -R @openzeppelin/contracts/utils/cryptography/P256.sol=test/lib/CoverageP256.sol \
    -R @openzeppelin/=node_modules/@openzeppelin/ --no-match-path 'test/halmos/*' --no-match-contract GasTest --no-match-test testCasesAgree --report lcov \
    --report-file "$work/lcov.info" >"$work/coverage.log" 2>&1 || { tail -60 "$work/coverage.log" >&2; return 1; }
  python3 analyse.py coverage "$work/lcov.info" 95
}

for step in $steps; do
  if [ "$step" = coverage ] && [ -n "$quick" ]; then continue; fi
  echo "== $step"
  "${step}_step"
done

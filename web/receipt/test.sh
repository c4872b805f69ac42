#!/usr/bin/env bash
# Everything about the page of a receipt: types, that the committed page is what the sources build, the verifier against
# the shared fixtures, the chain's checks, and the page in headless Chromium (installed by name where apt-get may).
set -euo pipefail
cd "$(dirname "$0")"

stamp=node_modules/.fonte-lock
if ! cmp -s package-lock.json "$stamp"; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json "$stamp"
fi
node_modules/.bin/tsc
node build.mjs --check
rm -rf out
node build.mjs --tests out

browser() { type -P chromium || type -P chromium-browser || type -P google-chrome; }
if ! browser >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null || true
fi
if CHROMIUM="$(browser)"; then
  export CHROMIUM
else
  echo "skipped: the page in a browser, because Chromium is not on the PATH; install the package chromium"
  rm out/browser.test.mjs
fi
node --test --test-timeout=900000 out/*.test.mjs

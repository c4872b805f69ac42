#!/bin/sh
# Runs forge from node_modules, by its path: npm links no binary for the packages of one platform.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) host=linux-amd64 ;;
  Linux-aarch64) host=linux-arm64 ;;
  Darwin-arm64) host=darwin-arm64 ;;
  Darwin-x86_64) host=darwin-amd64 ;;
  *) echo "no forge package for $(uname -s)-$(uname -m)" >&2; exit 1 ;;
esac
forge="$here/node_modules/@foundry-rs/forge-$host/bin/forge"
[ -x "$forge" ] || { echo "$forge is missing: run 'npm ci' in $here (the lock file names linux-amd64 alone; elsewhere also 'npm install --no-save @foundry-rs/forge-$host@1.7.1')" >&2; exit 1; }
cd "$here"
exec "$forge" "$@"

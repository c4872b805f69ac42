#!/bin/sh
# Runs forge from node_modules (npm may skip the postinstall script that would link it).
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
[ -x "$forge" ] || { echo "$forge is missing: run 'npm ci' in $here" >&2; exit 1; }
cd "$here"
exec "$forge" "$@"

#!/bin/sh
# Plants bugs and says which tests catch them: `./plants.sh [NAME...]`, all of plants/*.toml without a name. Works on a copy in
# ../target/plants, installs nothing, leaves the sources alone. Fails if a bug is missed, or caught for another reason than it should.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
exec python3 "$here/plants/run.py" "${CARGO_TARGET_DIR:-"$here/../target"}/plants" "$@"

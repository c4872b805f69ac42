"""Plants each bug of *.toml here in a copy of the sources and runs the tests that must catch it. Standard library only.

run.py WORK [NAME...]   WORK is kept: its copy, and the build in it, so that the next run compiles only what changed

A plant is a table: `breaks`, what no longer holds; `file`; `find`, text that stands there once, and `put`, what replaces it; `test`,
arguments of `cargo test`. `fails`, a part of the name of a test that must be among those that fail; without it, any will do.
A plant that does not compile, or runs no test, is a plant that nobody has caught.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PATIENCE = 300  # CPU seconds of a test binary: a bug may make it go on for ever


def load():
    plants = {}
    for path in sorted(HERE.glob("*.toml")):
        for name, plant in tomllib.loads(path.read_text()).items():
            if not {"breaks", "file", "find", "put", "test"} <= plant.keys() <= {"breaks", "file", "find", "put", "test", "fails"}:
                sys.exit(f"{path.name}: {name}: keys are missing or unknown")
            if name in plants:
                sys.exit(f"{path.name}: {name}: named twice")
            plants[name] = plant
    return plants


def copy(work):
    """The tracked sources as they are now. Files that did not change keep their times, so that nothing is compiled twice."""
    tree = work / "tree"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        source, target = ROOT / name, tree / name
        if source.is_file() and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return tree


def run(tree, work, test):
    """Whether all tests passed (None: none ran, or it does not compile), the failed tests, and the output."""
    environment = os.environ | {"CARGO_TARGET_DIR": str(work / "target"), "CARGO_INCREMENTAL": "0", "PROPTEST_MAX_SHRINK_ITERS": "0"}
    command = ["prlimit", f"--cpu={PATIENCE}", "cargo", "test", "--no-fail-fast", *test.split()]
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    failed = sorted(set(re.findall(r"^test (\S+) .*FAILED$", done.stdout, re.M)))
    ran = any(int(count) for count in re.findall(r"^running (\d+) tests?$", done.stdout, re.M))
    if not failed and "(signal:" in done.stdout:
        failed = ["(stopped: it goes on for ever)"]
    return (done.returncode == 0 if ran else None), failed, done.stdout


def main(work, wanted):
    plants = load()
    if unknown := [name for name in wanted if name not in plants]:
        sys.exit(f"no such plant: {', '.join(unknown)}; there are {', '.join(plants)}")
    chosen = {name: plants[name] for name in wanted or plants}
    tree = copy(work)
    for test in sorted({plant["test"] for plant in chosen.values()}):
        passed, failed, output = run(tree, work, test)
        if not passed:
            sys.exit(f"{test}: fails with nothing planted: {failed}\n{output[-4000:]}")
    print("nothing planted: all tests pass", flush=True)

    missed = []
    for name, plant in sorted(chosen.items(), key=lambda item: (item[1]["file"], item[0])):
        began = time.monotonic()
        path = tree / plant["file"]
        clean = path.read_text()
        if clean.count(plant["find"]) != 1:
            sys.exit(f"{name}: {plant['file']} has it {clean.count(plant['find'])} times: {plant['find']}")
        try:
            path.write_text(clean.replace(plant["find"], plant["put"]))
            passed, failed, output = run(tree, work, plant["test"])
        finally:
            path.write_text(clean)
        if passed is None:
            verdict = "MISSED  (no test ran)\n" + "\n".join(line for line in output.splitlines() if line.startswith("error"))
        elif passed or not any(plant.get("fails", "") in test for test in failed):
            verdict = "MISSED "
        else:
            verdict = "caught "
        if not verdict.startswith("caught"):
            missed.append(name)
        print(f"{verdict} {name:26} {plant['breaks']} | {', '.join(failed)} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(chosen)} bugs planted, {len(chosen) - len(missed)} caught, {len(missed)} missed {' '.join(missed)}")
    return not missed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(not main(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]))

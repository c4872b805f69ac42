"""Plants each bug of plants/*.toml in a copy of the contracts and runs the test that must catch it. Standard library only.

run.py WORK [NAME...]   WORK is kept: the next run compiles only what changed

A plant is a table: `breaks`, what no longer holds; `file`; `find`, text that stands there once, and `put`, what replaces it
(lists of the same length for several edits, `file` too where they are in several files); `test`, as Contract.function; `says`, a pattern that the failure must show, so that
a test that fails for another reason does not count. A `check_` function is a proof, which halmos runs; `./analyse.sh` installs that.
"""

import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
CONTRACTS = HERE.parent
# With dynamic test linking a changed contract does not compile the tests again.
ENVIRONMENT = {
    "FOUNDRY_DYNAMIC_TEST_LINKING": "true",
    "FOUNDRY_INVARIANT_SHRINK_RUN_LIMIT": "0",
    "FORGE_SNAPSHOT_CHECK": "false",
    "FORGE_SNAPSHOT_EMIT": "false",
}


def load():
    plants = {}
    for path in sorted(HERE.glob("*.toml")):
        for name, plant in tomllib.loads(path.read_text()).items():
            missing = {"breaks", "file", "find", "put", "test", "says"} ^ plant.keys()
            if missing or name in plants:
                sys.exit(f"{path.name}: {name}: {', '.join(sorted(missing)) or 'named twice'}")
            for key in ("find", "put"):
                if isinstance(plant[key], str):
                    plant[key] = [plant[key]]
            if isinstance(plant["file"], str):
                plant["file"] = [plant["file"]] * len(plant["find"])
            plants[name] = plant
    return plants


def copy(work):
    """The sources as they are now, with the build of an earlier run. Proofs are copied beside the tests, not to be compiled with
    them."""
    contracts = work / "contracts"
    for folder in ("src", "test", "artifacts", "snapshots"):
        shutil.rmtree(contracts / folder, ignore_errors=True)
        shutil.copytree(CONTRACTS / folder, contracts / folder, ignore=shutil.ignore_patterns("halmos"))
    shutil.rmtree(contracts / "proofs", ignore_errors=True)
    shutil.copytree(CONTRACTS / "test" / "halmos", contracts / "proofs" / "halmos")
    shutil.copytree(CONTRACTS / "test" / "lib", contracts / "proofs" / "lib", ignore=lambda _, names: {*names} - {"Vm.sol"})
    for file in ("foundry.toml", "forge.sh", "solc-wrap", "package.json", "cvc5_solver.py"):
        shutil.copy(CONTRACTS / file, contracts / file)
    for link, target in ((contracts / "node_modules", CONTRACTS / "node_modules"), (work / "fixtures", CONTRACTS.parent / "fixtures")):
        if not link.is_symlink():
            link.symlink_to(target)
    return contracts


def prove(contracts, tests):
    """Runs the proofs `tests`; returns the same as `forge`."""
    tools = contracts.parents[1] / "analyse" / "venv" / "bin"
    if not (tools / "halmos").exists():
        sys.exit(f"{tools}/halmos is missing: run ./analyse.sh --quick halmos")
    wrapper = contracts / "bin" / "forge"  # halmos calls forge by its name
    wrapper.parent.mkdir(exist_ok=True)
    wrapper.write_text(f'#!/bin/sh\nexec "{contracts}/forge.sh" "$@"\n')
    wrapper.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tools}:{wrapper.parent}:{os.environ['PATH']}",
        "FOUNDRY_DYNAMIC_TEST_LINKING": "false",
        "FOUNDRY_TEST": "proofs/halmos",
        "FOUNDRY_OUT": "proofs-out",
        "FOUNDRY_CACHE_PATH": "proofs-cache",
    }
    output = ""
    proved = True
    for test in tests:
        contract, function = test.split(".")
        command = ["halmos", "--forge-build-out", "proofs-out", "--no-status", "--solver-timeout-assertion", "300s"]
        command += ["--match-contract", f"^{contract}$", "--match-test", f"^{function}\\("]
        run = subprocess.run(command, cwd=contracts, env=environment, capture_output=True, text=True)
        output += run.stdout + run.stderr
        if "Symbolic test result" not in run.stdout:
            return None, f"{' '.join(command)}\n{output}"
        proved = proved and run.returncode == 0
    return proved, output


def run_all(contracts, tests):
    """All of `tests`, whichever tool they are for."""
    proofs = [test for test in tests if ".check_" in test]
    others = [test for test in tests if ".check_" not in test]
    passed, output = forge(contracts, others) if others else (True, "")
    if passed and proofs:
        passed, more = prove(contracts, proofs)
        output += more
    return passed, output


def forge(contracts, tests):
    """Runs `tests`, each Contract.function; returns whether all passed (None: nothing ran), and the output."""
    # A failure of an earlier run would be tried again first.
    for folder in ("invariant", "fuzz"):
        shutil.rmtree(contracts / "cache" / folder, ignore_errors=True)
    names = {test.split(".")[0] for test in tests}, {test.split(".")[1] for test in tests}
    patterns = [f"^({'|'.join(sorted(group))})" for group in names]
    command = ["./forge.sh", "test", "--match-contract", patterns[0] + "$", "--match-test", patterns[1] + r"\("]
    run = subprocess.run(command, cwd=contracts, env=os.environ | ENVIRONMENT, capture_output=True, text=True)
    output = run.stdout + run.stderr
    if "tests passed" not in output:
        return None, f"{' '.join(command)}\n{output}"
    return run.returncode == 0, output


def seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(work, wanted):
    plants = load()
    unknown = [name for name in wanted if name not in plants]
    if unknown:
        sys.exit(f"no such plant: {', '.join(unknown)}; there are {', '.join(plants)}")
    chosen = {name: plants[name] for name in wanted or plants}
    contracts = copy(work)

    passed, output = run_all(contracts, [plant["test"] for plant in chosen.values()])
    if not passed:
        sys.exit(f"a test fails with nothing planted\n{output}")
    print(f"nothing planted: all tests pass ({seconds():.0f} CPU s)", flush=True)

    missed = []
    # By file: what was planted last is compiled again only when another file's turn comes.
    for name, plant in sorted(chosen.items(), key=lambda item: (item[1]["file"], item[0])):
        before = seconds()
        clean = {file: (contracts / file).read_text() for file in plant["file"]}
        planted = dict(clean)
        for file, find, put in zip(plant["file"], plant["find"], plant["put"], strict=True):
            if planted[file].count(find) != 1:
                sys.exit(f"{name}: {file} has it {planted[file].count(find)} times: {find}")
            planted[file] = planted[file].replace(find, put)
        for file, text in planted.items():
            (contracts / file).write_text(text)
        passed, output = run_all(contracts, [plant["test"]])
        for file, text in clean.items():
            (contracts / file).write_text(text)
        failures = "\n".join(line for line in output.splitlines() if "[FAIL" in line)
        if passed is None:
            verdict = f"MISSED: nothing ran\n{output}"
        elif passed:
            verdict = "MISSED"
        elif re.search(plant["says"], failures):
            verdict = "caught"
        else:
            verdict = f"MISSED: the failure does not say {plant['says']}\n{failures}"
        if verdict != "caught":
            missed.append(name)
        print(f"{name:28} {plant['breaks']:58} {plant['test']}: {verdict} ({seconds() - before:.0f} CPU s)", flush=True)
    print(f"{len(chosen)} bugs planted, {len(chosen) - len(missed)} caught, {len(missed)} missed {' '.join(missed)}")
    return not missed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(not main(pathlib.Path(sys.argv[1]), sys.argv[2:]))

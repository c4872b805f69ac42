"""Judges what the tools of analyse.sh report. Standard library only.

analyse.py slither REPORT.json EXCEPTIONS   fails on a finding without an exception, and on an exception without a finding
analyse.py coverage LCOV PERCENT            prints lines and branches of src/ per file; fails below PERCENT of either
"""

import fnmatch
import json
import sys


def place(element):
    """`Contract.function` or `Contract.variable` of a finding's first element."""
    name, parent = element["name"], element.get("type_specific_fields", {}).get("parent")
    while parent and parent["type"] != "contract":
        name, parent = parent["name"], parent.get("type_specific_fields", {}).get("parent")
    return f"{parent['name']}.{name}" if parent else name


def slither(report, exceptions):
    try:
        found = json.load(open(report))
    except OSError:
        sys.exit("slither wrote no report")
    if not found["success"]:
        sys.exit(f"slither failed: {found['error']}")
    rules = []
    for number, line in enumerate(open(exceptions), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|", 2)]
        if len(parts) != 3 or not all(parts):
            sys.exit(f"{exceptions}:{number}: detector | place | reason")
        rules.append([*parts, 0])
    left = []
    findings = found["results"].get("detectors", [])
    for finding in findings:
        where = place(finding["elements"][0])
        rule = next((r for r in rules if r[0] == finding["check"] and fnmatch.fnmatchcase(where, r[1])), None)
        if rule:
            rule[3] += 1
        else:
            left.append(f"{finding['check']} | {where} | {finding['description'].strip()}")
    for line in left:
        print(line)
    unused = [rule for rule in rules if rule[3] == 0]
    for rule in unused:
        print(f"no finding needs this exception any more: {rule[0]} | {rule[1]}")
    print(f"slither: {len(findings)} findings, {len(left)} without a reason, {len(rules)} exceptions")
    return not left and not unused


def coverage(lcov, percent):
    files, current = {}, None
    for line in open(lcov):
        kind, _, value = line.strip().partition(":")
        if kind == "SF":
            current = files.setdefault(value, {"lines": {}, "branches": {}})
        elif kind == "DA":
            number, hits = value.split(",")[:2]
            current["lines"][number] = current["lines"].get(number, 0) + int(hits)
        elif kind == "BRDA":
            number, block, branch, hits = value.split(",")
            key = (number, block, branch)
            current["branches"][key] = current["branches"].get(key, 0) + (0 if hits == "-" else int(hits))
    total = {"lines": [0, 0], "branches": [0, 0]}
    print(f"{'':42}{'lines':>20}{'branches':>20}")
    for path, data in sorted(files.items()):
        if not path.startswith("src/"):
            continue
        row, missed = [], []
        for kind in total:
            hit, all_ = sum(1 for n in data[kind].values() if n), len(data[kind])
            total[kind][0] += hit
            total[kind][1] += all_
            row.append(f"{hit}/{all_} {100 * hit / all_ if all_ else 100:.1f} %")
        missed = sorted({int(n) for n, hits in data["lines"].items() if not hits} | {int(k[0]) for k, h in data["branches"].items() if not h})
        print(f"{path:42}{row[0]:>20}{row[1]:>20}" + (f"   not taken: {missed}" if missed else ""))
    good = True
    for kind, (hit, all_) in total.items():
        share = 100 * hit / all_ if all_ else 0
        good &= share >= percent
        print(f"{kind}: {hit} of {all_}, {share:.2f} % (at least {percent:g} %)")
    return good


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "slither":
        sys.exit(not slither(sys.argv[2], sys.argv[3]))
    if len(sys.argv) == 4 and sys.argv[1] == "coverage":
        sys.exit(not coverage(sys.argv[2], float(sys.argv[3])))
    sys.exit(__doc__)

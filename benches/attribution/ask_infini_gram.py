"""Asks infini-gram what trace_bench exported, and compares: python ask_infini_gram.py EXPORT

Prints its times, and whether spans, counts and documents are the same as ours. Exits 1 where they differ.
"""

import bisect
import json
import math
import os
import resource
import subprocess
import sys
import time

import numpy as np
from infini_gram.engine import InfiniGramEngine

MIN_LEN, LIMIT, EVERY = 20, 10, 10_000_000


def children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def build(export, index):
    """Byte tokens: u8. Its limit on open files is a million by default, which few systems allow."""
    before, wall = children(), time.time()
    if os.path.exists(f"{index}/table.0"):
        print("(the index is there already: no build is timed)")
        return math.nan, math.nan, sum(os.path.getsize(f"{index}/{name}") for name in os.listdir(index))
    subprocess.run(
        [sys.executable, "-m", "infini_gram.indexing", "--data_dir", f"{export}/data", "--save_dir", index,
         "--token_dtype", "u8", "--cpus", "1", "--mem", "4", "--ulimit", "4096"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    size = sum(os.path.getsize(f"{index}/{name}") for name in os.listdir(index))
    return children() - before, time.time() - wall, size


def timed(ask, questions):
    answers, cpu, walls = [], time.process_time(), []
    for question in questions:
        start = time.perf_counter()
        answers.append(ask(question))
        walls.append((time.perf_counter() - start) * 1e6)
    cpu = (time.process_time() - cpu) * 1e6 / len(questions)
    return answers, f"{cpu:.1f} us CPU (wall: median {sorted(walls)[len(walls) // 2]:.1f})", cpu


def questions(path):
    return [list(bytes.fromhex(line)) for line in open(path).read().split()]


def main():
    export = os.path.abspath(sys.argv[1])
    index = f"{export}/infini-gram"
    cpu, wall, size = build(export, index)
    names, text = [], 0
    for line in open(f"{export}/data/corpus.jsonl", encoding="utf-8"):
        document = json.loads(line)
        names.append(document["id"])
        text += len(document["text"].encode())
    print(f"infini-gram build: {cpu:.1f} s CPU, {wall:.1f} s wall, {cpu / (text / 1e8):.1f} CPU s per 100 MB, "
          f"{size / text:.3f} bytes on disk per byte")

    # Tokens above 254 are refused with a larger vocabulary; 255 parts documents.
    engine = InfiniGramEngine(index_dir=index, eos_token_id=0, vocab_size=255, token_dtype="u8", load_to_ram=True)
    answers, patterns = questions(f"{export}/answers"), questions(f"{export}/patterns")
    ours = [line.split(";") if line else [] for line in open(f"{export}/spans").read().split("\n")[:-1]]
    counts = [int(line) for line in open(f"{export}/counts")]

    found, shown, _ = timed(lambda p: engine.count(input_ids=p)["count"], patterns)
    print(f"infini-gram count of a 20-byte pattern: {shown}")
    same_counts = sum(a == b for a, b in zip(found, counts))
    print(f"counts: {same_counts} of {len(counts)} equal")

    def attribute(answer, limit):
        return engine.attribute(input_ids=answer, delim_ids=[], min_len=MIN_LEN, max_cnt=limit, enforce_bow=False)["spans"]

    # With a limit it leaves out spans that stand more often, so it does less than the index, which only cuts the list.
    found, shown, _ = timed(lambda answer: attribute(answer, LIMIT), answers)
    print(f"infini-gram spans >= {MIN_LEN} of a 1000-byte answer that stand up to {LIMIT} times, with documents: {shown}, "
          f"{sum(map(len, found)) / len(found):.1f} spans")
    found, shown, _ = timed(lambda answer: attribute(answer, EVERY), answers)
    print(f"infini-gram spans >= {MIN_LEN} of a 1000-byte answer, all of them, with all documents: {shown}, "
          f"{sum(map(len, found)) / len(found):.1f} spans")
    same_spans = same_documents = total = 0
    starts = np.fromfile(f"{index}/offset.0", dtype=np.uint64).tolist()
    for theirs, our in zip(found, ours):
        our = [span.split(" ") for span in our]
        same_spans += [(s["l"], s["r"], s["count"]) for s in theirs] == [tuple(map(int, s[:3])) for s in our]
        for span, mine in zip(theirs, our):
            total += 1
            first = {}
            for place in span["docs"]:
                at = bisect.bisect_right(starts, place["ptr"]) - 1
                # Each document stands behind one separator. Lines of the corpus are in order of precedence.
                offset = int(place["ptr"]) - starts[at] - 1
                first[at] = min(offset, first.get(at, offset))
            same_documents += [f"{names[at]}:{first[at]}" for at in sorted(first)[:LIMIT]] == mine[3:]
    print(f"spans with their counts: {same_spans} of {len(found)} answers equal")
    print(f"the first {LIMIT} documents, with offsets: {same_documents} of {total} spans equal")
    if (same_counts, same_spans, same_documents) != (len(counts), len(found), total):
        sys.exit("the outputs differ")


main()

#!/usr/bin/env python3
"""PEFT's mixed batch and llama.cpp's server on what `bench --export FOLDER` wrote. `benches/run.sh inference` calls it.

    peers.py peft NAME FOLDER REPEATS             # needs torch, transformers, peft
    peers.py llama NAME FOLDER REPEATS PROGRAM    # PROGRAM is llama-server; nothing but Python is needed here

Tokens per second are per second of CPU time of the process that computes, on one thread; greedy, in f32.
"""

import concurrent.futures
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request

PROMPT, ANSWER, STEPS = 32, 64, 24
ADAPTERS, SIXTEEN = 64, 16


def report(who, name, what, rates):
    print(f"  {what}: {statistics.median(rates):.0f} tok/s of CPU ({min(rates):.0f} to {max(rates):.0f})")
    print(f"row {who} {name} {what} = {statistics.median(rates):.4f}", flush=True)


def prompts(seed, count):
    for _ in range(count):
        tokens = []
        for _ in range(PROMPT):
            seed = (seed * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
            tokens.append((seed >> 33) % 32_000)
        yield tokens


def peft(name, folder, repeats):
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch
    import transformers
    from peft import PeftModel

    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    import peft as module

    print(f"  peft {module.__version__}, transformers {transformers.__version__}, torch {torch.__version__}")
    base = transformers.LlamaForCausalLM.from_pretrained(folder / "base", dtype=torch.float32).eval()
    tokens = torch.tensor(list(prompts(2, ADAPTERS)))

    def decode(model, **names):
        """The mean rate of a batch that writes: greedy, with a cache, as the other peers."""
        cache = transformers.DynamicCache()
        out = model(input_ids=tokens, past_key_values=cache, use_cache=True, logits_to_keep=1, **names)
        before = time.process_time()
        for _ in range(STEPS):
            following = out.logits[:, -1].argmax(-1, keepdim=True)
            out = model(input_ids=following, past_key_values=cache, use_cache=True, **names)
        return ADAPTERS * STEPS / (time.process_time() - before)

    report("peft", name, "base 64", [decode(base) for _ in range(repeats)])
    before = time.process_time()
    model = PeftModel.from_pretrained(base, folder / "adapters/0", adapter_name="0")
    for adapter in range(1, ADAPTERS):
        model.load_adapter(folder / f"adapters/{adapter}", adapter_name=str(adapter))
    took = (time.process_time() - before) / ADAPTERS * 1000
    print(f"  loading an adapter took {took:.0f} ms of CPU on average")
    # PEFT computes adapters of bfloat16 files in the base's type unless told otherwise.
    model = model.float().eval()
    names = [str(i) for i in range(ADAPTERS)]
    report("peft", name, "mixed 64", [decode(model, adapter_names=names) for _ in range(repeats)])


def llama(name, folder, repeats, program):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    adapters = ",".join(str(folder / f"{i}.gguf") for i in range(SIXTEEN))
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stderr.strip().splitlines()
    print(f"  llama-server {version[0] if version else '?'}")
    server = subprocess.Popen(
        [program, "-m", folder / "base.gguf", "--lora", adapters, "--lora-init-without-apply", "-np", str(SIXTEEN), "-c",
         str(SIXTEEN * 128), "-t", "1", "-tb", "1", "--host", "127.0.0.1", "--port", str(port), "--no-warmup"],
        stdout=subprocess.DEVNULL, stderr=open(folder / "llama-server.log", "wb"))

    def post(path, body):
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    def cpu():
        fields = pathlib.Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                    if answer.status == 200:
                        break
            except (urllib.error.URLError, ConnectionError):
                pass
            if server.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"llama-server did not start: see {folder / 'llama-server.log'}")
            time.sleep(0.1)

        def ask(adapter, prompt, tokens):
            # An empty list means what the server started with, which is all of them at once.
            lora = [{"id": adapter or 0, "scale": 0.0 if adapter is None else 1.0}]
            return post("/completion", {"prompt": prompt, "n_predict": tokens, "ignore_eos": True, "temperature": 0,
                                        "cache_prompt": False, "lora": lora})

        def rates(chosen):
            found = []
            for repeat in range(repeats):
                asked = list(prompts(7 + repeat, SIXTEEN))
                before = cpu()
                with concurrent.futures.ThreadPoolExecutor(SIXTEEN) as pool:
                    answers = list(pool.map(lambda pair: ask(chosen(pair[0]), pair[1], ANSWER), enumerate(asked)))
                written = sum(answer["tokens_predicted"] for answer in answers)
                assert written == SIXTEEN * ANSWER, written
                found.append(written / (cpu() - before))
            return found

        ask(0, next(prompts(1, 1)), 4)
        report("llamacpp", name, "sixteen base", rates(lambda _: None))
        report("llamacpp", name, "sixteen", rates(lambda i: i))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    who, name, folder, repeats = sys.argv[1:5]
    {"peft": peft, "llama": llama}[who](name, pathlib.Path(folder), int(repeats), *sys.argv[5:])

"""From the start of a process to its first token, with all files in the page cache: without our weight cache, from the model's file (f16 for
llama-1b) and from the file that llama.cpp has, which is made from it and smaller; from our weight cache; and llama.cpp.

Models are read into the page cache anew before, front to back. What a file's writer leaves there can be pages of 4 KiB; mapping these costs
llama.cpp two and copying them costs us one and a half times as much as the large ones that the system makes when it reads ahead.

With a vocabulary the two servers, until the first streamed token of an answer reaches the client. Without one (llama-1b is noise) two
programs that end when the logits behind a prompt of 8 tokens are there: vernier-evaluate, which scores the last token but one, and llama-bench.
"""
import http.client
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import load
import models

PROMPT = "The river runs under the old stone"  # 8 tokens with SmolLM2's begin-of-text
PAIRS = (("nf4", "Q4_0+Q8_0"), ("i8", "Q8_0"), ("f16", "F16"))


def first_token(command, kept=None):
    """Seconds until a server that is started now has streamed a token. It may write to folder `kept` until it ends, which waits for the first file."""
    port, start = load.free_port(), time.monotonic()
    with subprocess.Popen([str(part) for part in command] + ["--host", "127.0.0.1", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not asked(port):
                if process.poll() is not None or time.monotonic() - start > 120:
                    raise RuntimeError(f"no token from: {' '.join(process.args)}")
                time.sleep(0.002)
            took = time.monotonic() - start
            while kept and not has_weights(kept) and time.monotonic() - start < took + 10:
                time.sleep(0.01)
            return took
        finally:
            process.kill()


def has_weights(folder):
    return any(pathlib.Path(folder).glob("*.weights"))


def asked(port):
    """Whether a server at `port` streams a token; False while it does not listen or is loading."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = json.dumps({"prompt": PROMPT, "max_tokens": 1, "temperature": 0, "ignore_eos": True, "stream": True})
        connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status == 200 and any(line.startswith(b"data: {") for line in answer)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def read_anew(path):
    """Puts a file into the page cache as its first reader does."""
    with open(path, "rb", buffering=0) as file:
        os.fsync(file.fileno())  # only what is on the disk can be given up
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(1 << 24):
            pass


def whole_run(command, kept=None):
    start = time.monotonic()
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return time.monotonic() - start


def ways(o, files, model, weights, kind, folder):
    """What is compared, by name: a function that starts it and returns seconds."""
    threads, theirs = o.threads, files.peer_file(model, kind) if o.peer_bin else None
    if model == "smollm2":
        ours = [o.bin / "bin/vernier-server", "--tiers", weights, "--tier", weights, "--threads", threads, "--max-num-seqs", 1, "--ctx-size", 512, "--kv-cache-dtype", "f16",
                "--log-level", "off"]
        peer = [o.peer_bin / "llama-server", "-m", theirs, "-t", threads, "-np", 1, "-c", 512, "-fa", "on", "--no-webui", "--no-warmup"] if theirs else None
        measure = first_token
    else:
        ids = folder + "/ids"
        with open(ids, "w") as out:
            out.write("1 2 3 4 5 6 7 8\n")
        ours = [o.bin / "bin/vernier-evaluate", "--weights", weights, "--tokens", ids, "--first", 6, "-t", threads]
        peer = [o.peer_bin / "llama-bench", "-m", theirs, "-p", 8, "-n", 0, "-r", 1, "--no-warmup", "-t", threads] if theirs else None
        measure = whole_run
    start = lambda file, cache: ours + ["--model", file, "--weight-cache", cache]
    all_ = {"the model's file": lambda: measure(start(files.sources[model], "off")),
            "the weight cache": lambda: measure(start(files.sources[model], folder), folder)}
    if theirs:
        all_["llama.cpp's file"] = lambda: measure(start(theirs, "off"))
        all_["llama.cpp"] = lambda: measure(peer)
    if theirs == files.sources[model]:
        del all_["llama.cpp's file"]
    return all_


def run(o, files):
    """In turn, after two rounds that are not counted: they fill the page cache and the weight cache, and check the latter."""
    rounds = max(3, o.rounds)
    for model in ("smollm2", "llama-1b"):
        for weights, kind in PAIRS:
            with tempfile.TemporaryDirectory(dir=o.models) as folder:
                compared = ways(o, files, model, weights, kind, folder)
                for path in {files.sources[model], files.peer_file(model, kind) if o.peer_bin else files.sources[model]}:
                    read_anew(path)
                seconds = {name: [] for name in compared}
                for number in range(rounds + 2):
                    for name, measure in compared.items():
                        took = measure()
                        if number > 1:
                            seconds[name].append(took)
                if not has_weights(folder):  # 16 bits, on a disk whose files are not mapped in huge pages
                    del seconds["the weight cache"]
            peer = seconds.pop("llama.cpp", None)
            for name, samples in seconds.items():
                row = {"model": model, "weights": weights, "how": f"from {name}", "seconds": models.summary(samples)}
                if peer:
                    row |= {"peer": kind, "peer_seconds": models.summary(peer), "ratio": statistics.median(peer) / statistics.median(samples)}
                beside = f" beside {statistics.median(peer):.2f}: {row['ratio']:.2f}x" if peer else ""
                print(f"    {model} {weights}, {row['how']}: first token after {row['seconds']['median']:.2f} s{beside}", flush=True)
                yield row

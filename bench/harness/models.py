"""Whole models: vernier-bench and llama.cpp's own programs in turn, A B A B, on the same threads with the same tokens."""
import json
import statistics
import subprocess

import gguf
from machine import load

# Ours, as weights or weights/activations, and llama.cpp's types beside them. Types of a row with fewer bits a weight than ours are shown,
# but do not count. "Q4_0+Q8_0" has its head and embedding in Q8_0.
GROUPS = (
    (("nf4",), ("Q4_0", "Q4_0+Q8_0")),
    (("i8",), ("Q8_0",)),
    (("bf16", "bf16/f32", "bf16/bf16"), ("BF16",)),  # llama.cpp rounds activations to bf16
    (("f16", "f16/f32"), ("F16",)),
)
MORE = {"nf4": ("IQ4_NL", "Q4_K")}


def kinds_of(o, group):
    return group[1] + (MORE.get(group[0][0], ()) if o.full else ())


class Models:
    """Files of each model in each of llama.cpp's types, made once."""

    def __init__(self, o):
        self.o = o
        self.sources = {"smollm2": o.smollm2, "llama-1b": o.models / "llama-1b-f16.gguf"}

    def make(self):
        """All files before the clock starts."""
        for model in self.sources if self.o.peer_bin else ():
            for kind in (kind for group in GROUPS for kind in kinds_of(self.o, group)):
                self.peer_file(model, kind)

    def peer_file(self, model, kind):
        if (model, kind) == ("llama-1b", "F16"):
            return self.sources[model]
        path = self.o.models / f"{model}-{kind}.gguf"
        if not path.exists():
            print(f"    llama-quantize {model} {kind}", flush=True)
            part, (layers, _, head) = path.with_suffix(".part"), kind.partition("+")
            of_head = ["--token-embedding-type", head.lower(), "--output-tensor-type", head.lower()] if head else []
            subprocess.run([str(self.o.peer_bin / "llama-quantize"), "--allow-requantize", "--pure", *of_head, str(self.sources[model]), str(part), layers],
                           check=True, capture_output=True)
            part.rename(path)
        return path

    def weights(self, model):
        """How many a decoded token reads."""
        return gguf.read_by_a_token(self.sources[model])[0]

    def peer_bytes(self, model, kind):
        """Of them, in a type of llama.cpp's."""
        return gguf.read_by_a_token(self.peer_file(model, kind))[1]


def run_json(command, lines=False):
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")] if lines else json.loads(done.stdout)


def summary(samples):
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples), "samples": samples}


def name_of(row):
    """As both programs print it: pp512, tg128 @ d4096."""
    parts = [f"pp{row['n_prompt']}"] * (row["n_prompt"] > 0) + [f"tg{row['n_gen']}"] * (row["n_gen"] > 0)
    return "+".join(parts) + (f" x {row['n_sequences']}" if row.get("n_sequences", 1) > 1 else "") + (f" @ d{row['n_depth']}" if row["n_depth"] else "")


def format_flags(weights):
    """vernier-bench's and vernier-evaluate's, for "bf16" or "bf16/bf16"."""
    name, _, activations = weights.partition("/")
    return ["--weights", name, *(["--activations", activations] if activations else [])]


def ours(o, files, model, weights, prompt, gen, depth, repetitions, kv="f16", sequences="1"):
    return run_json([o.bin / "bin/vernier-bench", "-m", files.sources[model], *format_flags(weights), "-p", prompt, "-n", gen, "-d", depth, "-t", o.threads,
                     "-r", repetitions, "-ctk", kv, "--sequences", sequences, "-o", "json"])


def theirs(o, files, model, kind, prompt, gen, depth, repetitions, kv="f16"):
    return run_json([o.peer_bin / "llama-bench", "-m", files.peer_file(model, kind), "-p", prompt, "-n", gen, "-d", depth, "-t", o.threads,
                     "-r", repetitions, "-ctk", kv, "-ctv", kv, "-fa", "on", "-o", "json"])


def collect(rows, into):
    for row in rows:
        kept = into.setdefault(name_of(row), {"samples": [], "of_limit": [], "limit": row.get("limit"), "limit_read": []})
        kept["samples"] += row["samples_ts"]
        if "of_limit" in row:
            kept["of_limit"].append(row["of_limit"])
            kept["limit_read"].append(row["limit_read"])
            kept["weight_bytes"] = row["weight_bytes_per_token"]


def record_of(files, model, weights, kv, test, kept, peers):
    """One row. peers: samples and cache format of each of llama.cpp's types. The ratio is to the fastest that reads no fewer bits a weight."""
    bits = lambda bytes_: 8 * bytes_ / files.weights(model)
    record = {"model": model, "weights": weights, "kv": kv, "test": test, "load": load(), "weight_bytes": kept["weight_bytes"], "bits": bits(kept["weight_bytes"]),
              "ts": summary(kept["samples"]), "of_limit": statistics.median(kept["of_limit"]), "limit": kept["limit"], "limit_read": statistics.median(kept["limit_read"])}
    if not peers:
        return record
    record["peers"] = {}
    for kind, (samples, peer_kv) in peers.items():
        bytes_ = files.peer_bytes(model, kind)
        record["peers"][kind] = {"weight_bytes": bytes_, "bits": bits(bytes_), "kv": peer_kv, "ts": summary(samples),
                                 "ratio": record["ts"]["median"] / statistics.median(samples), "counts": bits(bytes_) >= record["bits"] - 0.01}
    counting = [kind for kind, peer in record["peers"].items() if peer["counts"]]
    if counting:
        record["best_peer"] = min(counting, key=lambda kind: record["peers"][kind]["ratio"])
        record["ratio"] = record["peers"][record["best_peer"]]["ratio"]
    beside = ", ".join(f"{kind} {statistics.median(samples):.1f}" for kind, (samples, _) in peers.items())
    print(f"    {model} {weights} {test}, KV {kv}: {record['ts']['median']:.1f} t/s beside {beside}" + (f": {record['ratio']:.2f}x" if counting else ""), flush=True)
    return record


def compare(o, files, model, group, kinds, prompt, gen, depth, repetitions, kvs=("f16",), peer_kv="f16"):
    """A record for each of ours in the group, each cache format of ours and each test."""
    mine, peers = {(weights, kv): {} for weights in group for kv in kvs}, {kind: {} for kind in kinds if o.peer_bin}
    for _ in range(rounds_of(o, model)):
        for (weights, kv), found in mine.items():
            collect(ours(o, files, model, weights, prompt, gen, depth, repetitions, kv), found)
        for kind, found in peers.items():
            collect(theirs(o, files, model, kind, prompt, gen, depth, repetitions, peer_kv), found)
    for (weights, kv), tests in mine.items():
        for test, kept in tests.items():
            yield record_of(files, model, weights, kv, test, kept, {kind: (found[test]["samples"], peer_kv) for kind, found in peers.items()})


def rounds_of(o, model):
    """Half as many for the large model, unless there is time: its rows vary less and take longer."""
    return o.rounds if o.full or model == "smollm2" else max(1, o.rounds // 2)


def run(o, files):
    """Prefill of 512 and decode from an empty cache; the large model decodes twice a round."""
    for model, gen, repetitions in (("smollm2", "128", 2), ("llama-1b", "32,32", 1)):
        for group, kinds in ((group[0], kinds_of(o, group)) for group in GROUPS):
            if not o.full:
                group = tuple(weights for weights in group if weights not in (("bf16/bf16",) if model == "smollm2" else ("bf16/f32", "bf16/bf16")))
            yield from compare(o, files, model, group, kinds, 512, gen, 0, 3 if o.full else repetitions)


def depth(o, files):
    """Behind 4096 tokens, with keys and values in 16 and in 8 bits; decode twice a round. llama-bench runs the 4096 tokens before each, which takes minutes."""
    for model in ("smollm2", "llama-1b") if o.full else ("llama-1b",):
        for kvs, peer_kv, prompt in ((("f16",), "f16", 512), (("i8", "e4m3"), "q8_0", 512 if o.full else 0)):
            yield from compare(o, files, model, ("nf4",), ("Q4_0+Q8_0",), prompt, "32,32", 4096, 2 if o.full else 1, kvs, peer_kv)


def batch(o, files):
    """Many sequences at once, each behind its own 64 tokens."""
    before, gen, sizes = 64, 32, "8,16"
    for model in ("smollm2", "llama-1b") if o.full else ("llama-1b",):
        for weights, kinds in (("nf4", ("Q4_0+Q8_0",)),) + ((("i8", ("Q8_0",)),) if o.full else ()):
            mine, peers = {}, {kind: {} for kind in kinds if o.peer_bin}
            for _ in range(rounds_of(o, model)):
                collect(ours(o, files, model, weights, 0, gen, before, 2, sequences=sizes), mine)
                for kind, found in peers.items():
                    rows = run_json([o.peer_bin / "llama-batched-bench", "-m", files.peer_file(model, kind), "-c", 16 * (before + gen), "-b", 2048, "-ub", 512,
                                     "-npp", before, "-ntg", gen, "-npl", sizes, "-t", o.threads, "-tb", o.threads, "-fa", "on", "--output-format", "jsonl"], lines=True)
                    for row in rows:
                        found.setdefault(f"tg{gen} x {row['pl']} @ d{before}", []).append(row["speed_tg"])
            for test, kept in mine.items():
                yield record_of(files, model, weights, "f16", test, kept, {kind: (found[test], "f16") for kind, found in peers.items() if test in found})

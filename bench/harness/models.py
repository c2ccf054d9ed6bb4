"""Whole models: vernier-bench and llama.cpp's own programs in turn, A B A B, on the same threads with the same tokens."""
import json
import statistics
import subprocess

from machine import load

# Ours beside the fastest of llama.cpp's types that is no smaller than its own name says; --full adds the others.
PAIRS = {"nf4": ("Q4_0",), "i8": ("Q8_0",), "bf16": ("BF16",), "f16": ("F16",)}
MORE = {"nf4": ("Q4_0", "IQ4_NL", "Q4_K")}


class Models:
    """Files of each model in each of llama.cpp's types, made once."""

    def __init__(self, o):
        self.o = o
        self.sources = {"smollm2": o.smollm2, "llama-1b": o.models / "llama-1b-f16.gguf"}

    def peer_file(self, model, kind):
        path = self.o.models / f"{model}-{kind}.gguf"
        if not path.exists():
            print(f"    llama-quantize {model} {kind}", flush=True)
            part = path.with_suffix(".part")
            subprocess.run([str(self.o.peer_bin / "llama-quantize"), "--allow-requantize", "--pure", str(self.sources[model]), str(part), kind],
                           check=True, capture_output=True)
            part.rename(path)
        return path


def run_json(command, lines=False):
    done = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")] if lines else json.loads(done.stdout)


def summary(samples):
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples), "samples": samples}


def name_of(row):
    """As both programs print it: pp512, tg128 @ d4096."""
    parts = [f"pp{row['n_prompt']}"] * (row["n_prompt"] > 0) + [f"tg{row['n_gen']}"] * (row["n_gen"] > 0)
    return "+".join(parts) + (f" x {row['n_sequences']}" if row.get("n_sequences", 1) > 1 else "") + (f" @ d{row['n_depth']}" if row["n_depth"] else "")


def ours(o, files, model, weights, prompt, gen, depth, repetitions, kv="f16", sequences="1"):
    return run_json([o.bin / "bin/vernier-bench", "-m", files.sources[model], "--weights", weights, "-p", prompt, "-n", gen, "-d", depth, "-t", o.threads,
                     "-r", repetitions, "-ctk", kv, "--sequences", sequences, "-o", "json"])


def theirs(o, files, model, kind, prompt, gen, depth, repetitions, kv="f16"):
    return run_json([o.peer_bin / "llama-bench", "-m", files.peer_file(model, kind), "-p", prompt, "-n", gen, "-d", depth, "-t", o.threads,
                     "-r", repetitions, "-ctk", kv, "-ctv", kv, "-fa", "on", "-o", "json"])


def collect(rows, into):
    for row in rows:
        kept = into.setdefault(name_of(row), {"samples": [], "of_limit": [], "size": row["model_size"], "limit": row.get("limit"), "limit_read": []})
        kept["samples"] += row["samples_ts"]
        if "of_limit" in row:
            kept["of_limit"].append(row["of_limit"])
            kept["limit_read"].append(row["limit_read"])
            kept["bytes"] = row["bytes"] / max(1, row["n_prompt"] + row["n_gen"])


def compare(o, files, model, weights, kinds, prompt, gen, depth, repetitions, kv="f16", peer_kv="f16"):
    """One record a test. The ratio is to the best of llama.cpp's types in that test."""
    print(f"  {model} {weights} beside {', '.join(kinds) if o.peer_bin else 'nothing'}: pp{prompt} tg{gen} d{depth} KV {kv}", flush=True)
    mine, peers = {}, {kind: {} for kind in kinds if o.peer_bin}
    for _ in range(o.rounds):
        collect(ours(o, files, model, weights, prompt, gen, depth, repetitions, kv), mine)
        for kind in peers:
            collect(theirs(o, files, model, kind, prompt, gen, depth, repetitions, peer_kv), peers[kind])
    for test, kept in mine.items():
        record = {"model": model, "weights": weights, "kv": kv, "test": test, "load": load(), "size": kept["size"], "bytes_per_token": kept["bytes"],
                  "ts": summary(kept["samples"]), "of_limit": statistics.median(kept["of_limit"]), "limit": kept["limit"],
                  "limit_read": statistics.median(kept["limit_read"])}
        if peers:
            record["peers"] = {kind: {"size": found[test]["size"], "kv": peer_kv, "ts": summary(found[test]["samples"])} for kind, found in peers.items()}
            record["best_peer"] = max(record["peers"], key=lambda kind: record["peers"][kind]["ts"]["median"])
            record["ratio"] = record["ts"]["median"] / record["peers"][record["best_peer"]]["ts"]["median"]
            print(f"    {test}: {record['ts']['median']:.1f} t/s, {record['best_peer']} {record['ts']['median'] / record['ratio']:.1f}: {record['ratio']:.2f}x", flush=True)
        yield record


def kinds_of(o, weights):
    return MORE.get(weights, PAIRS[weights]) if o.full else PAIRS[weights]


def run(o, files):
    """Prefill of 512 and decode of 128 from an empty cache."""
    for model in ("smollm2", "llama-1b"):
        for weights in ("nf4", "i8", "bf16", "f16") if o.full or model == "smollm2" else ("nf4", "i8", "bf16"):
            small = model == "smollm2"
            yield from compare(o, files, model, weights, kinds_of(o, weights), 512, 128 if small or o.full else 64, 0, 3 if small or o.full else 1)


def depth(o, files):
    """The same behind 4096 tokens, with keys and values in 16 and in 8 bits."""
    for model in ("smollm2", "llama-1b") if o.full else ("smollm2",):
        for kv, peer_kv in (("f16", "f16"), ("i8", "q8_0"), ("e4m3", "q8_0")):
            yield from compare(o, files, model, "nf4", kinds_of(o, "nf4")[:1], 512, 64, 4096, 2 if o.full else 1, kv, peer_kv)


def batch(o, files):
    """Many sequences at once, each behind its own 128 tokens."""
    for model in ("smollm2", "llama-1b") if o.full else ("smollm2",):
        for weights in ("nf4", "i8") if o.full else ("nf4",):
            mine, peer = {}, {}
            for _ in range(o.rounds):
                collect(ours(o, files, model, weights, 0, 64, 128, 1, sequences="8,16"), mine)
                if o.peer_bin:
                    rows = run_json([o.peer_bin / "llama-batched-bench", "-m", files.peer_file(model, PAIRS[weights][0]), "-c", 16 * 256, "-b", 2048, "-ub", 512,
                                     "-npp", 128, "-ntg", 64, "-npl", "8,16", "-t", o.threads, "-tb", o.threads, "-fa", "on", "--output-format", "jsonl"], lines=True)
                    for row in rows:
                        peer.setdefault(f"tg64 x {row['pl']} @ d128", []).append(row["speed_tg"])
            for test, kept in mine.items():
                record = {"model": model, "weights": weights, "kv": "f16", "test": test, "load": load(), "size": kept["size"], "ts": summary(kept["samples"]),
                          "of_limit": statistics.median(kept["of_limit"]), "limit": kept["limit"]}
                if test in peer:
                    kind = PAIRS[weights][0]
                    record["peers"] = {kind: {"size": files.peer_file(model, kind).stat().st_size, "kv": "f16", "ts": summary(peer[test])}}
                    record["best_peer"], record["ratio"] = kind, record["ts"]["median"] / statistics.median(peer[test])
                    print(f"    {model} {weights} {test}: {record['ts']['median']:.1f} t/s, {record['ratio']:.2f}x", flush=True)
                yield record

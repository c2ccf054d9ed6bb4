"""Runs the microbenchmarks and turns their lines into records. A line that is not understood is kept as it is."""
import json
import re
import subprocess

# What models are multiplied by unless told otherwise, and what else there is.
DEFAULT = "f16/i16,bf16/i16,i8/i8,e4m3/bf16,nf4/i8"
OTHERS = ",f16,bf16,bf16/bf16,i8,e4m3,nf4"

NUMBER = r"([\d.]+)"
GEMM = re.compile(rf"(\S+)\s+m\s+(\d+)\s+{NUMBER} us\s+{NUMBER} GB/s =\s*(\d+)% of\s+{NUMBER}\s+{NUMBER} GFLOP/s =\s*(\d+)% of\s+(\d+)")
ONEDNN = re.compile(rf"(.+?)\s\s+(.+?)\s+n\s+(\d+) k\s+(\d+) m\s+(\d+)\s+vernier\s+{NUMBER} us.*onednn\s+{NUMBER} us.*ratio {NUMBER}")
ATTENTION = re.compile(rf"(\S+)\s+(\S+)\s+\| decode\s+{NUMBER} MB\s+{NUMBER} ms\s+{NUMBER} GB/s,\s+{NUMBER} x the read.*\| prefill\s+{NUMBER} GFLOP/s =\s*(\d+)%.*"
                       rf"\| append\s+{NUMBER} ns a value for one token,\s+{NUMBER} for")


def lines(o, *command):
    print("   ", *command, flush=True)
    done = subprocess.run([str(o.bin / "bench" / command[0]), *map(str, command[1:])], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def gemm(o, n, k):
    weights = DEFAULT + (OTHERS if o.full else "")
    for line in lines(o, "bench.gemm", "--threads", o.threads, "--weights", weights, "--n", n, "--k", k, "--m", "1,8,16,512", "--mib", 192, "--reps", 5):
        if match := GEMM.search(line):
            name, m, us, gbs, read_share, read, gops, peak_share, peak = match.groups()
            yield {"weights": name, "n": n, "k": k, "m": int(m), "us": float(us), "gbs": float(gbs), "of_read": int(read_share) / 100,
                   "gops": float(gops), "of_peak": int(peak_share) / 100}


def onednn(o):
    for line in lines(o, "bench.onednn", "--threads", o.threads, *(("--reps", 5, "--m", "1,8,512") if o.full else ("--reps", 3, "--m", "1,512", "--mib", 128))):
        if match := ONEDNN.search(line):
            kind, shape, n, k, m, ours, theirs, ratio = match.groups()
            yield {"kind": kind.strip(), "shape": shape, "n": int(n), "k": int(k), "m": int(m), "us": float(ours), "onednn_us": float(theirs), "ratio": float(ratio)}


def attention(o, depth):
    for line in lines(o, "bench.attention", "--threads", o.threads, "--depth", depth, *(() if o.full else ("--shape", "llama-1b"))):
        if match := ATTENTION.search(line):
            shape, kv, mb, ms, gbs, times, gflops, share, one, many = match.groups()
            yield {"shape": shape, "kv": kv, "depth": depth, "mb": float(mb), "decode_ms": float(ms), "gbs": float(gbs), "of_read": 1 / float(times),
                   "prefill_gflops": float(gflops), "of_peak": int(share) / 100, "append_ns": [float(one), float(many)]}
        elif "decode" in line:
            yield {"line": line}


def steps(o):
    text = "\n".join(lines(o, "bench.steps", "--benchmark_format=json", "--benchmark_min_time=0.2"))
    for run in json.loads(text)["benchmarks"]:
        yield {"name": run["name"], "ns": run["real_time"], "bytes_per_second": run.get("bytes_per_second"), "label": run.get("label", "")}


def run(o):
    shapes = [(8192, 2048), (4096, 4096)] + ([(2048, 2048), (2048, 8192), (14336, 4096), (4096, 14336)] if o.full else [])
    return {
        "gemm": [row for n, k in shapes for row in gemm(o, n, k)],
        "onednn": list(onednn(o)) if (o.bin / "bench/bench.onednn").exists() else [],
        "attention": list(attention(o, 4096)),
        "steps": list(steps(o)) if (o.bin / "bench/bench.steps").exists() else [],
    }

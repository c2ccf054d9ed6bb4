"""results.md and the plots, from results.json."""
import svg


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" if i == 0 else "--:" for i in range(len(head))) + " |"
    for row in rows:
        yield "| " + " | ".join(str(cell) for cell in row) + " |"
    yield ""


def spread(ts):
    return f"{ts['median']:.1f} ({ts['min']:.1f}-{ts['max']:.1f})"


def percent(share):
    return f"{100 * share:.0f} %"


def read(row):
    """What a token reads of the weights."""
    return f"{row['bits']:.2f} bits, {row['weight_bytes'] / 1e6:.0f} MB"


def formats(weights):
    return weights.replace("/", ", activations ")


def machine(results):
    m = results["machine"]
    yield f"{m['cpu']} (family/model/stepping {m['family']}), {m['processors']} processors, {', '.join(m['flags'])}; {m['compiler']}; commit {m['commit'][:12]}; {m['date']}."
    parts = "".join(f"; {part} {seconds:.0f} s" for part, seconds in results["seconds"].items())
    yield f"{results['threads']} threads; load before {results['limits'][0]['load']}, after {results['limits'][-1]['load']}. `{results['command']}`, {results['minutes']:.1f} minutes{parts}."
    yield ""
    yield "## What the machine can do"
    yield ""
    names = list(results["limits"][0]["read_gbs"])
    yield from table(["when", *[f"read {name}, GB/s" for name in names], "FP32, GFLOP/s", "bf16", "int8", "barrier round, ns"],
                     [(when, *[limits["read_gbs"][name] for name in names], limits["fma_gops"], limits["bf16_gops"], limits["int8_gops"], limits["barrier_ns"])
                      for when, limits in zip(("before", "after"), results["limits"])])


def divergence(quality, program, weights, record):
    """The KL of a format, where it was measured: on SmolLM2, with keys and values in f16."""
    if record["model"] != "smollm2" or record["kv"] != "f16" or not quality:
        return ""
    if weights in ("f16/f32", "F16"):
        return "0"
    return next((f"{row['kl']:.1e}" for row in quality if (row["program"], row["weights"]) == (program, weights)), "")


def model_table(title, records, quality):
    yield f"## {title}"
    yield ""
    rows = []
    for r in records:
        left = [r["model"], r["test"], formats(r["weights"]), r["kv"], read(r), divergence(quality, "vernier", r["weights"], r), spread(r["ts"]),
                f"{percent(r['of_limit'])} of {r['limit']}"]
        peers = sorted(r.get("peers", {}).items(), key=lambda item: item[0] != r.get("best_peer"))
        for kind, peer in peers:
            ratio = f"{peer['ratio']:.2f}"
            rows.append((*left, f"{kind}, KV {peer['kv']}", read(peer), divergence(quality, "llama.cpp", kind, r), spread(peer["ts"]),
                         f"**{ratio}**" if kind == r.get("best_peer") else ratio))
            left = [""] * len(left)
        if not peers:
            rows.append((*left, "", "", "", "", ""))
    yield from table(["model", "test", "weights", "KV", "a token reads", "KL", "tokens/s", "of the limit", "llama.cpp", "a token reads", "KL", "tokens/s", "ratio"], rows)


def kernel_tables(kernels):
    yield "## Kernels"
    yield ""
    yield from table(["GEMM: weights/multiply", "n", "k", "m", "us", "GB/s", "of the read limit", "GOP/s", "of the peak"],
                     [(r["weights"], r["n"], r["k"], r["m"], f"{r['us']:.0f}", f"{r['gbs']:.1f}", percent(r["of_read"]), f"{r['gops']:.0f}", percent(r["of_peak"])) for r in kernels["gemm"]])
    if kernels["onednn"]:
        yield from table(["plain product", "shape", "m", "us", "oneDNN, us", "ratio"],
                         [(r["kind"], f"{r['shape']} ({r['n']} x {r['k']})", r["m"], f"{r['us']:.0f}", f"{r['onednn_us']:.0f}", f"{r['ratio']:.2f}") for r in kernels["onednn"]])
    known = [r for r in kernels["attention"] if "kv" in r]
    yield from table(["attention", "KV", "depth", "decode, ms", "GB/s", "of the read limit", "prefill, GFLOP/s", "of the peak", "append, ns a value: one token, many"],
                     [(r["shape"], r["kv"], r["depth"], f"{r['decode_ms']:.2f}", f"{r['gbs']:.1f}", percent(r["of_read"]), f"{r['prefill_gflops']:.0f}", percent(r["of_peak"]),
                       f"{r['append_ns'][0]:.2f}, {r['append_ns'][1]:.2f}") for r in known])
    yield from (r["line"] + "\n" for r in kernels["attention"] if "line" in r)
    if kernels["steps"]:
        rate = lambda r: f"{r['bytes_per_second'] * 1e-9:.2f}" if r["bytes_per_second"] else ""
        yield from table(["other steps", "us", "GB/s"], [(f"{r['name']} {r['label']}".strip(), f"{r['ns'] * 1e-3:.1f}", rate(r)) for r in kernels["steps"]])


def load_table(records):
    yield "## Servers under load"
    yield ""
    name = lambda r: f"{r['clients']} clients" if r["clients"] else f"{r['rate']} arrivals a second"
    yield from table(["model", "load", "server", "requests/s", "tokens/s", "ratio", "first token p50, p95, p99, ms", "between tokens p50, p95, p99, ms", "failed"],
                     [(f"{r['model']} {r['weights']}", name(r), r["server"], f"{r['requests_per_second']:.2f}", f"{r['tokens_per_second']:.1f}", f"**{r['ratio']:.2f}**" if "ratio" in r else "",
                       ", ".join(f"{x:.0f}" for x in r["ttft_ms"]), ", ".join(f"{x:.1f}" for x in r["gap_ms"]), r["failed"]) for r in records])


def start_table(records):
    yield "## From start to first token"
    yield ""
    yield "All files are in the page cache, read front to back; llama.cpp's is made from the model's file. SmolLM2: the servers, until a client has the token; the other: whole programs."
    yield ""
    seconds = lambda s: f"{s['median']:.2f} ({s['min']:.2f}-{s['max']:.2f})"
    yield from table(["model", "weights", "seconds", "llama.cpp", "seconds", "ratio"],
                     [(r["model"], f"{r['weights']}, {r['how']}", seconds(r["seconds"]), r.get("peer", ""), seconds(r["peer_seconds"]) if "peer" in r else "",
                       f"**{r['ratio']:.2f}**" if "ratio" in r else "") for r in records])


def quality_table(records):
    yield "## Quality"
    yield ""
    yield "KL divergence to each program's own f16 on the same text, SmolLM2, second half of each window of 512 tokens."
    yield ""
    yield from table(["program", "weights", "KL", "same top token"], [(r["program"], formats(r["weights"]), f"{r['kl']:.2e}", f"{r['top1']:.2f} %") for r in records])


def markdown(results):
    yield "# Results"
    yield ""
    yield "Written by `bench/run`. Medians, with the lowest and highest in parentheses; each limit is measured just before the run that is held against it."
    yield "A ratio above 1 means that Vernier is faster. In bold is the one that counts: to the fastest of llama.cpp's types that reads at least as many"
    yield "bits a weight; the others read less. docs/benchmarking.md says how to read this."
    yield ""
    yield from machine(results)
    titles = {"models": "Whole models", "depth": "Behind 4096 tokens", "batch": "Many sequences at once"}
    for key, title in titles.items():
        if results.get(key):
            yield from model_table(title, results[key], results.get("quality"))
    if results.get("load"):
        yield from load_table(results["load"])
    if results.get("start"):
        yield from start_table(results["start"])
    if results.get("quality"):
        yield from quality_table(results["quality"])
    if results.get("kernels"):
        yield from kernel_tables(results["kernels"])


def plots(results):
    records = [r for key in ("models", "depth", "batch") for r in results.get(key, [])]
    label = lambda r: f"{r['model']} {formats(r['weights'])} {r['test']}" + (f" KV {r['kv']}" if r["kv"] != "f16" else "")
    if any("ratio" in r for r in records):
        yield "ratios.svg", svg.bars("Speed beside llama.cpp's best of as many bits", [(label(r), [r["ratio"]]) for r in records if "ratio" in r], "times", ["Vernier / llama.cpp"], line=1)
    if records:
        yield "limits.svg", svg.bars("Share of what the machine allows", [(label(r), [100 * r["of_limit"]]) for r in records], "%", ["of the limit"], line=100)
    if results.get("kernels"):
        rows = [(f"{r['weights']} m {r['m']}, {r['n']} x {r['k']}", [100 * (r["of_read"] if r["m"] <= 8 else r["of_peak"])]) for r in results["kernels"]["gemm"]]
        yield "gemm.svg", svg.bars("GEMM: memory up to m = 8, arithmetic above", rows, "% of the limit", ["of the limit"], line=100)


def write(results, folder):
    (folder / "results.md").write_text("\n".join(markdown(results)).rstrip() + "\n")
    for name, text in plots(results):
        (folder / name).write_text(text)

"""results_cuda.md and the plots of a run on a GPU, from results_cuda.json."""
import svg
from report import percent, table


def us(entry):
    """A time with its spread, or why there is none."""
    if "us" not in entry:
        return f"not measured: {entry.get('not_measured', 'nobody asked')}"
    t = entry["us"]
    return f"{t['median']:.1f} ({t['min']:.1f}-{t['max']:.1f})"


def median(entry):
    return entry["us"]["median"] if "us" in entry else None


def ratio(row, peer):
    """How many times as long the peer takes."""
    ours, theirs = median(row["vernier"]), median(row["peers"].get(peer, {}))
    return theirs / ours if ours and theirs else None


def share(value):
    return "" if value is None else percent(value)


def best_peer(row, prefix):
    """The fastest of the peers whose names begin so."""
    times = [(median(entry), name) for name, entry in row["peers"].items() if name.startswith(prefix) and median(entry)]
    return min(times)[1] if times else None


def header(results):
    device = results["device"]
    yield f"{device['name']}, {device['processors']} multiprocessors, {device['memory_bytes'] / 2**30:.0f} GiB, {device['l2_bytes'] / 2**20:.0f} MiB of L2; driver {device['driver']}, " \
          f"CUDA runtime {device['runtime']}; kernels of {device['arch']}; commit {device['commit']}; {results['date']}."
    yield f"Clocks: SM {device['sm_mhz']} MHz before and at most {device['sm_mhz_max']}, memory {device['memory_mhz']}. `{results['command']}`, {results['seconds']['all']:.0f} s."
    for error in results["errors"]:
        yield f"**{error['part']} failed: {error['message']}**"
    if any(left for left in results["left"].values()):
        yield "Not measured because time was up: " + ", ".join(f"{left} of {part}" for part, left in results["left"].items() if left) + "."
    yield ""


def limits(results):
    yield "## What the device can do"
    yield ""
    yield "By kernels that do nothing else: wgmma on Hopper, else mma.sync; then mma.sync alone, which the library's kernels use."
    yield ""
    rows = []
    for when, l in zip(("before", "after"), results["limits"]):
        t, m = l["tensor_tops"], l["mma_sync_tops"]
        rows.append((when, f"{l['read_gbs']:.0f}", f"{l['l2_gbs']:.0f}", *[f"{t[k]:.0f}" for k in ("f16", "bf16", "int8", "fp8")], *[f"{m[k]:.0f}" for k in ("f16", "int8", "fp8")],
                     l["sm_mhz"], l["memory_mhz"]))
    yield from table(["when", "memory, GB/s", "L2, GB/s", "f16, TFLOP/s", "bf16", "int8", "fp8", "mma.sync f16", "int8", "fp8", "SM, MHz", "memory, MHz"], rows)


def gemm(rows):
    yield "## Products"
    yield ""
    yield "Weights from memory, CUDA graph replay. A ratio above 1: the peer takes longer. Each result was checked first; the bound is what rounding explains."
    yield ""
    for model in dict.fromkeys(row["model"] for row in rows):
        for name in dict.fromkeys(row["format"] for row in rows if row["model"] == model):
            mine = [row for row in rows if row["model"] == model and row["format"] == name]
            peers = list(dict.fromkeys(peer for row in mine for peer in row["peers"]))
            yield f"### {model}, {name}"
            yield ""
            cells = []
            for row in sorted(mine, key=lambda row: (row["layer"], row["m"])):
                line = [f"{row['layer']} ({row['n']} x {row['k']})", row["m"], us(row["vernier"]), f"{row['gbs']:.0f}" if "gbs" in row else "", share(row.get("of_read")),
                        f"{row['tops']:.1f}" if "tops" in row else "", share(row.get("of_peak"))]
                for peer in peers:
                    r = ratio(row, peer)
                    line += [us(row["peers"].get(peer, {})), f"{r:.2f}" if r else ""]
                cells.append(line)
            yield from table(["layer", "tokens", "us", "GB/s", "of memory", "TFLOP/s", "of peak", *[word for peer in peers for word in (f"{peer}, us", "ratio")]], cells)


def attention(rows):
    yield "## Attention"
    yield ""
    cells = []
    for row in sorted(rows, key=lambda row: (row["model"], row["phase"], row["kv"], row["batch"], row["depth"], row["tokens"])):
        cells.append((row["model"], row["phase"], row["kv"], row["batch"], row["depth"], row["tokens"], us(row["vernier"]), f"{row['gbs']:.0f}" if "gbs" in row else "",
                      share(row.get("of_read")), f"{row['tops']:.1f}" if "tops" in row else "", share(row.get("of_peak")),
                      "; ".join(f"{name} {us(entry)}" + (f", ratio {ratio(row, name):.2f}" if ratio(row, name) else "") for name, entry in row.get("peers", {}).items())))
    yield from table(["model", "phase", "KV", "sequences", "tokens before", "new tokens each", "us", "GB/s", "of memory", "TFLOP/s", "of peak", "peers"], cells)


def ops(rows):
    yield "## Other steps"
    yield ""
    yield "Operands that fit in L2 stay there, as they do in a model."
    yield ""
    yield from table(["step", "tokens", "us", "bytes", "GB/s", "of memory"],
                     [(row["step"], row["tokens"], us(row["vernier"]), f"{row['bytes']:.0f}", f"{row['gbs']:.0f}" if "gbs" in row else "", share(row.get("of_read"))) for row in rows])


def models(rows):
    yield "## Whole models"
    yield ""
    name = lambda r: " + ".join(filter(None, (f"pp{r['n_prompt']}" if r["n_prompt"] else "", f"tg{r['n_gen']}" if r["n_gen"] else ""))) + (f" x {r['n_sequences']}" if r["n_sequences"] > 1 else "") \
        + (f" @ d{r['n_depth']}" if r["n_depth"] else "")
    yield from table(["model", "test", "KV", "tokens/s", "GB/s", "GOP/s", "of the limit"],
                     [(r["model_type"], name(r), r["type_k"], f"{r['median_ts']:.1f} ± {r['stddev_ts']:.1f}", f"{r['bytes_per_second'] * 1e-9:.0f}", f"{r['operations_per_second'] * 1e-9:.0f}",
                       f"{percent(r['of_limit'])} of {r['limit']}" if r["of_limit"] is not None else "") for r in rows])


def goals(results):
    """What was aimed at on an H100, and what came of it: (goal, target, whether more is better, the measured numbers)."""
    rows = [row for row in results.get("gemm", []) if row["model"] == "llama-8b"]
    nf4 = lambda layers, tokens: [row for row in rows if row["format"] == "nf4" and row["layer"] in layers and row["m"] in tokens]
    against = lambda some, peer: [ratio(row, best_peer(row, peer)) for row in some if best_peer(row, peer)]
    decode = lambda kv: [row for row in results.get("attention", []) if row["phase"] == "decode" and row["kv"] == kv and row["model"] == "llama-8b"]
    yield "nf4, 1 token, weights of 200 MB and more: share of memory", 0.82, [row.get("of_read") for row in nf4({"head"}, {1})]
    yield "nf4, 1 token, gate and up (66 MB): share of memory", 0.65, [row.get("of_read") for row in nf4({"gate_up"}, {1})]
    yield "nf4, 1 token, o and qkv (9 and 14 MB): share of memory", 0.50, [row.get("of_read") for row in nf4({"o", "qkv"}, {1})]
    yield "nf4, 16 and 32 tokens, gate and up: times as fast as cuBLASLt in f16", 2.8, against(nf4({"gate_up"}, {16, 32}), "cublaslt")
    yield "nf4, 64 tokens, gate and up: times as fast as cuBLASLt in f16", 2.5, against(nf4({"gate_up"}, {64}), "cublaslt")
    yield "nf4, 8 to 64 tokens, o: times as fast as bitsandbytes", 3.0, against(nf4({"o"}, {8, 16, 32, 64}), "bitsandbytes")
    yield "nf4, 2048 tokens: times as fast as cuBLASLt in f16", 0.95, against(nf4({"gate_up", "o", "down", "qkv"}, {2048}), "cublaslt")
    yield "e4m3 times e4m3, 2048 tokens: TFLOP/s", 1300, [row.get("tops") for row in rows if row["format"] == "e4m3/e4m3" and row["m"] == 2048]
    yield "decode attention, e4m3, 16 sequences and more behind 4096 tokens and more: share of memory", 0.85, [row.get("of_read") for row in decode("e4m3") if row["batch"] >= 16 and row["depth"] >= 4096]
    yield "decode attention, e4m3, one sequence behind 4096 tokens: calls in 12 us", 1.0, [12 / median(row["vernier"]) for row in decode("e4m3") if (row["batch"], row["depth"]) == (1, 4096) and median(row["vernier"])]
    yield "prefill attention, f16, 8192 tokens and more: TFLOP/s", 600, [row.get("tops") for row in results.get("attention", [])
                                                                          if (row["phase"], row["kv"], row["model"]) == ("prefill", "f16", "llama-8b") and row["tokens"] >= 8192]


def goal_table(results):
    yield "## Goals"
    yield ""
    yield "Set for an H100; the lowest and the highest of the rows that a goal is about. It is met where the lowest is."
    yield ""
    cells = []
    for goal, target, found in goals(results):
        found = [value for value in found if value is not None]
        cells.append((goal, f"{target:g}", f"{min(found):.3g} to {max(found):.3g}" if found else "not measured", "" if not found else "met" if min(found) >= target else "missed"))
    yield from table(["goal", "target", "measured", ""], cells)


def markdown(results):
    yield "# Results on a GPU"
    yield ""
    yield "Written by `bench/run_cuda`. Medians, with the lowest and highest in parentheses; contestants take turns. docs/benchmarking.md says how to read this."
    yield ""
    yield from header(results)
    if results["limits"]:
        yield from limits(results)
    if results.get("gemm") or results.get("attention"):
        yield from goal_table(results)
    for part, write_part in (("gemm", gemm), ("attention", attention), ("ops", ops), ("models", models)):
        if results.get(part):
            yield from write_part(results[part])


def plots(results):
    rows = [row for row in results.get("gemm", []) if row["model"] == "llama-8b" and row["format"] == "nf4" and "of_read" in row]
    label = lambda row: f"{row['layer']}, {row['m']} tokens"
    if rows:
        rows = sorted(rows, key=lambda row: (row["layer"], row["m"]))
        yield "gemm_nf4.svg", svg.bars("nf4 at Llama-3.1-8B's layers: share of the device", [(label(row), [100 * row["of_read"], 100 * row["of_peak"]]) for row in rows], "%",
                                       ["of memory", "of the tensor cores"], line=100)
        compared = [(label(row), [ratio(row, best_peer(row, "cublaslt")) if best_peer(row, "cublaslt") else None, ratio(row, best_peer(row, "bitsandbytes")) if best_peer(row, "bitsandbytes") else None])
                    for row in rows]
        yield "gemm_nf4_peers.svg", svg.bars("nf4: times as fast as", compared, "times", ["cuBLASLt f16", "bitsandbytes"], line=1)
    decode = [row for row in results.get("attention", []) if row["model"] == "llama-8b" and row["phase"] == "decode" and "of_read" in row]
    if decode:
        decode = sorted(decode, key=lambda row: (row["kv"], row["batch"], row["depth"]))
        yield "attention.svg", svg.bars("Decode attention: share of memory", [(f"{row['kv']}, {row['batch']} x {row['depth']}", [100 * row["of_read"]]) for row in decode], "%", ["of memory"], line=100)


def write(results, folder):
    (folder / "results_cuda.md").write_text("\n".join(markdown(results)).rstrip() + "\n")
    for name, text in plots(results):
        (folder / name).write_text(text)

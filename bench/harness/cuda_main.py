"""Measures on a GPU, what matters most first, and writes what there is after every few rows: a run that is stopped leaves what it had."""
import argparse
import datetime
import json
import pathlib
import subprocess
import sys
import time

import cuda_programs
import cuda_report

# The share of the time that a part gets of what is left for it and those behind it.
SHARES = {"limits": 1, "gemm": 10, "attention": 5, "torch": 2, "ops": 2, "models": 5}


def parse(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", type=pathlib.Path)
    parser.add_argument("--cublaslt", default="")
    parser.add_argument("--bitsandbytes", default="")
    o = parser.parse_args(arguments)
    o.parts = o.only.split(",") if o.only else list(SHARES)
    unknown = [part for part in o.parts if part not in SHARES]
    if unknown:
        parser.error(f"--only: there is no {unknown[0]}; there are {', '.join(SHARES)}")
    o.cublaslt = o.cublaslt or cuda_programs.find_cublaslt()
    o.bitsandbytes = o.bitsandbytes or cuda_programs.find_bitsandbytes()
    o.command = "bench/run_cuda" + " --quick" * o.quick + (f" --only {o.only}" if o.only else "") + f" --rounds {o.rounds} --seconds {o.seconds}"
    return o


class Run:
    def __init__(self, o):
        self.o, self.started, self.kept = o, time.monotonic(), 0.0
        self.results = {"command": o.command, "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "device": None, "seconds": {"all": 0}, "left": {}, "errors": [], "limits": []}

    def passed(self):
        return time.monotonic() - self.started

    def keep(self, always=True):
        """Writes everything, at most every two seconds unless it is `always`."""
        if self.results["device"] is None or (not always and time.monotonic() - self.kept < 2):
            return
        self.results["seconds"]["all"] = self.passed()
        self.o.out.mkdir(parents=True, exist_ok=True)
        (self.o.out / "results_cuda.json").write_text(json.dumps(self.results, indent=1) + "\n")
        cuda_report.write(self.results, self.o.out)
        self.kept = time.monotonic()

    def take(self, part, row):
        kind = row.pop("kind")
        if kind == "device":
            self.results["device"] = self.results["device"] or row
        elif kind == "error":
            self.results["errors"].append({"part": part, "message": row["message"]})
        elif kind == "end":
            self.results["left"][part] = row["not_measured_for_time"]
        elif kind == "peers":
            self.results["libraries"] = row
        else:
            self.results.setdefault(kind, []).append(row)
        self.keep(always=False)

    def program(self, part, seconds, *command, env=None):
        """Runs one of ours to its end, or to the end of its time: a minute is for what it does before it looks at the clock."""
        began = self.passed()
        try:
            for row in cuda_programs.rows(command, seconds + 60, env or cuda_programs.environment(self.o.cublaslt)):
                self.take(part, row)
        except cuda_programs.Failed as error:
            self.results["errors"].append({"part": part, "message": str(error)})
            print(f"{part}: {error}", file=sys.stderr)
        self.results["seconds"][part] = self.results["seconds"].get(part, 0) + self.passed() - began
        self.keep()


def torch_peers(run, seconds):
    """Attention by PyTorch at the shapes that were measured; their times become peers of our rows."""
    shapes = [{key: row[key] for key in ("model", "phase", "kv", "batch", "depth", "tokens", "heads", "kv_heads", "head_dim")} for row in run.results.get("attention", [])]
    if not shapes:
        return
    script = pathlib.Path(__file__).parent.parent / "peers/torch_attention"
    run.program("torch", seconds, sys.executable, script, "--seconds", int(seconds), "--rounds", run.o.rounds, "--shapes", json.dumps(shapes))
    same = lambda a, b: all(a[key] == b[key] for key in ("model", "phase", "kv", "batch", "depth", "tokens"))
    for theirs in run.results.pop("torch_attention", []):
        for ours in run.results["attention"]:
            if same(ours, theirs):
                ours.setdefault("peers", {}).update(theirs["peers"])


def models(run, seconds):
    if run.o.model is None or not run.o.model.exists():
        run.results["left"]["models"] = 1
        print("    no model: pass --model", flush=True)
        return
    command = [run.o.bin / "bin/vernier-bench", "-m", run.o.model, "--device", "cuda", "--weights", "nf4,f16", "-p", "512", "-n", "64", "-r", "3", "-o", "json"]
    print("   ", *command, flush=True)
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=max(seconds, 60))
        if done.returncode != 0:
            raise cuda_programs.Failed((done.stderr.strip().splitlines() or ["no reason given"])[-1])
        run.results["models"] = json.loads(done.stdout)
    except (cuda_programs.Failed, subprocess.TimeoutExpired, OSError, ValueError) as error:
        run.results["errors"].append({"part": "models", "message": str(error)})
        print(f"models: {error}", file=sys.stderr)


def measure(run):
    o = run.o
    ours = lambda name: o.bin / "bench" / f"bench.cuda.{name}"
    peers = ("--cublaslt", o.cublaslt, "--bitsandbytes", o.bitsandbytes)
    run.program("limits", 60, ours("limits"))
    for part in (part for part in o.parts if part != "limits"):
        ahead = sum(SHARES[p] for p in o.parts[o.parts.index(part):])
        seconds = max(5, (o.seconds - run.passed()) * SHARES[part] / ahead)
        print(f"== {part}, {seconds:.0f} s", flush=True)
        common = ("--seconds", int(seconds), "--rounds", o.rounds)
        if part == "gemm":
            few = ("--models", "llama-8b", "--formats", "nf4,f16,e4m3/e4m3", "--m", "1,16,64,2048") if o.quick else ()
            run.program(part, seconds, ours(part), *common, *peers, *few, env=cuda_programs.environment(o.cublaslt, o.bitsandbytes))
        elif part in ("attention", "ops"):
            run.program(part, seconds, ours(part), *common, *(("--kv", "e4m3,f16") if o.quick and part == "attention" else ()))
        elif part == "torch":
            torch_peers(run, seconds)
        else:
            models(run, seconds)
        run.keep()
    run.program("limits", 60, ours("limits"))


def main():
    o = parse()
    run = Run(o)
    try:
        measure(run)
    except cuda_programs.NoDevice as none:
        print(none)
        return 0
    run.keep()
    print(f"{o.out}/results_cuda.md, after {run.passed():.0f} s")
    return 1 if run.results["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())

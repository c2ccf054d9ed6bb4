"""Measures in order and writes what there is after every part, so that a run that is stopped leaves what it had."""
import argparse
import json
import pathlib
import time

import kernels
import load
import machine
import models
import quality
import report
import start

PARTS = ("limits", "kernels", "quality", "models", "depth", "batch", "load", "start")


def parse():
    parser = argparse.ArgumentParser()
    for name in ("--bin", "--models", "--smollm2"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    parser.add_argument("--peer-bin", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("bench/results"))
    o = parser.parse_args()
    o.peer_bin = None if o.peer_bin == "none" else pathlib.Path(o.peer_bin)
    o.parts = o.only.split(",") if o.only else list(PARTS)
    unknown = [part for part in o.parts if part not in PARTS]
    if unknown:
        parser.error(f"--only: there is no {unknown[0]}; there are {', '.join(PARTS)}")
    o.command = "bench/run" + " --full" * o.full + (f" --only {o.only}" if o.only else "") + (f" --rounds {o.rounds}" if o.rounds != 2 else "")
    return o


def main():
    o = parse()
    o.out.mkdir(parents=True, exist_ok=True)
    files = models.Models(o)
    if set(o.parts) - {"limits", "kernels"}:
        files.make()
    started = time.monotonic()
    results = {"machine": machine.describe(), "command": o.command, "threads": o.threads, "minutes": 0, "seconds": {}, "limits": [machine.limits(o)]}

    def keep():
        results["minutes"] = (time.monotonic() - started) / 60
        (o.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        report.write(results, o.out)

    measure = {
        "kernels": lambda: kernels.run(o),
        "models": lambda: list(models.run(o, files)),
        "depth": lambda: list(models.depth(o, files)),
        "batch": lambda: list(models.batch(o, files)),
        "load": lambda: list(load.run(o, files)),
        "start": lambda: list(start.run(o, files)),
        "quality": lambda: list(quality.run(o, files)),
    }
    for part in (part for part in o.parts if part in measure):
        print(f"== {part}", flush=True)
        began = time.monotonic()
        results[part] = measure[part]()
        results["seconds"][part] = time.monotonic() - began
        keep()
    results["limits"].append(machine.limits(o))
    keep()
    print(f"{o.out}/results.md, after {results['minutes']:.1f} minutes")


if __name__ == "__main__":
    main()

"""What was measured on: processor, memory, compiler, commit, load, and the limits that bench.limits finds."""
import datetime
import json
import os
import pathlib
import platform
import subprocess

FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def load():
    return round(os.getloadavg()[0], 2)


def describe():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    field = lambda name: next((line.split(":", 1)[1].strip() for line in cpuinfo.splitlines() if line.startswith(name)), "unknown")
    present = field("flags").split()
    return {
        "cpu": field("model name"),
        "family": f"{field('cpu family')}/{field('model')}/{field('stepping')}",
        "processors": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in present],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "huge_pages": pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text().strip(),
        "kernel": platform.release(),
        "compiler": output("c++", "--version").splitlines()[0],
        "commit": output("git", "rev-parse", "HEAD").strip() + ("+changes" if output("git", "status", "--porcelain", "--untracked-files=no") else ""),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def limits(o):
    """Bytes per second by level, peaks and a barrier round, now."""
    return json.loads(output(str(o.bin / "bench/bench.limits"), "--threads", str(o.threads))) | {"load": load()}

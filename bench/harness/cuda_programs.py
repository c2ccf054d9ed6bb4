"""Runs the GPU benchmarks, which print a line of JSON for each thing that they measured, and finds the libraries that they are held against."""
import glob
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading


class NoDevice(Exception):
    """There is no GPU here; the message says why."""


class Failed(Exception):
    """A program ended with an error; what it had measured until then was handed over."""


def folders_of(package):
    """Where a Python package lies, without importing it."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return list(spec.submodule_search_locations or []) if spec else []


def newest(*patterns):
    found = [path for pattern in patterns for path in glob.glob(pattern)]
    return sorted(found)[-1] if found else ""


def find_cublaslt():
    """That of a Python package or of a toolkit; empty leaves it to the loader."""
    return newest(*[f"{folder}/*/lib/libcublasLt.so.1[0-9]" for folder in folders_of("nvidia")]) or newest("/usr/local/cuda*/lib64/libcublasLt.so.1[0-9]")


def find_bitsandbytes():
    """That for the oldest CUDA 13, which any driver for 13 runs."""
    found = [path for folder in folders_of("bitsandbytes") for path in glob.glob(f"{folder}/libbitsandbytes_cuda13*.so")]
    return min(found, default="")


def environment(*libraries):
    """With the folders of these libraries, and of the CUDA packages beside them, where a loader looks."""
    folders = [str(pathlib.Path(library).parent) for library in libraries if library]
    folders += [path for folder in folders_of("nvidia") for path in glob.glob(f"{folder}/*/lib")]
    return os.environ | {"LD_LIBRARY_PATH": ":".join([*folders, os.environ.get("LD_LIBRARY_PATH", "")])}


def parse(line):
    """A row, or nothing for a line that is none."""
    if line.startswith("no CUDA device"):
        raise NoDevice(line.strip())
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "kind" in row else None


def rows(command, seconds, env=None):
    """The rows of a program, as they come. It is stopped when it is overdue. Raises NoDevice or Failed."""
    print("   ", *command, flush=True)
    with tempfile.TemporaryFile("w+") as errors:
        program = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=errors, text=True, env=env)
        overdue = threading.Event()
        def stop():
            overdue.set()
            program.kill()
        watch = threading.Timer(seconds, stop)
        watch.start()
        try:
            for line in program.stdout:
                row = parse(line)
                if row is not None:
                    yield row
            status = program.wait()
        finally:
            watch.cancel()
            if program.poll() is None:
                program.kill()
                program.wait()
            program.stdout.close()
        errors.seek(0)
        said = errors.read().strip()
    if overdue.is_set():
        raise Failed(f"stopped after {seconds:.0f} s")
    if status != 0:
        raise Failed(said.splitlines()[-1] if said else f"status {status}")
    if said:
        print(said, file=sys.stderr)

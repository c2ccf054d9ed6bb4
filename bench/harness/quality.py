"""What each format costs: KL divergence to the same program's f16, multiplied in float, over the same text, by vernier-evaluate and by llama-perplexity.

Both score the second half of each window, as llama-perplexity does, where every token has a context.
"""
import pathlib
import re
import subprocess
import tempfile

import models

TEXTS = ("README.md", "docs/architecture.md", "docs/numerics.md", "docs/routing.md")
WINDOW, WINDOWS = 512, 3  # logits of one window take 100 MB


def sentence(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else float("nan")


def ours(o, files, weights, text, base):
    command = [str(o.bin / "bin/vernier-evaluate"), "--model", str(files.sources["smollm2"]), "--text", str(text), "-c", str(WINDOW), "--first", str(WINDOW // 2),
               "-t", str(o.threads), *models.format_flags(weights)]
    out = subprocess.run(command + (["--baseline", str(base)] if base.exists() else ["--logits", str(base)]), check=True, capture_output=True, text=True).stdout
    return {"kl": sentence(r"KL to baseline\s+(\S+)", out), "top1": sentence(r"same top token\s+(\S+)", out)}


def theirs(o, files, kind, text, base):
    command = [str(o.peer_bin / "llama-perplexity"), "-m", str(files.peer_file("smollm2", kind)), "-f", str(text), "-c", str(WINDOW), "-t", str(o.threads),
               "--kl-divergence-base", str(base)]
    done = subprocess.run(command + (["--kl-divergence"] if base.exists() else []), check=True, capture_output=True, text=True)
    out = done.stdout + done.stderr
    return {"kl": sentence(r"Mean\s+KLD:\s+(\S+)", out), "top1": sentence(r"Same top p:\s+(\S+)", out)}


def run(o, files):
    """Ours, then llama.cpp's: every format that a row of the tables has against f16, multiplied in float."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text = folder / "text"
        text.write_text("\n".join(pathlib.Path(name).read_text() for name in TEXTS)[:WINDOW * WINDOWS * 3])  # about three letters a token
        programs = [("vernier", ours, "f16/f32", [weights for group in models.GROUPS for weights in group[0]])]
        if o.peer_bin:
            programs.append(("llama.cpp", theirs, "F16", [kind for group in models.GROUPS for kind in models.kinds_of(o, group)]))
        for program, score, exact, formats in programs:
            base = folder / program
            score(o, files, exact, text, base)
            for name in formats:
                if name != exact:
                    row = {"program": program, "weights": name} | score(o, files, name, text, base)
                    print(f"    {program} {name}: KL {row['kl']:.2e}, same top token {row['top1']:.2f} %", flush=True)
                    yield row
            base.unlink()

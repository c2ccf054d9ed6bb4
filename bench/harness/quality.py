"""What each format costs: KL divergence to the same program's f16 over the same text, by vernier-evaluate and by llama-perplexity."""
import pathlib
import re
import subprocess
import tempfile

import models

TEXTS = ("README.md", "docs/architecture.md", "docs/numerics.md", "docs/routing.md")
WINDOW, WINDOWS = 512, 4  # logits of one window take 100 MB
PAIRS = {"nf4": ("Q4_0", "Q4_K", "IQ4_NL"), "i8": ("Q8_0",), "bf16": ("BF16",)}


def sentence(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else float("nan")


def ours(o, files, weights, text, base):
    command = [str(o.bin / "bin/vernier-evaluate"), "--model", str(files.sources["smollm2"]), "--text", str(text), "-c", str(WINDOW), "--weights", weights]
    out = subprocess.run(command + (["--logits", str(base)] if weights == "f16" else ["--baseline", str(base)]), check=True, capture_output=True, text=True).stdout
    return sentence(r"KL to baseline\s+(\S+)", out), sentence(r"same top token\s+(\S+)", out)


def theirs(o, files, kind, text, base):
    command = [str(o.peer_bin / "llama-perplexity"), "-m", str(files.peer_file("smollm2", kind)), "-f", str(text), "-c", str(WINDOW), "-t", str(o.threads),
               "--kl-divergence-base", str(base)]
    done = subprocess.run(command + ([] if kind == "F16" else ["--kl-divergence"]), check=True, capture_output=True, text=True)
    out = done.stdout + done.stderr
    return sentence(r"Mean\s+KLD:\s+(\S+)", out), sentence(r"Same top p:\s+(\S+)", out)


def run(o, files):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        text, base = folder / "text", folder / "base.npy"
        text.write_text("\n".join(pathlib.Path(name).read_text() for name in TEXTS)[:WINDOW * WINDOWS * 3])  # about three letters a token
        ours(o, files, "f16", text, base)
        for weights in PAIRS:
            kl, top1 = ours(o, files, weights, text, base)
            size = models.ours(o, files, "smollm2", weights, 1, 0, 0, 1)[0]["model_size"]
            yield {"weights": weights, "size": size, "kl": kl, "top1": top1}
        if o.peer_bin is None:
            return
        base.unlink()
        theirs(o, files, "F16", text, base)
        for kind in (kind for kinds in PAIRS.values() for kind in kinds):
            kl, top1 = theirs(o, files, kind, text, base)
            yield {"weights": f"llama.cpp {kind}", "size": files.peer_file("smollm2", kind).stat().st_size, "kl": kl, "top1": top1}

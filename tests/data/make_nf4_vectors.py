"""Writes nf4_vectors.txt: NF4 codes, absmax and nested absmax as bitsandbytes computes them on a CPU.

Run with bitsandbytes 0.50.2 and torch; the tests read only the text file. Numbers are the bits of a float32 in hexadecimal.
The values to dequantise to come from bitsandbytes' portable code: its AVX-512 code is wrong for some row lengths.
"""

import pathlib
import struct

import bitsandbytes as bnb
import bitsandbytes.functional as bnbf
import numpy as np
import torch
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute

TABLE = bnbf.get_4bit_type("nf4", device="cpu")


def floats(values):
    return "".join(struct.pack(">f", v).hex() for v in np.asarray(values, np.float32).reshape(-1))


def flat_case(name, values, block=64):
    x = torch.tensor(np.asarray(values, np.float32))
    codes, state = bnbf.quantize_4bit(x, blocksize=block, quant_type="nf4")
    out = _dequantize_4bit_compute(codes.reshape(-1), state.absmax, TABLE, block, [x.numel()], torch.float32)
    lines = [f"flat {name} {block} {x.numel()}", floats(x), codes.numpy().tobytes().hex(), floats(state.absmax), floats(out)]
    return "\n".join(lines) + "\n"


def nested_case(name, absmax):
    """What quantize_4bit(compress_statistics=True) does with an absmax vector, and what dequantising gives back."""
    a = torch.tensor(np.asarray(absmax, np.float32))
    offset = a.mean()
    codes, state = bnbf.quantize_blockwise(a - offset, blocksize=256)
    out = bnbf.dequantize_blockwise(codes, state) + offset
    lines = [f"nested {name} 256 {a.numel()}", floats(a), floats([offset]), codes.numpy().tobytes().hex(), floats(state.absmax), floats(out)]
    return "\n".join(lines) + "\n"


def ties():
    """Blocks with absmax 1 that hold every midpoint of the table and its two neighbours."""
    t = TABLE.numpy()
    middle = ((t[:-1] + t[1:]) / np.float32(2)).astype(np.float32)
    below, above = np.nextafter(middle, np.float32(-2)), np.nextafter(middle, np.float32(2))
    values = np.concatenate([middle, below, above, t, [1.0], [-1.0], [0.0]]).astype(np.float32)
    return np.concatenate([values, values[::-1]])[:128]


def main():
    assert bnb.__version__ == "0.50.2", bnb.__version__
    rng = np.random.default_rng(20)
    normal = lambda n, s=1.0: (rng.standard_normal(n) * s).astype(np.float32)
    denormal = normal(64, 1e-40)
    wide = (normal(192) * np.exp(rng.uniform(-80, 80, 192))).astype(np.float32)
    flat = [
        ("normal", normal(1024, 0.02), 64), ("ties", ties(), 64), ("zeros", np.zeros(128), 64), ("negative_zeros", -np.zeros(64), 64),
        ("one_hot", np.eye(1, 128, 70), 64), ("denormal", denormal, 64), ("tiny", normal(128, 1e-38), 64), ("wide", wide, 64),
        ("huge", np.concatenate([[3.4028234e38, -3.4028234e38], normal(62, 1e38)]), 64), ("equal", np.full(64, -0.37), 64),
        ("short_1", [0.25], 64), ("short_zero", np.zeros(5), 64), ("short_7", normal(7), 64), ("short_100", normal(100), 64),
        ("odd_65", normal(65), 64), ("odd_191", normal(191, 30), 64), ("short_denormal", normal(33, 1e-40), 64),
        ("zero_then_short_zero", np.zeros(70), 64), ("block_32", normal(96), 32), ("block_128", normal(300), 128),
        ("block_4096", normal(64), 4096), ("rows_of_48", normal(48 * 4), 64),
    ]
    absmax = lambda n, s=1.0: np.abs(normal(64 * n, s)).reshape(n, 64).max(1)
    nested = [
        ("normal", absmax(700, 0.02)), ("one_block", absmax(256)), ("one", [0.5]), ("equal", np.full(300, 0.25)), ("zeros", np.zeros(20)),
        ("outlier", np.concatenate([absmax(299, 1e-3), [9.0]])), ("short_257", absmax(257)),
    ]
    text = "".join(flat_case(*c) for c in flat) + "".join(nested_case(*c) for c in nested)
    text += f"codebook dynamic 0 256\n{floats(bnbf.create_dynamic_map())}\n"
    path = pathlib.Path(__file__).with_name("nf4_vectors.txt")
    path.write_text(text)
    print(path.name, len(text), "bytes")


if __name__ == "__main__":
    main()

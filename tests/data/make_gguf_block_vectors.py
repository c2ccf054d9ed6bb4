#!/usr/bin/env python3
"""Writes gguf_block_vectors.txt: what the Python package `gguf` (0.10 or later, with numpy) makes of pseudo-random blocks of every type.

One line a type: its GGUF number, bytes of a block, a checksum of the floats of 2048 blocks, and the first 8 floats as hexadecimal bits.
Blocks are bytes of the generator below (the test has the same); the binary16 fields lose their top exponent bit, which keeps them finite.
"""
import pathlib
import gguf
import numpy as np

BLOCKS = 2048
TYPES = {  # type -> offsets of its binary16 fields
    "F16": [0], "BF16": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
    "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0],
}


def random_bytes(count):
    state, out = 12345, bytearray()
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append(state >> 56)
    return np.frombuffer(bytes(out), np.uint8)


def main():
    lines = []
    for name, halfs in TYPES.items():
        kind = gguf.GGMLQuantizationType[name]
        block_bytes = gguf.GGML_QUANT_SIZES[kind][1]
        blocks = random_bytes(BLOCKS * block_bytes).reshape(BLOCKS, block_bytes).copy()
        for offset in halfs:
            blocks[:, offset + 1] &= 0xBF
        values = gguf.quants.dequantize(blocks, kind).astype(np.float32).reshape(-1)
        assert np.isfinite(values).all()
        bits = values.view(np.uint32)
        weights = 2 * np.arange(bits.size, dtype=np.uint64) + 1
        with np.errstate(over="ignore"):
            checksum = int((bits.astype(np.uint64) * weights).sum(dtype=np.uint64))
        lines.append(f"{int(kind)} {block_bytes} {checksum:016x} " + " ".join(f"{b:08x}" for b in bits[:8]))
    pathlib.Path(__file__).with_name("gguf_block_vectors.txt").write_text("\n".join(lines) + "\n")


main()

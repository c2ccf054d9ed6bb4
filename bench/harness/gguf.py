"""What a decoded token reads of a GGUF file: every matrix but a separate embedding, of which it takes one row."""
import struct

PLAIN = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of a metadata value, by its type
STRING, ARRAY = 8, 9


def number(file, kind):
    return struct.unpack("<" + kind, file.read(struct.calcsize(kind)))[0]


def text(file):
    return file.read(number(file, "Q")).decode("utf-8", "replace")


def metadata_value(file, kind):
    """The value of a string or a 32-bit count; others are passed over."""
    if kind == STRING:
        return text(file)
    if kind == ARRAY:
        inner, count = number(file, "I"), number(file, "Q")
        if inner in PLAIN:
            file.seek(PLAIN[inner] * count, 1)
        else:
            for _ in range(count):
                metadata_value(file, inner)
        return None
    raw = file.read(PLAIN[kind])
    return struct.unpack("<I", raw)[0] if kind == 4 else None


def tensors(path):
    """Extents and bytes of each tensor by its name. Bytes are up to where the next one starts, so no type needs to be known."""
    with open(path, "rb") as file:
        file.read(8)
        count, pairs = number(file, "Q"), number(file, "Q")
        fields = {}
        for _ in range(pairs):
            key = text(file)
            fields[key] = metadata_value(file, number(file, "I"))
        entries = []
        for _ in range(count):
            name, extents = text(file), number(file, "I")
            shape = [number(file, "Q") for _ in range(extents)]
            number(file, "I")
            entries.append((number(file, "Q"), name, shape))
        alignment = fields.get("general.alignment") or 32
        start = -(-file.tell() // alignment) * alignment
        end = file.seek(0, 2) - start
    entries.sort()
    ends = [offset for offset, _, _ in entries[1:]] + [end]
    return {name: (shape, after - offset) for (offset, name, shape), after in zip(entries, ends)}


def read_by_a_token(path):
    """(weights, bytes) of the layers' matrices and of the head, which may be the embedding."""
    found = tensors(path)
    head = "output.weight" if "output.weight" in found else "token_embd.weight"
    weights = bytes_ = 0
    for name, (shape, size) in found.items():
        if len(shape) > 1 and (name == head or name.startswith("blk.")):
            weights += shape[0] * shape[1]
            bytes_ += size
    return weights, bytes_

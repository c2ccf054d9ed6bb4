#!/usr/bin/env python3
"""Train small tokenizers of every kind that Vernier reads, and write what the `tokenizers` package makes of nasty strings.

usage: make_tokenizer_vectors.py [--vocabs DIR] [--model FILE]     needs tokenizers (made with 0.23.3); with --vocabs or --model also gguf

Writes into tokenizers/ beside this file:
  small_<kind>.json   a tokenizer.json, trained here on the text below
  small_<kind>.txt    the vectors for it
  real_<name>.txt     vectors for real vocabularies, which are not stored: DIR holds llama.cpp's ggml-vocab-<name>.gguf, FILE is the GGUF
                      file of SmolLM2; they are given to the `tokenizers` package as a vocabulary and merges
  scored.txt          a SentencePiece vocabulary with scores, and ids by the definition of its merges, in plain Python

A line of vectors is: mode, text, ids, and what decoding gives, separated by tabs. Bytes outside printable ASCII, and backslashes, are \\xNN.
Modes: p plain text, s with special tokens found in the text, c the text inside the chat of the first line ("chat", before, after).
"""
import argparse
import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = Path(__file__).parent / "tokenizers"
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS_ONE_DIGIT = WORDS.replace("{1,3}", "")
WHITE_SPACE = [*range(0x9, 0xE), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000]
NO_WHITE_SPACE = [0x1C, 0x1D, 0x1E, 0x1F, 0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF]

TRAINING = """
The quick brown fox jumps over the lazy dog. Don't they say it's what we've all done? I'll go; you're right, he'd know, I'm sure.
She said: "the rain in Spain stays mainly in the plain", and then the other thing happened in the town, 12 34 567 8901 times.
def quantize(weights, group=64):\n    for i in range(0, len(weights), group):\n        scale = max(abs(w) for w in weights[i:i + group])\n\n
        yield scale, [round(w / scale * 7) for w in weights]\n\t\treturn None  # the end\r\n
Größe, Übung und Maß: ein Café in Zürich, naïve façade, señor, año, œuvre, žluťoučký kůň. Ένα δύο τρία. Привет, мир! Что это такое?
日本語の文章と、中国的文字，还有한국어 문장도 있습니다. हिन्दी में क्षत्रिय। שָׁלוֹם العربية ١٢٣ ½ Ⅷ ② ٣
😀 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪 !!! ??? ... --- === <<< >>> {{}} [] () // && || :: ->    \t\t\n\n\n   the the the the then there their
"""

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\r\n", "\r\n\r\n", "\t", "\t\t", " \n", "\n ", " \n \n ", "\n  \n\n   x", "  x", "   x  ", "x ", "x  ", "x \n", "x\n ",
    "Hello, world!", " Hello", "Hello  world   again    now", "hello\tworld", "a\u00a0b \u00a0 c", "line one\nline two\n\nline three\r\nline four",
    "it's It'S don't DON'T we've WE'VE I'll I'LL he'd HE'D you're YOU'RE I'm I'M 'tis 's 'S '", "it\u2019s we\u2019ve \u2019s", "a'ſ 'ſ x'ſy 'K 'ﬅ",
    "''s ' s 'sx 'stx !'s \"'t\" '' '''", "0 1 12 123 1234 12345 1234567890", "1,000.00 $5 3.14 1e-7 0x1F 007", "a1b22c333d4444", "½ Ⅷ ② ٣ १२३ ๓ \U0001d7ce 1½2Ⅷ3",
    " ½ x² H₂O", "x1\u0300 1\u20dd", "é e\u0301 ñ n\u0303 \u1e69 s\u0323\u0307 s\u0307\u0323 \u212b \u00c5 A\u030a", "\u1100\u1161\u11a8 각 \uac01", "\u0300\u0301", "a\u0300\u0301\u0302b",
    "ﬁ ﬂ Ⅳ ㎏ ①", "Straße STRASSE ſ İ ı ǆ ǅ", "Привет, мир!", "日本語の文章", "中文，字", "한국어 문장", "हिन्दी क्षत्रिय", "שָׁלוֹם", "العربية", "ไทย",
    "😀", "👩‍👩‍👧‍👦", "🏳️‍🌈🇩🇪", "👍🏽!", "a😀b", " 😀 ", "\u200d\ufe0f", "x\u200by\ufeffz\u2060", "\U0001f1e9", "\U0010ffff\ufffd\ufffe", "\U000105c5\u1c89 \U00016130 \U0002ebf0",
    "\x00", "a\x00b", "\x01\x02\x03\x04\x05\x06\x07", "a\x04b\x06c", "e\x13s\x14t\x16 \x1dx", "\x1c\x1d\x1e\x1f", "\x7f\x80\x9f", "À Ā Ġ Ċ Ą", "Ġthe ▁the ▁ ▁▁ <0x0A> <0xFF>",
    "<|im_end|>", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|>", "<|eot_id|>x<|begin_of_text|>", "</s> <s> <unk>", "a</s>b", "[INST] x [/INST]", "<|im_end|><|im_end|>",
    " <|im_end|> ", "<|im_end", "|im_end|>", "<tool>x</tool>", "<tool", "a <b> c", "a<b>c", "cat concat cat, cats cat", "  <b>  x", "[MIX] a[MIX]b", "<pad>",
    "def f(x):\n    if x > 0:\n        return x  # ok\n    return -x\n", "\tfor (int i = 0; i < n; ++i) {\n\t\tsum += a[i];\n\t}\n", "https://example.org/a/b?c=d&e=f#g", "user@example.org",
    "{\"key\": [1, 2.5, null, \"x\\n\"]}", "$E = mc^2$ \\frac{a}{b} ∑_{i=1}^n", "| a | b |\n|---|---|\n| 1 | 2 |", "---", "***", "-----------", "....", "!!!???", "#!/bin/sh",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcabcabcabcabcabc", "          x", "\n\n\n\n\n\n\n\n\n\nx", "the then there their the", "Donaudampfschifffahrtsgesellschaft",
    "  \u3000 \u3000x", " \u2003y", "\u2028z", "a\u2029\u2029b", "\u0085\u0085c", "q\u202fr", "...\n\n...", ")\r\n\r\n x", "?\n \n?", "! \n", " !\n\n a", "\n!", " \t\n\t a",
]


def nasty_texts(seed, count):
    """TEXTS, every white-space character (and what looks like one) between words, and random mixtures."""
    texts = list(TEXTS)
    texts += [f"a{chr(c)}b{chr(c)}{chr(c)}c 1{chr(c)}! {chr(c)}'s{chr(c)}\n{chr(c)}" for c in WHITE_SPACE + NO_WHITE_SPACE]
    pick = random.Random(seed)
    atoms = [word for text in TEXTS for word in text.split(" ")] + [chr(c) for c in WHITE_SPACE] + ["'s", "'LL", " ", "  ", "\n", "1", "é"]
    texts += ["".join(pick.choice(atoms) for _ in range(pick.randrange(2, 9))) for _ in range(count)]
    return texts


def escape(text):
    return "".join(chr(b) if 0x20 <= b < 0x7F and b != 0x5C else f"\\x{b:02x}" for b in text.encode())


def write_vectors(path, tokenizer, chat, texts):
    lines = ["\t".join(["chat", *map(escape, chat)])]
    controls = [token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special]
    for number, text in enumerate(texts):
        has_control = any(control in text for control in controls)
        for mode, whole in (("p", text), ("s", text), ("c", chat[0] + text + chat[1])):
            if (mode == "s") > has_control or (mode == "c" and (has_control or number % 3)):
                continue
            tokenizer.encode_special_tokens = mode == "p"
            ids = tokenizer.encode(whole, add_special_tokens=False).ids
            decoded = tokenizer.decode(ids, skip_special_tokens=False) if mode != "c" else ""
            lines.append("\t".join([mode, escape(text), " ".join(map(str, ids)), escape(decoded)]))
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(path.name, len(lines))


def train(pre_tokenizer, alphabet, specials, normalizer=None, size=420, **trainer):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.train_from_iterator(
        [TRAINING], trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=alphabet, show_progress=False, **trainer))
    return json.loads(tokenizer.to_str())


def save(name, description, adjust=lambda tokenizer: None):
    tokenizer = Tokenizer.from_str(json.dumps(description))
    adjust(tokenizer)
    tokenizer.save(str(OUT / f"small_{name}.json"), pretty=False)
    return Tokenizer.from_file(str(OUT / f"small_{name}.json"))


def byte_level(use_regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def small_byte_level(name, pre_tokenizer, specials, normalizer=None, missing=(), change=lambda description: None):
    alphabet = [c for c in pre_tokenizers.ByteLevel.alphabet() if c not in missing]
    description = train(pre_tokenizer, alphabet, [AddedToken(s, special=True, normalized=False) for s in specials], normalizer)
    description["decoder"] = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    change(description)
    return save(name, description, lambda t: t.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("</tool>", normalized=False)]))


def forget_merges(description):
    """Llama 3 has tokens that merges do not reach: drop the merges of some tokens that no other merge needs."""
    merges = description["model"]["merges"]
    parts = {part for merge in merges for part in merge}
    leaves = [merge for merge in merges if "".join(merge) not in parts]
    description["model"]["merges"] = [merge for merge in merges if merge not in leaves[::3]]
    description["model"]["ignore_merges"] = True
    ids = {token["content"]: token["id"] for token in description["added_tokens"]}
    bos = "<|begin_of_text|>"
    description["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        json.loads(processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, ids[bos])]).__getstate__())]}


def missing_bytes():
    """The 21 bytes that SmolLM2's vocabulary lacks, in the byte-level alphabet."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in visible]
    spelled = {b: chr(b) if b in visible else chr(0x100 + others.index(b)) for b in range(256)}
    return [spelled[b] for b in (0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2, *range(0xF5, 0x100))]


def small_sentencepiece(name, metaspace):
    """Trained on words with U+2581 in front; then the bytes are put in, as SentencePiece does."""
    description = train(pre_tokenizers.Metaspace(prepend_scheme="always", split=True), [], ["<unk>", "<s>", "</s>"], size=400, limit_alphabet=60)
    model = description["model"]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))] + sorted(model["vocab"], key=model["vocab"].get)[3:]
    model.update(vocab={piece: i for i, piece in enumerate(pieces)}, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    description["normalizer"] = description["pre_tokenizer"] = None
    if metaspace:
        description["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    else:
        description["normalizer"] = {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    description["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}

    def adjust(tokenizer):
        if metaspace:  # every flag of an added token
            tokenizer.add_tokens([AddedToken("[MIX]", normalized=True), AddedToken("cat", single_word=True, normalized=False),
                                  AddedToken("<b>", lstrip=True, rstrip=True, normalized=False)])
        else:  # old files: a special token that is looked for in normalised text, and so only at the start
            tokenizer.add_special_tokens([AddedToken("<pad>", special=True, normalized=True)])
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])

    return save(name, description, adjust)


def make_small():
    texts = nasty_texts(1, 60)
    chat = ("<|im_start|>user\n", "<|im_end|>\n")
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    digits = pre_tokenizers.Digits(individual_digits=True)
    write = lambda name, tokenizer, chat, texts=texts: write_vectors(OUT / f"small_{name}.txt", tokenizer, chat, texts)
    write("gpt2", small_byte_level("gpt2", byte_level(True), specials), chat)
    write("smollm", small_byte_level("smollm", pre_tokenizers.Sequence([digits, byte_level(True)]), specials, missing=missing_bytes()), chat)
    write("qwen2", small_byte_level("qwen2", pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS_ONE_DIGIT), "isolated"), byte_level(False)]), specials, normalizers.NFC()), chat)
    write("llama3", small_byte_level("llama3", pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS), "isolated"), byte_level(False)]), ["<|begin_of_text|>", "<|eot_id|>"], change=forget_merges), ("<|begin_of_text|>", "<|eot_id|>"))
    steps = [pre_tokenizers.Split(Regex(r"[\r\n]"), "isolated"), pre_tokenizers.Split(Regex(r"\s?\p{L}+"), "isolated"),
             pre_tokenizers.Split(Regex(r"\s?[!-/:-~、-。！-／]+"), "isolated"), pre_tokenizers.Split(Regex(r"\s+$"), "merged_with_next"),
             pre_tokenizers.Split("e", "merged_with_previous"), pre_tokenizers.Split("a", "contiguous"), pre_tokenizers.Split(Regex(r"\sx|zz"), "removed"),
             pre_tokenizers.Digits(individual_digits=False), byte_level(False)]
    # Letters of Unicode 16 are left out: a library of regular expressions knows those of its own version.
    write("pattern", small_byte_level("pattern", pre_tokenizers.Sequence(steps), specials), chat, [t for t in texts if "\u1c89" not in t])
    write("llama2", small_sentencepiece("llama2", metaspace=False), ("<s>[INST] ", " [/INST]"))
    write("mistral", small_sentencepiece("mistral", metaspace=True), ("<s>[INST] ", " [/INST]"))


def from_gguf(path):
    """The vocabulary of a GGUF file as the `tokenizers` package sees it. GGUF files name no normaliser, so there is none."""
    from gguf import GGUFReader
    fields = {key.removeprefix("tokenizer.ggml."): field.contents() for key, field in GGUFReader(path).fields.items() if key.startswith("tokenizer.ggml.")}
    tokens, kinds = fields["tokens"], fields["token_type"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    if fields["model"] == "llama":
        tokenizer = from_scores(tokens, kinds, fields["scores"], vocabulary)
    else:
        merges = [tuple(merge.split(" ")) for merge in fields["merges"]]
        pre = fields["pre"]
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=pre == "llama-bpe"))
        words = {"llama-bpe": [pre_tokenizers.Split(Regex(WORDS), "isolated")], "qwen2": [pre_tokenizers.Split(Regex(WORDS_ONE_DIGIT), "isolated")],
                 "smollm": [pre_tokenizers.Digits(individual_digits=True)], "gpt-2": []}[pre]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*words, byte_level(pre in ("smollm", "gpt-2"))])
        tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, kinds) if kind in (2, 3)])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, kinds) if kind == 4])
    return tokenizer


def from_scores(tokens, kinds, scores, vocabulary):
    """Merges in the order that transformers gives them when it converts a SentencePiece model."""
    merges = []
    for token, kind in zip(tokens, kinds):
        if kind != 1:
            continue
        pairs = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in vocabulary and token[i:] in vocabulary]
        merges += [(scores[vocabulary[token]], pair) for pair in sorted(pairs, key=lambda pair: (vocabulary[pair[0]], vocabulary[pair[1]]))]
    merges.sort(key=lambda merge: -merge[0])
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[pair for _, pair in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def scored_ids(tokens, text):
    """llama.cpp's definition, quadratic and plain: of all neighbours that join to a token, the highest score, the leftmost of equals."""
    symbols = list(("▁" + text).replace(" ", "▁")) if text else []
    while True:
        best = None
        for i in range(len(symbols) - 1):
            joined = tokens.get(symbols[i] + symbols[i + 1])
            if joined and joined[2] == 1 and (best is None or joined[1] > best[0]):
                best = (joined[1], i)
        if best is None:
            break
        symbols[best[1]:best[1] + 2] = [symbols[best[1]] + symbols[best[1] + 1]]
    ids = []
    for symbol in symbols:
        token = tokens.get(symbol)
        ids += [token[0]] if token and token[2] == 1 else [tokens[f"<0x{b:02X}>"][0] for b in symbol.encode()]
    return ids


def make_scored():
    """Equal scores, scores that disagree with the order of ids, and characters that are part of tokens but none themselves."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))]
    words = ["▁", "t", "h", "e", "a", "b", "c", "n", "▁t", "he", "▁the", "the", "in", "an", "ab", "bc", "abc", "ca", "cab", "aa", "aaa", "aaaa", "▁▁", "▁▁▁▁", "é", "éé",
             "qu", "que", "日本", "日本語", "b▁", "b▁c", "n▁a", "</", "s>", "<s", "/s"]
    pick = random.Random(7)
    scores = [0.0] * len(pieces) + [float(pick.choice([-1, -2, -3, -4, -5])) for _ in words]
    kinds = [2, 3, 3] + [6] * 256 + [1] * len(words)
    pieces += words
    tokens = {piece: (i, scores[i], kinds[i]) for i, piece in enumerate(pieces)}
    lines = ["\t".join(["token", escape(piece), f"{scores[i]:g}", str(kinds[i])]) for i, piece in enumerate(pieces)]
    atoms = words + ["q", "u", "i", "s", " ", "  ", "日", "本", "語", "\n", "x", "</s>", "<0x0A>", "<unk>"]
    texts = TEXTS + ["".join(pick.choice(atoms) for _ in range(pick.randrange(2, 14))) for _ in range(150)]
    lines += ["\t".join(["p", escape(text), " ".join(map(str, scored_ids(tokens, text)))]) for text in texts]
    (OUT / "scored.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--vocabs", type=Path)
    arguments.add_argument("--model", type=Path)
    arguments = arguments.parse_args()
    OUT.mkdir(exist_ok=True)
    make_small()
    make_scored()
    texts = nasty_texts(2, 40)
    chatml = ("<|im_start|>user\n", "<|im_end|>\n")
    real = {"gpt-2": ("<|endoftext|>Q: ", "\nA:"), "qwen2": chatml, "llama-bpe": ("<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"),
            "llama-spm": ("<s>[INST] ", " [/INST]")}
    for name, chat in real.items() if arguments.vocabs else ():
        write_vectors(OUT / f"real_{name}.txt", from_gguf(arguments.vocabs / f"ggml-vocab-{name}.gguf"), chat, texts)
    if arguments.model:
        write_vectors(OUT / "real_smollm2.txt", from_gguf(arguments.model), chatml, texts)


if __name__ == "__main__":
    main()

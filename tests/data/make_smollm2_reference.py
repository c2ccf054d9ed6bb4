#!/usr/bin/env python3
"""What transformers computes for the default model, in float32 on the weights that the GGUF file holds; run once, results are committed.

usage: make_smollm2_reference.py MODEL.gguf [--formats | --logits OUT.npy]      (needs torch, transformers, accelerate, gguf, numpy)

Writes to smollm2/
  tokens.txt    ids of the texts in smollm2/texts, one sequence a line, windows of 512
  expected.bin  for each of their positions: 8 most likely ids (int32), their log-probabilities (float32), and the log-probability of each of
                the 32 classes id mod 32 (float32). KL divergence over these groups of tokens is a lower bound of the whole one.
  greedy.txt    per prompt three lines: its ids, the 64 ids of the greedy continuation (fewer at an end of text), and the margin
                between the two best logits at each step
--formats prints instead what each weight and KV format costs by itself: rounded to nearest, float32 arithmetic; for bf16 and fp8 also with
activations rounded to bf16.
--logits writes instead the float32 logits of all positions, a baseline for vernier-evaluate.
"""
import os
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "smollm2")
WINDOW, BEST, CLASSES, STEPS = 512, 8, 32, 64
PROMPTS = [
    "What is the capital of France?", "Write a haiku about rain.", "Explain why the sky is blue in two sentences.",
    "List three uses of a paper clip.", "What is 17 times 23?", "Translate 'good morning' into Spanish.", "Who wrote Hamlet?",
    "Write a Python function that reverses a string.", "What is the boiling point of water?", "Name the planets of the solar system.",
    "Tell me a joke about computers.", "What does HTTP stand for?", "How do I make pancakes?", "Summarise the story of Romeo and Juliet.",
    "Give me a synonym for happy.", "What is photosynthesis?", "Describe a sunset over the sea.", "How many legs does a spider have?",
    "Write a short letter to a friend.", "What is machine learning?",
]
NF4 = torch.tensor([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0])


def round_rows(x, precision):
    """x rounded to nearest in `precision`, scaled per row (nf4: per 64 columns; i8/32: per 32) where the format has a scale."""
    if precision == "i8/32":
        return round_rows(x.reshape(-1, 32), "i8").reshape(x.shape)
    if precision in ("f16", "bf16"):
        return x.to(torch.float16 if precision == "f16" else torch.bfloat16).float()
    if precision == "nf4":
        blocks = x.reshape(-1, 64)
        scale = blocks.abs().amax(1, keepdim=True).clamp_min(1e-38)
        return (NF4[torch.bucketize(blocks / scale, (NF4[1:] + NF4[:-1]) / 2)] * scale).reshape(x.shape)
    largest = {"i8": 127.0, "e4m3": 448.0, "e5m2": 57344.0}[precision]
    scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-30) / largest
    if precision == "i8":
        return (x / scale).round() * scale
    return (x / scale).to(torch.float8_e4m3fn if precision == "e4m3" else torch.float8_e5m2).float() * scale


class RoundedCache(DynamicCache):
    """Keys and values rounded per token and head as they enter the cache."""
    precision = "f16"

    def update(self, key_states, value_states, *args, **kwargs):
        return super().update(round_rows(key_states, self.precision), round_rows(value_states, self.precision), *args, **kwargs)


def load(path):
    folder, name = os.path.split(os.path.abspath(path))
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(folder, gguf_file=name)


def sequences(tokenizer):
    out = []
    for name in sorted(os.listdir(os.path.join(HERE, "texts"))):
        with open(os.path.join(HERE, "texts", name)) as file:
            ids = tokenizer(file.read())["input_ids"]
        out += [ids[i:i + WINDOW] for i in range(0, len(ids), WINDOW)]
    return out


def log_probabilities(model, ids, cache=None):
    with torch.no_grad():
        return torch.log_softmax(model(torch.tensor([ids]), past_key_values=cache, use_cache=cache is not None).logits[0], -1)


def write_reference(model, tokenizer):
    lines = sequences(tokenizer)
    with open(os.path.join(HERE, "tokens.txt"), "w") as file:
        file.writelines(" ".join(map(str, ids)) + "\n" for ids in lines)
    with open(os.path.join(HERE, "expected.bin"), "wb") as file:
        for ids in lines:
            logp = log_probabilities(model, ids)
            best = logp.topk(BEST, -1)
            padded = torch.nn.functional.pad(logp, (0, -logp.shape[1] % CLASSES), value=-torch.inf)
            classes = padded.reshape(len(ids), -1, CLASSES).logsumexp(1)
            for i in range(len(ids)):
                file.write(best.indices[i].numpy().astype("<i4").tobytes() + best.values[i].numpy().astype("<f4").tobytes() +
                           classes[i].numpy().astype("<f4").tobytes())
    with open(os.path.join(HERE, "greedy.txt"), "w") as file:
        for prompt in PROMPTS:
            ids = tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True, return_dict=False)
            out, margins, cache, step = [], [], DynamicCache(), ids
            while len(out) < STEPS:
                with torch.no_grad():
                    best = model(torch.tensor([step]), past_key_values=cache, use_cache=True).logits[0, -1].topk(2)
                out.append(int(best.indices[0]))
                margins.append(float(best.values[0] - best.values[1]))
                if out[-1] == tokenizer.eos_token_id:
                    break
                step = out[-1:]
            file.write(f"{' '.join(map(str, ids))}\n{' '.join(map(str, out))}\n{' '.join(f'{m:.4f}' for m in margins)}\n")
    print(sum(map(len, lines)), "positions in", len(lines), "sequences")


def print_formats(model, tokenizer):
    lines = sequences(tokenizer)
    base = [log_probabilities(model, ids) for ids in lines]
    original = {name: p.detach().clone() for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name}
    tied = model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    head = model.lm_head.weight.detach().clone()

    def report(label, cache=lambda: None):
        kl = torch.cat([(b.exp() * (b - l)).sum(-1) for b, l in zip(base, (log_probabilities(model, i, cache()) for i in lines))])
        same, nll = [], []
        for b, ids in zip(base, lines):
            l = log_probabilities(model, ids, cache())
            same.append((b.argmax(-1) == l.argmax(-1)).float())
            nll.append(-l[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0])
        print(f"{label:24} KL {kl.mean():.3e}  top-1 {100 * torch.cat(same).mean():.2f} %  perplexity {torch.cat(nll).mean().exp():.4f}", flush=True)

    report("float32")
    for precision in ("f16", "bf16", "i8", "e4m3", "e5m2", "nf4"):
        tier_head = {"i8": "i8/32", "nf4": "i8"}.get(precision, precision)
        for with_head in (False, True):
            with torch.no_grad():
                for name, p in model.named_parameters():
                    if name in original:
                        p.copy_(round_rows(original[name], precision))
                if with_head:
                    model.lm_head.weight = torch.nn.Parameter(round_rows(head, tier_head))
            report(f"weights {precision}{f', head {tier_head}' if with_head else ''}")
            if precision in ("bf16", "e4m3", "e5m2") and not with_head:  # multiplied in bf16, whose values hold all of theirs
                hooks = [m.register_forward_pre_hook(lambda _, x: (x[0].bfloat16().float(),))
                         for name, m in model.named_modules() if name + ".weight" in original]
                report(f"weights {precision}, activations bf16")
                for hook in hooks:
                    hook.remove()
        model.lm_head.weight = model.model.embed_tokens.weight if tied else torch.nn.Parameter(head)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in original:
                p.copy_(original[name])
    for precision in ("f16", "bf16", "i8", "e4m3", "e5m2"):
        def cache(precision=precision):
            made = RoundedCache()
            made.precision = precision
            return made
        report(f"KV {precision}", cache)


def write_logits(model, tokenizer):
    with torch.no_grad():
        np.save(sys.argv[-1], torch.cat([model(torch.tensor([ids])).logits[0] for ids in sequences(tokenizer)]).numpy())


loaded = load(sys.argv[1])
(print_formats if "--formats" in sys.argv else write_logits if "--logits" in sys.argv else write_reference)(*loaded)

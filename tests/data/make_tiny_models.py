#!/usr/bin/env python3
"""Makes the tiny random models of models/ and what transformers computes with them.

usage: make_tiny_models.py        (needs torch, transformers, tokenizers, safetensors, numpy; run once, results are committed)

Each folder is a Hugging Face checkpoint of one architecture variant, beside
  tokens.txt      the ids of one sequence
  expected.f32    float32 logits (positions, vocab) of transformers in float32 on the stored weights, with keys and values rounded to
                  float16 as they enter the cache
  greedy.txt      the ids that greedy decoding appends to the first 8 of them
"""
import json
import os
import shutil

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (DynamicCache, LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
SIZES = dict(vocab_size=128, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
             max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)

VARIANTS = {
    "llama2": (LlamaForCausalLM, LlamaConfig(**{**SIZES, "num_key_value_heads": 6}, tie_word_embeddings=False), torch.float32, None),
    "llama-linear-rope": (LlamaForCausalLM, LlamaConfig(**SIZES, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.0)),
                          torch.float16, None),
    "llama3-tied": (LlamaForCausalLM, LlamaConfig(**SIZES, head_dim=24, tie_word_embeddings=True, rope_parameters=LLAMA3), torch.float16, None),
    "llama3-sharded": (LlamaForCausalLM, LlamaConfig(**SIZES, head_dim=16, tie_word_embeddings=False, rope_parameters=LLAMA3), torch.float16,
                       "60KB"),
    "mistral-window": (MistralForCausalLM, MistralConfig(**SIZES, head_dim=16, sliding_window=7, tie_word_embeddings=False), torch.float16, None),
    "qwen2-bias": (Qwen2ForCausalLM, Qwen2Config(**SIZES, tie_word_embeddings=True), torch.bfloat16, None),
    "qwen3-norm": (Qwen3ForCausalLM, Qwen3Config(**SIZES, head_dim=16, tie_word_embeddings=False), torch.float16, None),
    # With a tokenizer and a chat template, for the server's tests.
    "chat": (LlamaForCausalLM, LlamaConfig(**{**SIZES, "vocab_size": 320, "max_position_embeddings": 512}, tie_word_embeddings=True),
             torch.float16, None),
}


class HalfCache(DynamicCache):
    """Rounds what enters the cache to float16."""

    def update(self, key_states, value_states, *args, **kwargs):
        return super().update(key_states.half().float(), value_states.half().float(), *args, **kwargs)


def train_tokenizer(folder):
    """A byte-level BPE with 320 ids: three special tokens, 256 bytes, 61 merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    text = ["the cat sat on the mat and then the other cat sat there too", "a stitch in time saves nine", "to be or not to be",
            "every good engineer measures twice before cutting once", "what is the capital of a country that has no name"] * 4
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), min_frequency=1)
    tokenizer.train_from_iterator(text, trainer)
    assert tokenizer.get_vocab_size() == 320, tokenizer.get_vocab_size()
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    template = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
                "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as file:
        json.dump({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": template,
                   "tokenizer_class": "PreTrainedTokenizerFast"}, file, indent=1)


def make(name, model_class, config, dtype, shard):
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(sum(name.encode()))
    model = model_class(config).float().eval()
    with torch.no_grad():
        for key, tensor in model.named_parameters():
            # Norms around one, everything else large enough that logits are well apart.
            tensor.copy_(1 + 0.1 * torch.randn_like(tensor) if "norm" in key else 0.15 * torch.randn_like(tensor))
            tensor.copy_(tensor.to(torch.float16 if dtype == torch.float32 else dtype).float())  # exact in the f16 tier
    model.to(dtype).save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    # Loaded afresh: .to() has rounded the rotary frequencies of this one as well.
    model = model_class.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.randint(3, config.vocab_size, (1, 48))
    with torch.no_grad():
        logits = model(ids, past_key_values=HalfCache(), use_cache=True).logits[0].numpy().astype(np.float32)
        cache, step, greedy = HalfCache(), ids[:, :8], []
        for _ in range(24):
            best = int(model(step, past_key_values=cache, use_cache=True).logits[0, -1].argmax())
            greedy.append(best)
            step = torch.tensor([[best]])
    logits.tofile(os.path.join(folder, "expected.f32"))
    for file_name, values in (("tokens.txt", ids[0].tolist()), ("greedy.txt", greedy)):
        with open(os.path.join(folder, file_name), "w") as file:
            file.write(" ".join(map(str, values)) + "\n")
    if name == "chat":
        train_tokenizer(folder)
    print(name, "largest logit", float(np.abs(logits).max()), sorted(os.listdir(folder)))


for variant, (kind, settings, storage, shards) in VARIANTS.items():
    make(variant, kind, settings, storage, shards)

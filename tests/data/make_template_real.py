#!/usr/bin/env python3
"""Render real chat templates with the real transformers, and write template_real.json: inputs, and a digest of each output.

usage: make_template_real.py FOLDER [OUT]     FOLDER holds *.jinja, for example models/templates of llama.cpp; needs transformers

The templates are their authors', so neither they nor their output are stored: only the SHA-256 of each file and the first 16 digits of the
SHA-256 of each output, or "error" where transformers raises one. Results are in the order of: conversation, then its options.
"""
import datetime
import hashlib
import json
import sys
from pathlib import Path

from transformers.utils import chat_template_utils

NOW = 1700000000


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None)


chat_template_utils.datetime = FixedClock


def said(role, content, **more):
    return {"role": role, "content": content, **more}


CALL = {"id": "call12345", "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "x": [1, 2.5, None, True], "n": {"k": "v"}}}}
RESULT = {"role": "tool", "tool_call_id": "call12345", "name": "get_weather", "content": "{\"temp\": 21}"}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather of a \"city\" <b>&'é", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "The city"}, "days": {"type": "integer", "default": 3, "minimum": 1.0},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "opts": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}}}}}},
    {"type": "function", "function": {"name": "now", "description": "Time", "parameters": {"type": "object", "properties": {}}}},
]
CONVERSATIONS = [
    [said("user", "Hello <|im_end|> there")],
    [said("system", "  You are helpful.\n"), said("user", " Hi \n")],
    [said("system", "Be brief."), said("user", "one"), said("assistant", "two"), said("user", "three"), said("assistant", "  four\n"), said("user", "five")],
    [said("user", "q"), said("assistant", "<think>\nhm\n</think>\n\nanswer"), said("user", "more"), said("assistant", "final", reasoning_content="because")],
    [said("user", "Weather?"), said("assistant", "", tool_calls=[CALL]), RESULT, said("assistant", "21 degrees"), said("user", "thanks")],
    [said("system", "sys"), said("user", "Weather?"), said("assistant", None, tool_calls=[CALL]), RESULT],
    [said("user", [{"type": "text", "text": "part one"}, {"type": "text", "text": " two"}])],
    [said("user", "héé 日本 \u2003 \U0001F600  \n\n")],
    [],
]
OPTIONS = [
    {"add_generation_prompt": prompt, "tools": tools, "extra": extra}
    for prompt in (True, False)
    for tools in (None, TOOLS)
    for extra in ({}, {"enable_thinking": False, "functions": "[]", "datetime": "today"})
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def digest(source, messages, options):
    try:
        text, _ = chat_template_utils.render_jinja_template(
            [messages], tools=options["tools"], chat_template=source, add_generation_prompt=options["add_generation_prompt"], **TOKENS, **options["extra"])
        return hashlib.sha256(text[0].encode()).hexdigest()[:16]
    except Exception:
        return "error"


def main():
    folder = Path(sys.argv[1])
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("template_real.json")
    files = {}
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_text()
        results = [digest(source, m, o) for m in CONVERSATIONS for o in OPTIONS]
        if set(results) == {"error"}:
            print(f"left out, it renders none of these conversations: {path.name}")
            continue
        files[path.name] = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "results": results}
    data = {"now": NOW, "tokens": TOKENS, "conversations": CONVERSATIONS, "options": OPTIONS, "files": files}
    out.write_text(json.dumps(data, separators=(",", ":")).replace('"results":', '\n"results":').replace(']},"', ']},\n"') + "\n")
    print(f"{len(files)} templates x {len(CONVERSATIONS) * len(OPTIONS)} renderings in {out}")


if __name__ == "__main__":
    main()

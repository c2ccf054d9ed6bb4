#!/usr/bin/env python3
"""Drives the server with OpenAI's own Python client: what it parses and raises must be what its users expect.

usage: openai_client.py --server BINARY --model PATH --venv FOLDER

Makes a virtual environment in FOLDER and installs `openai` there by name, once. Without the package index it prints why and exits
with 77, which ctest counts as skipped.
"""
import argparse
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

SKIPPED = 77
MESSAGES = [{"role": "user", "content": "Hello there"}]


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def client_python(folder):
    """A Python that has the client; installs it if need be."""
    python = Path(folder) / "bin" / "python"
    if not python.exists():
        made = subprocess.run([sys.executable, "-m", "venv", folder], capture_output=True, text=True)
        if made.returncode:
            skip(f"python3 cannot make a virtual environment: {(made.stdout + made.stderr).strip().splitlines()[-1:]}")
    if subprocess.run([python, "-c", "import openai"], capture_output=True).returncode:
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", "--timeout", "20", "openai"]
        try:
            got = subprocess.run(command, capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            skip("the package index did not answer within 300 s")
        if got.returncode:
            skip(f"pip cannot install openai: {(got.stdout + got.stderr).strip().splitlines()[-1:]}")
    return python


def start(server, model, *flags):
    """The server's process and its address."""
    process = subprocess.Popen([server, "--model", model, "--port", "0", "--threads", "2", "--kv-cache-memory", "64", *flags],
                               stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith("listening on http://"), line
    return process, line.split()[-1]


def check_answers(client):
    for model in client.models.list():
        assert model.id == "chat", model
    assert client.models.retrieve("chat").id == "chat"

    raw = client.chat.completions.with_raw_response.create(model="chat", messages=MESSAGES, max_tokens=12, temperature=0)
    assert raw.headers["x-vernier-tier"] in ("nf4", "i8", "f16"), raw.headers
    whole = raw.parse()
    assert whole.choices[0].message.role == "assistant" and whole.choices[0].finish_reason in ("stop", "length"), whole
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert whole.usage.completion_tokens <= 12
    assert whole.model_extra["vernier"]["tier"] == raw.headers["x-vernier-tier"]

    text, usage, reasons = "", None, []
    for chunk in client.chat.completions.create(model="chat", messages=MESSAGES, max_tokens=12, temperature=0, stream=True,
                                                stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasons += [choice.finish_reason] if choice.finish_reason else []
    assert text == whole.choices[0].message.content, (text, whole)
    assert usage == whole.usage and reasons == [whole.choices[0].finish_reason], (usage, reasons)

    forced = client.chat.completions.with_raw_response.create(model="chat", messages=MESSAGES, max_tokens=4, extra_body={"vernier": {"tier": "f16"}})
    assert forced.headers["x-vernier-tier"] == "f16"


def check_choices(client):
    many = client.chat.completions.create(model="chat", messages=MESSAGES, max_tokens=8, n=3, seed=5, temperature=1.5, extra_body={"ignore_eos": True})
    again = client.chat.completions.create(model="chat", messages=MESSAGES, max_tokens=8, n=3, seed=5, temperature=1.5, extra_body={"ignore_eos": True})
    assert [c.index for c in many.choices] == [0, 1, 2]
    assert [c.message.content for c in many.choices] == [c.message.content for c in again.choices]
    assert len({c.message.content for c in many.choices}) > 1, many

    probable = client.chat.completions.create(model="chat", messages=MESSAGES, max_tokens=6, temperature=0, logprobs=True, top_logprobs=4)
    for token in probable.choices[0].logprobs.content:
        assert token.logprob <= 0 and len(token.top_logprobs) == 4 and token.top_logprobs[0].logprob == token.logprob, token

    text = client.completions.create(model="chat", prompt="one two three", max_tokens=20, temperature=0, logprobs=2, extra_body={"ignore_eos": True})
    whole = text.choices[0].text
    assert len(text.choices[0].logprobs.tokens) == 20 and len(text.choices[0].logprobs.top_logprobs[0]) == 2
    stop = whole[3:5]
    cut = client.completions.create(model="chat", prompt="one two three", max_tokens=20, temperature=0, stop=[stop], extra_body={"ignore_eos": True})
    assert cut.choices[0].text == whole[:whole.index(stop)] and cut.choices[0].finish_reason == "stop", (cut, whole, stop)
    echoed = client.completions.create(model="chat", prompt=["a b", "c d"], max_tokens=3, temperature=0, echo=True)
    assert [c.text[:3] for c in echoed.choices] == ["a b", "c d"], echoed
    streamed = "".join(c.choices[0].text for c in client.completions.create(
        model="chat", prompt="one two three", max_tokens=20, temperature=0, stream=True, extra_body={"ignore_eos": True}) if c.choices)
    assert streamed == whole, (streamed, whole)


def raises(kind, call, code=None):
    try:
        call()
    except kind as error:
        assert code is None or error.code == code, (error.code, error)
        return error
    raise AssertionError(f"expected {kind.__name__}")


def check_errors(openai, client, address):
    chat = client.chat.completions.create
    error = raises(openai.BadRequestError, lambda: chat(model="chat", messages=MESSAGES, temperature=7))
    assert error.param == "temperature" and error.type == "invalid_request_error", error
    raises(openai.BadRequestError, lambda: chat(model="chat", messages=[{"role": "user", "content": "x " * 2000}]), "context_length_exceeded")
    raises(openai.BadRequestError, lambda: chat(model="chat", messages=MESSAGES, tools=[{"type": "function", "function": {"name": "f"}}]))
    raises(openai.BadRequestError, lambda: chat(model="chat", messages=MESSAGES, stream=True, top_p=3))  # never a stream that starts with 200
    raises(openai.NotFoundError, lambda: client.embeddings.create(model="chat", input="x"))
    stranger = openai.OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0)
    raises(openai.AuthenticationError, lambda: stranger.chat.completions.create(model="chat", messages=MESSAGES), "invalid_api_key")


def check_busy(openai, server, model):
    """One answer at a time and one that waits: the others are told to come back."""
    process, address = start(server, model, "--max-num-seqs", "1", "--max-queue", "1")
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0, timeout=60)
    outcomes = []

    def ask():
        try:
            client.completions.create(model="chat", prompt="a", max_tokens=400, extra_body={"ignore_eos": True})
            outcomes.append("answer")
        except openai.RateLimitError:
            outcomes.append("busy")

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("busy") >= 1 and outcomes.count("answer") >= 2 and len(outcomes) == 12, outcomes
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def check(server, model):
    import openai  # of the virtual environment

    process, address = start(server, model, "--api-key", "secret")
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="secret", max_retries=0, timeout=60)
    check_answers(client)
    check_choices(client)
    check_errors(openai, client, address)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    check_busy(openai, server, model)
    print(f"openai {openai.__version__}: all as expected")


def main():
    parser = argparse.ArgumentParser()
    for name in ("--server", "--model", "--venv"):
        parser.add_argument(name, required=True)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return check(options.server, options.model)
    python = client_python(options.venv)
    command = [python, __file__, "--inside", "--server", options.server, "--model", options.model, "--venv", options.venv]
    environment = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}  # the server is on this machine
    sys.exit(subprocess.run(command, env=environment).returncode)


if __name__ == "__main__":
    main()

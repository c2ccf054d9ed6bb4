"""Load on a server with OpenAI's API: a closed loop of clients that each wait for their answer, or an open loop of arrivals that do not.

Prompts, lengths and arrivals come from a fixed seed, so two servers get the same requests at the same times. Answers stream, are greedy
and run to their length; no two prompts begin alike. The client is one process that does nothing between events.
"""
import asyncio
import json
import random
import signal
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass, field

WORDS = ("river stone engine paper window garden letter mountain clock music bridge winter doctor market silver teacher "
         "forest kitchen number ocean yellow picture station village summer machine island history question morning").split()


@dataclass
class Plan:
    """Requests: words of the prompt and tokens of the answer, both uniform in their range."""
    seed: int = 1
    words: tuple = (24, 160)
    tokens: tuple = (32, 64)

    def requests(self, count):
        random_ = random.Random(self.seed)
        for i in range(count):
            words = [str(random_.randrange(10**6))] + random_.choices(WORDS, k=random_.randint(*self.words))
            yield {"prompt": " ".join(words), "max_tokens": random_.randint(*self.tokens), "temperature": 0, "ignore_eos": True, "stream": True,
                   "stream_options": {"include_usage": True}, "cache_prompt": False}


@dataclass
class Outcome:
    """One answer. Times are seconds after the request was due."""
    tokens: int = 0
    first: float = 0
    gaps: list = field(default_factory=list)
    error: str = ""


async def pieces(reader):
    """The body of an answer as it comes, chunked or not. First the status line."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    yield head.split("\r\n", 1)[0]
    if "transfer-encoding: chunked" not in head.lower():
        while part := await reader.read(65536):
            yield part
        return
    while size := int((await reader.readline()).split(b";")[0], 16):
        yield (await reader.readexactly(size + 2))[:-2]


async def ask(host, port, fields, due):
    outcome = Outcome()
    body = json.dumps(fields).encode()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"POST /v1/completions HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (host.encode(), len(body)) + body)
    last, held = None, b""
    async for part in pieces(reader):
        if isinstance(part, str):
            if " 200" not in part:
                outcome.error = part
            continue
        now, held = time.monotonic(), held + part
        while b"\n\n" in held:
            event, held = held.split(b"\n\n", 1)
            if not event.startswith(b"data: {"):
                continue
            data = json.loads(event[6:])
            if (usage := data.get("usage")) is not None:
                outcome.tokens = usage["completion_tokens"]
            if any(choice.get("text") for choice in data.get("choices", [])):
                if last is None:
                    outcome.first = now - due
                else:
                    outcome.gaps.append(now - last)
                last = now
    writer.close()
    if not outcome.error and not outcome.tokens:
        outcome.error = held.decode("utf-8", "replace")[:200] or "an answer without tokens"
    return outcome


async def closed_loop(host, port, plan, clients, requests):
    """Each of `clients` sends its next request when its answer is complete."""
    waiting, outcomes = list(plan.requests(requests))[::-1], []

    async def client():
        while waiting:
            outcomes.append(await ask(host, port, waiting.pop(), time.monotonic()))

    await asyncio.gather(*(client() for _ in range(clients)))
    return outcomes


async def open_loop(host, port, plan, rate, requests):
    """Arrivals at `rate` a second, at exponential intervals, whatever the server does."""
    random_, start, at, tasks = random.Random(plan.seed), time.monotonic(), 0.0, []
    for fields in plan.requests(requests):
        at += random_.expovariate(rate)
        await asyncio.sleep(max(0.0, start + at - time.monotonic()))
        tasks.append(asyncio.create_task(ask(host, port, fields, start + at)))
    return await asyncio.gather(*tasks)


def percentiles(values):
    ordered = sorted(values) or [float("nan")]
    return [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99)]


def measure(host, port, plan, requests, clients=None, rate=None):
    start = time.monotonic()
    outcomes = asyncio.run(closed_loop(host, port, plan, clients, requests) if clients else open_loop(host, port, plan, rate, requests))
    seconds = time.monotonic() - start
    good = [outcome for outcome in outcomes if not outcome.error]
    return {
        "clients": clients, "rate": rate, "requests": requests, "seconds": seconds, "failed": len(outcomes) - len(good), "errors": sorted({o.error for o in outcomes if o.error}),
        "requests_per_second": len(good) / seconds, "tokens_per_second": sum(o.tokens for o in good) / seconds,
        "ttft_ms": [1e3 * x for x in percentiles([o.first for o in good])], "gap_ms": [1e3 * x for x in percentiles([gap for o in good for gap in o.gaps])],
    }


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A server of ours or of llama.cpp's for as long as a with block runs."""

    def __init__(self, name, command, log):
        self.name, self.port, self.log = name, free_port(), open(log, "ab")
        self.command = [str(part) for part in command] + ["--host", "127.0.0.1", "--port", str(self.port)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        for _ in range(1200):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}; see {self.log.name}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=2) as answer:
                    if answer.status == 200:
                        return self
            except OSError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} was not ready after two minutes; see {self.log.name}")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def servers(o, files, model, weights, kind, most):
    """Same model, threads, cache format and room for `most` answers of 512 tokens."""
    log = o.out / "servers.log"
    yield lambda: Server("vernier", [o.bin / "bin/vernier-server", "--model", files.sources[model], "--tiers", weights, "--tier", weights, "--threads", o.threads,
                                     "--max-num-seqs", most, "--ctx-size", 512, "--kv-cache-dtype", "f16", "--kv-cache-memory", 2048, "--log-level", "warn"], log)
    if o.peer_bin and (o.peer_bin / "llama-server").exists():
        yield lambda: Server(f"llama.cpp {kind}", [o.peer_bin / "llama-server", "-m", files.peer_file(model, kind), "-t", o.threads, "-tb", o.threads, "-np", most,
                                                   "-c", 512 * most, "-fa", "on", "--no-webui"], log)


def run(o, files):
    """Closed loops, and with --full open loops too, on each server in turn. Our records have the ratio of tokens a second."""
    model, weights, kind, most = "smollm2", "nf4", "Q4_0+Q8_0", 32 if o.full else 16
    loads = [{"clients": n, "requests": 2 * n + 2} for n in ((1, 2, 4, 8, 16, 32) if o.full else (8, 16))]
    loads += [{"rate": rate, "requests": 30} for rate in ((1, 4) if o.full else ())]
    for each in loads:
        rows = []
        for start in servers(o, files, model, weights, kind, most):
            with start() as server:
                measure("127.0.0.1", server.port, Plan(seed=2), 1, clients=1)  # warm
                rows.append({"model": model, "weights": weights, "server": server.name} | measure("127.0.0.1", server.port, Plan(), **each))
            report(rows[-1])
        if len(rows) == 2:
            rows[0]["ratio"] = rows[0]["tokens_per_second"] / rows[1]["tokens_per_second"]
        yield from rows


def report(row):
    load = f"{row['clients']} clients" if row["clients"] else f"{row['rate']} a second"
    print(f"    {row['model']} {row['weights']} {load}, {row['server']}: {row['tokens_per_second']:.1f} tokens/s, first token {row['ttft_ms'][0]:.0f} ms, "
          f"gap p99 {row['gap_ms'][2]:.0f} ms, failed {row['failed']}", flush=True)

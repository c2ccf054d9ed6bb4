"""The Python side of the GPU benchmarks, with programs that are made up: what they print is read, kept and shown. No figure here is real."""
import json
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(__file__).resolve().parents[3] / "bench"
sys.path.insert(0, str(BENCH / "harness"))
sys.dont_write_bytecode = True
import cuda_main
import cuda_programs
import cuda_report

DEVICE = {"kind": "device", "name": "made up", "arch": "sm90a", "processors": 2, "memory_bytes": 2**30, "l2_bytes": 2**20, "driver": "0", "runtime": 13000, "sm_mhz": 1, "sm_mhz_max": 2,
          "memory_mhz": 3, "commit": "none"}
LIMITS = {"kind": "limits", "read_gbs": 100.0, "l2_gbs": 200.0, "tensor_tops": dict.fromkeys(("f16", "bf16", "int8", "fp8"), 1.0),
          "mma_sync_tops": dict.fromkeys(("f16", "bf16", "int8", "fp8"), 0.5), "sm_mhz": 1, "memory_mhz": 3}
TIME = {"us": {"median": 10.0, "min": 9.0, "max": 12.0}}
GEMM = {"kind": "gemm", "model": "llama-8b", "layer": "gate_up", "format": "nf4", "m": 16, "n": 28672, "k": 4096, "worst_of_bound": 0.1, "bytes": 1e3, "operations": 1e6, "vernier": TIME,
        "gbs": 50.0, "of_read": 0.5, "tops": 0.1, "of_peak": 0.1,
        "peers": {"cublaslt f16": {"us": {"median": 30.0, "min": 30.0, "max": 30.0}}, "bitsandbytes gemm": {"not_measured": "no path was given"}}}
ATTENTION = {"kind": "attention", "model": "llama-8b", "phase": "decode", "kv": "e4m3", "batch": 1, "depth": 4096, "tokens": 1, "heads": 32, "kv_heads": 8, "head_dim": 128, "vernier": TIME,
             "gbs": 1.0, "of_read": 0.9, "tops": 0.1, "of_peak": 0.1}
OPS = {"kind": "ops", "step": "argmax", "tokens": 1, "bytes": 4e3, "vernier": TIME, "gbs": 1.0, "of_read": 0.1}


def program(folder, name, rows, tail=""):
    """An executable that prints these rows, then does `tail`, a line of shell."""
    path = folder / "bench" / f"bench.cuda.{name}"
    path.parent.mkdir(exist_ok=True)
    path.write_text("#!/bin/sh\ncat <<'EOT'\n" + "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in rows) + f"EOT\n{tail}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def temporary(test):
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    return pathlib.Path(folder.name)


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = temporary(self)

    def test_lines_that_are_no_rows_are_passed_over(self):
        path = program(self.folder, "gemm", ["a remark\n", GEMM, "[1]\n"])
        self.assertEqual(list(cuda_programs.rows([path], 30)), [GEMM])

    def test_a_failure_gives_its_last_words_after_its_rows(self):
        path = program(self.folder, "gemm", [GEMM], "echo wrong result >&2; exit 1")
        seen = []
        with self.assertRaisesRegex(cuda_programs.Failed, "wrong result"):
            for row in cuda_programs.rows([path], 30):
                seen.append(row)
        self.assertEqual(seen, [GEMM])

    def test_an_overdue_program_is_stopped(self):
        path = program(self.folder, "gemm", [GEMM], "exec sleep 60")
        with self.assertRaisesRegex(cuda_programs.Failed, "stopped after"):
            list(cuda_programs.rows([path], 1))

    def test_no_device_is_said(self):
        path = program(self.folder, "limits", ["no CUDA device: there is no driver\n"])
        with self.assertRaisesRegex(cuda_programs.NoDevice, "there is no driver"):
            list(cuda_programs.rows([path], 30))


class Runs(unittest.TestCase):
    def setUp(self):
        self.folder = temporary(self)
        program(self.folder, "limits", [DEVICE, LIMITS])
        program(self.folder, "gemm", [DEVICE, GEMM, {"kind": "end", "not_measured_for_time": 7}])
        program(self.folder, "attention", [DEVICE, ATTENTION])
        program(self.folder, "ops", [DEVICE, OPS])

    def run_cuda(self, *arguments):
        out = self.folder / "out"
        done = subprocess.run([BENCH / "run_cuda", "--bin", self.folder, "--out", out, "--only", "gemm,attention,torch,ops", *arguments], capture_output=True, text=True)
        return done, out

    def test_everything_is_written(self):
        done, out = self.run_cuda()
        self.assertEqual(done.returncode, 0, done.stderr)
        results = json.loads((out / "results_cuda.json").read_text())
        self.assertEqual(len(results["limits"]), 2)
        self.assertEqual(results["gemm"][0]["peers"], GEMM["peers"])
        text = (out / "results_cuda.md").read_text()
        for words in ("made up", "30.0 (30.0-30.0) | 3.00", "not measured: no path was given", "7 of gemm", "| 2.8 | 3 to 3 | met |", "torch sdpa not measured", "share of memory | 0.82 | not measured"):
            self.assertIn(words, text)
        for plot in ("gemm_nf4.svg", "gemm_nf4_peers.svg", "attention.svg"):
            self.assertTrue((out / plot).read_text().startswith("<svg"))

    def test_a_failure_is_shown_and_the_rest_is_kept(self):
        program(self.folder, "attention", [DEVICE, ATTENTION], "echo wrong result: f16 >&2; exit 1")
        done, out = self.run_cuda()
        self.assertEqual(done.returncode, 1)
        text = (out / "results_cuda.md").read_text()
        self.assertIn("**attention failed: wrong result: f16**", text)
        self.assertIn("argmax", text)

    def test_a_wrong_result_is_shown_beside_the_others(self):
        program(self.folder, "gemm", [DEVICE, {"kind": "error", "message": "wrong result: nf4"}, GEMM, {"kind": "end", "not_measured_for_time": 0, "failed": 1}], "exit 1")
        done, out = self.run_cuda()
        self.assertEqual(done.returncode, 1)
        text = (out / "results_cuda.md").read_text()
        self.assertIn("**gemm failed: wrong result: nf4**", text)
        self.assertIn("30.0 (30.0-30.0)", text)

    def test_without_a_device_nothing_is_written(self):
        program(self.folder, "limits", ["no CUDA device: there is no driver\n"])
        done, out = self.run_cuda()
        self.assertEqual((done.returncode, "no CUDA device: there is no driver" in done.stdout), (0, True), done.stderr)
        self.assertFalse(out.exists())

    def test_what_is_not_there_is_refused(self):
        done, _ = self.run_cuda("--only", "gems")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no gems", done.stderr)
        (self.folder / "bench/bench.cuda.ops").unlink()
        done, _ = self.run_cuda()
        self.assertEqual(done.returncode, 1)
        self.assertIn("VERNIER_BENCH=ON", done.stderr)


class Device(unittest.TestCase):
    def test_a_step_that_fails_does_not_keep_the_others_from_running(self):
        folder = temporary(self)
        for name in ("limits", "gemm", "attention", "ops"):
            program(folder, name, ["no CUDA device: there is no driver\n"])
        for path, text in (("bin/conformance", "echo '{}'"), ("tests/device_tests", "echo one test has failed; exit 1")):
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(f"#!/bin/sh\n{text}\n")
            (folder / path).chmod(0o755)
        done = subprocess.run([BENCH.parent / "tests/device/run", "--bin", folder, "--out", folder / "out", "--only", "conformance,tests,bench", "--seconds", "20"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("2 steps passed, 1 failed, 0 skipped", done.stdout)
        self.assertEqual((folder / "out/conformance.json").read_text(), "{}\n")
        log = (folder / "out/device.log").read_text()
        self.assertIn("one test has failed", log)
        self.assertIn("no CUDA device: there is no driver", log)


class Reports(unittest.TestCase):
    def test_ratio_is_of_medians(self):
        self.assertEqual(cuda_report.ratio(GEMM, "cublaslt f16"), 3)
        self.assertIsNone(cuda_report.ratio(GEMM, "bitsandbytes gemm"))
        self.assertIsNone(cuda_report.best_peer(GEMM, "bitsandbytes"))

    def test_a_part_gets_its_share_of_what_is_left(self):
        o = cuda_main.parse(["--bin", "x", "--out", "y"])
        self.assertEqual(o.parts, list(cuda_main.SHARES))
        self.assertEqual(o.command, "bench/run_cuda --rounds 7 --seconds 600")


if __name__ == "__main__":
    unittest.main()

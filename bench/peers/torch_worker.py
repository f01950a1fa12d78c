#!/usr/bin/env python3
"""Runs PyTorch's side of `npm run bench:peers`: a JSON object a line on stdin, one a line on stdout for each.

  {"prepare": "AdamW", "with": {...}}  makes a case with its tensors (classes of optimizer_steps.py and token_loss.py)
  {"run": n}                           n calls: {"times": [nanoseconds, ...]}
  {"memory": true}                     {"resident": bytes at present, "peak": bytes at the highest} of this process
  {"release": true}                    gives the tensors up

It begins by describing itself. Where a call fails it answers {"error": "..."} and waits for the next.

Needs: pip install torch==2.13.0
"""
import argparse
import gc
import json
import os
import platform
import re
import resource
import sys
import time

# Whatever prints, here or in a compiler that torch starts, must not come between the answers.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import torch

from optimizer_steps import AdamW, Sophia
from token_loss import TokenLoss

CASES = {"AdamW": AdamW, "Sophia": Sophia, "TokenLoss": TokenLoss}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def memory():
    try:
        with open("/proc/self/status", encoding="utf-8") as status:
            lines = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB$", status.read(), re.MULTILINE))
        return {"resident": int(lines["VmRSS"]) * 1024, "peak": int(lines["VmHWM"]) * 1024}
    except (OSError, KeyError):
        unit = 1 if platform.system() == "Darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return {"resident": peak, "peak": peak}


class Worker:
    def __init__(self):
        self.case = None

    def answer(self, command):
        if "prepare" in command:
            options = dict(command["with"])
            if "dtype" in options:
                options["dtype"] = DTYPES[options["dtype"]]
            self.case = CASES[command["prepare"]](**options)
            self.case.run()  # makes states, compiles
            return {}
        if "run" in command:
            times = []
            for _ in range(command["run"]):
                if hasattr(self.case, "reset"):
                    self.case.reset()  # not timed
                begun = time.perf_counter_ns()
                self.case.run()
                times.append(time.perf_counter_ns() - begun)
            return {"times": times}
        if "memory" in command:
            return memory()
        if "release" in command:
            self.case = None
            gc.collect()
            return {}
        raise ValueError(f"unknown command {command}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    say({
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "instructionSet": torch.backends.cpu.get_cpu_capability(),
    })
    worker = Worker()
    for line in sys.stdin:
        try:
            say(worker.answer(json.loads(line)))
        except Exception as error:  # a case that torch cannot run must not end the others
            worker.case = None
            say({"error": f"{type(error).__name__}: {error}"})


def say(answer):
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()

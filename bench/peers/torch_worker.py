#!/usr/bin/env python3
"""Runs PyTorch's side of `npm run bench:peers`: a JSON object a line on stdin, one a line on stdout for each.

  {"prepare": "AdamW", "with": {...}}  makes a case with its tensors (classes of optimizer_steps.py, token_loss.py and
                                       whole_model.py): {"result": what its first call gave, where it gives a number}
  {"run": n}                           n calls: {"times": [nanoseconds, ...]}
  {"memory": true}                     {"resident": bytes at present, "peak": bytes at the highest}: see devices.py
  {"release": true}                    gives the tensors up

It begins by describing itself. Where a call fails it answers {"error": "..."} and waits for the next.

Needs: pip install torch==2.13.0, for whole_model.py transformers as well
"""
import argparse
import importlib.metadata
import json
import os
import platform
import sys

# Whatever prints, here or in a compiler that torch starts, must not come between the answers.
answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

import torch

from devices import device_of
from optimizer_steps import AdamW, Sophia
from token_loss import TokenLoss
from whole_model import Generation, TrainingStep

CASES = {case.__name__: case for case in (AdamW, Sophia, TokenLoss, TrainingStep, Generation)}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


class Worker:
    def __init__(self, device):
        self.device = device
        self.case = None

    def answer(self, command):
        if "prepare" in command:
            options = dict(command["with"], device=self.device.name)
            if "dtype" in options:
                options["dtype"] = DTYPES[options["dtype"]]
            self.device.forget_peak()
            self.case = CASES[command["prepare"]](**options)
            self.case.run()  # makes states, compiles
            return {"result": self.case.result} if hasattr(self.case, "result") else {}
        if "run" in command:
            return {"times": [self.time() for _ in range(command["run"])]}
        if "memory" in command:
            return self.device.memory()
        if "release" in command:
            self.forget()
            return {}
        raise ValueError(f"unknown command {command}")

    def time(self):
        if hasattr(self.case, "reset"):
            self.case.reset()  # not timed
        return self.device.time(self.case.run)

    def forget(self):
        self.case = None
        self.device.free_unused()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--flush", type=int, default=0, help="bytes of a device's memory that are read before each call")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    device = device_of(options.device, options.flush)
    say({
        "torch": torch.__version__,
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "instructionSet": torch.backends.cpu.get_cpu_capability(),
        **transformers(),
        **device.describe(),
    })
    worker = Worker(device)
    for line in sys.stdin:
        try:
            say(worker.answer(json.loads(line)))
        except Exception as error:  # a case that torch cannot run must not end the others
            message = f"{type(error).__name__}: {error}"
        else:
            continue
        worker.forget()  # the error's frames, which held the case's tensors, are gone
        say({"error": message})


def transformers():
    try:
        return {"transformers": importlib.metadata.version("transformers")}
    except importlib.metadata.PackageNotFoundError:
        return {}


def say(answer):
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()

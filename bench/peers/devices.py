"""What differs between the processor and a CUDA device: how a call is timed, and what memory means."""
import gc
import platform
import re
import resource
import time

import torch


class Cpu:
    name = "cpu"

    def describe(self):
        return {}

    def time(self, call):
        """Nanoseconds of a call."""
        begun = time.perf_counter_ns()
        call()
        return time.perf_counter_ns() - begun

    def forget_peak(self):
        """The peak of a process stays with it."""

    def memory(self):
        try:
            with open("/proc/self/status", encoding="utf-8") as status:
                lines = dict(re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB$", status.read(), re.MULTILINE))
            return {"resident": int(lines["VmRSS"]) * 1024, "peak": int(lines["VmHWM"]) * 1024}
        except (OSError, KeyError):
            unit = 1 if platform.system() == "Darwin" else 1024
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
            return {"resident": peak, "peak": peak}

    def free_unused(self):
        gc.collect()


class Cuda:
    """Times are the device's own, from events around a call, with cold caches: other memory is read before it."""

    def __init__(self, name, flush_bytes):
        if not torch.cuda.is_available():
            built = f"was built for CUDA {torch.version.cuda}" if torch.version.cuda else "was built without CUDA"
            raise SystemExit(f"PyTorch {torch.__version__} sees no CUDA device; it {built}")
        self.name = name
        self.flush_bytes = flush_bytes
        self.flushed = None  # made when a call is first timed, so that it is in no figure of memory
        torch.cuda.set_device(name)

    def describe(self):
        return {"cuda": torch.version.cuda or "unknown"}

    def time(self, call):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self.flush()
        begin.record()
        call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1e6

    def flush(self):
        if self.flush_bytes == 0:
            return
        if self.flushed is None:
            self.flushed = torch.ones(self.flush_bytes // 4, device=self.name)
        self.flushed.sum()

    def forget_peak(self):
        torch.cuda.reset_peak_memory_stats()

    def memory(self):
        torch.cuda.synchronize()
        free, total = torch.cuda.mem_get_info()
        return {
            "resident": torch.cuda.memory_allocated(),
            "peak": torch.cuda.max_memory_allocated(),
            "takenOfDevice": total - free,
        }

    def free_unused(self):
        gc.collect()
        torch.cuda.empty_cache()  # for ours, which takes the device in turn


def device_of(name, flush_bytes):
    return Cpu() if name == "cpu" else Cuda(name, flush_bytes)

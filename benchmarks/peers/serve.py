"""Runs steps when it is told to, so that peers can take turns in one benchmark.

Each line on standard input is a number of steps; the answer is one line of JSON with the seconds of
each and what they computed. The first line that is written says which versions run.
"""

import json
import platform
import sys
import time

import torch


def serve(step):
    """`step(i)` makes step i, counted from 0, and gives a number to check it by."""
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    answer({**versions, "threads": torch.get_num_threads()})
    done = 0
    for line in sys.stdin:
        seconds, values = [], []
        for _ in range(int(line)):
            started = time.perf_counter()
            values.append(step(done))
            seconds.append(time.perf_counter() - started)
            done += 1
        answer({"seconds": seconds, "values": values})


def answer(data):
    print(json.dumps(data), flush=True)

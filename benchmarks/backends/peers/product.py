"""x W^T (+ bias) of the matrices in a folder, again and again: `product.py serve FOLDER threads [device]`.

The first step, and the first one after a file named `again` appeared, reads shape.json, x, w and bias
(raw float32) and writes its result to `y`.
"""

import json
import os
import sys

sys.path.append(os.path.join(os.path.dirname(__file__), "../../peers"))

import numpy
import torch

from serve import serve

folder = sys.argv[2]
torch.set_num_threads(int(sys.argv[3]))
device = sys.argv[4] if len(sys.argv) > 4 else "cpu"
# float32 throughout, as everybody else computes; the default of some versions is TF32.
torch.backends.cuda.matmul.allow_tf32 = False
loaded = None


def read(name, *shape):
    array = numpy.fromfile(os.path.join(folder, name), numpy.float32).reshape(shape)
    return torch.from_numpy(array).to(device)


@torch.no_grad()
def step(_):
    global loaded
    again = os.path.join(folder, "again")
    is_new = loaded is None or os.path.exists(again)
    if is_new:
        with open(os.path.join(folder, "shape.json")) as file:
            shape = json.load(file)
        m, k, n = shape["m"], shape["k"], shape["n"]
        bias = read("bias", n) if shape["bias"] else None
        loaded = read("x", m, k), read("w", n, k), bias
        if os.path.exists(again):
            os.remove(again)
    y = torch.nn.functional.linear(*loaded)
    if is_new:
        y.cpu().numpy().tofile(os.path.join(folder, "y"))
    # Reading one number waits for the whole product where that is made on another device.
    return float(y[0, 0])


serve(step)

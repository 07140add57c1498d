"""One linear layer, x W^T, again and again: `matmul.py serve 512x1152x3456 threads`."""

import sys

import torch

from serve import serve

m, k, n = (int(size) for size in sys.argv[2].split("x"))
torch.set_num_threads(int(sys.argv[3]))
torch.manual_seed(0)
x, w = torch.randn(m, k), torch.randn(n, k)


@torch.no_grad()
def step(_):
    return float(torch.nn.functional.linear(x, w)[0, 0])


serve(step)

"""One step of VQ4DiT's calibration in PyTorch, by the default recipe of this project.

    python3 calibration_step.py serve problem.safetensors threads

The floating-point model moves some images one sampling step; the quantized one, whose weights are
gathered from codebooks by hard assignments, runs its blocks end to end; the mean over blocks of the
MSE of their outputs is minimized over codebooks and biases by RMSprop.

The problem holds `weight.<name>` of the floating-point model; for each layer `codebook.<layer>`
[groups * k, d] and `codes.<layer>` [rows * columns / d], counted through all groups; images `x`
[N, C, H, W], labels `y` [N] and the `timesteps` of the sampling, ascending. Metadata: `config`.
"""

import json
import sys

import torch

import dit
import safetensors_file
from serve import serve


class Calibration:
    def __init__(self, tensors, metadata, learning_rate=5e-4, decay=0.9, epsilon=1e-8):
        self.config = json.loads(metadata["config"])
        self.weights = {name[7:]: x for name, x in tensors.items() if name.startswith("weight.")}
        self.codes = {name[6:]: x.long() for name, x in tensors.items() if name.startswith("codes.")}
        self.codebooks = {name: tensors["codebook." + name].requires_grad_() for name in self.codes}
        self.biases = {
            name: self.weights[name + ".bias"].clone().requires_grad_() for name in self.codes
        }
        leaves = [*self.codebooks.values(), *self.biases.values()]
        self.optimizer = torch.optim.RMSprop(leaves, lr=learning_rate, alpha=decay, eps=epsilon)
        self.timesteps = tensors["timesteps"].long()
        self.diffusion = dit.Diffusion(self.timesteps)
        self.first = tensors["x"]
        self.labels = tensors["y"].long()

    def teacher(self, i):
        """One sampling step of the floating-point model: what its blocks were given and gave."""
        count = len(self.timesteps)
        at = count - 1 - i % count
        x = self.first if at == count - 1 else self.x
        t = self.timesteps[at].expand(len(x))
        with torch.no_grad():
            kept = dit.forward(self.weights, self.config, x, t, self.labels, keep_blocks=True)
            tokens, conditioning, outputs, output = kept
            eps, v = output.chunk(2, 1)
            mean, log_variance = self.diffusion.reverse(x, torch.full([len(x)], at), eps, v)
            noise = torch.randn_like(x) if at > 0 else torch.zeros_like(x)
            self.x = mean + (log_variance / 2).exp() * noise
        return tokens, conditioning, outputs

    def step(self, i):
        tokens, conditioning, expected = self.teacher(i)
        student = {}
        for name, codes in self.codes.items():
            shape = self.weights[name + ".weight"].shape
            # Plain indexing: its gradient took less than half the time of index_select's.
            student[name + ".weight"] = self.codebooks[name][codes].reshape(shape)
            student[name + ".bias"] = self.biases[name]
        loss = 0
        for index, target in enumerate(expected):
            tokens = dit.block(student, index, self.config["num_heads"], tokens, conditioning)
            loss = loss + (tokens - target).square().mean()
        loss = loss / len(expected)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()


if __name__ == "__main__":
    if sys.argv[1:2] != ["serve"] or len(sys.argv) != 4:
        sys.exit(__doc__)
    torch.set_num_threads(int(sys.argv[3]))
    tensors, metadata = safetensors_file.read(sys.argv[2])
    calibration = Calibration({n: torch.from_numpy(x) for n, x in tensors.items()}, metadata)
    serve(calibration.step)

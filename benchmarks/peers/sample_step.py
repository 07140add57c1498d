"""One sampling step of a DiT in PyTorch: classifier-free guidance and an ancestral step.

    python3 sample_step.py serve problem.safetensors threads

The problem holds `weight.<name>`, images `x` [N, C, H, W], labels `y` [N], and the `timesteps` of the
sampling, ascending. Metadata: `config` and the guidance scale `cfg`.
"""

import json
import sys

import torch

import dit
import safetensors_file
from serve import serve


class Sampling:
    """Steps from the noisiest timestep down; after the last it begins again."""

    def __init__(self, tensors, metadata):
        self.config = json.loads(metadata["config"])
        self.cfg = float(metadata["cfg"])
        self.weights = {name[7:]: x for name, x in tensors.items() if name.startswith("weight.")}
        self.timesteps = tensors["timesteps"].long()
        self.diffusion = dit.Diffusion(self.timesteps)
        self.first = tensors["x"]
        labels = tensors["y"].long()
        self.labels = torch.cat([labels, torch.full_like(labels, self.config["num_classes"])])

    @torch.no_grad()
    def step(self, i):
        count = len(self.timesteps)
        at = count - 1 - i % count
        x = self.first if at == count - 1 else self.x
        t = self.timesteps[at].expand(len(self.labels))
        output = dit.forward(self.weights, self.config, torch.cat([x, x]), t, self.labels)
        labelled, unlabelled = output.chunk(2)
        eps, v = labelled.chunk(2, 1)
        free = unlabelled.chunk(2, 1)[0]
        index = torch.full([len(x)], at)
        mean, log_variance = self.diffusion.reverse(x, index, free + self.cfg * (eps - free), v)
        noise = torch.randn_like(x) if at > 0 else torch.zeros_like(x)
        self.x = mean + (log_variance / 2).exp() * noise
        return output.square().mean().item()


if __name__ == "__main__":
    if sys.argv[1:2] != ["serve"] or len(sys.argv) != 4:
        sys.exit(__doc__)
    torch.set_num_threads(int(sys.argv[3]))
    tensors, metadata = safetensors_file.read(sys.argv[2])
    sampling = Sampling({n: torch.from_numpy(x) for n, x in tensors.items()}, metadata)
    serve(sampling.step)

"""One training step of a DiT in PyTorch: the hybrid loss of Nichol & Dhariwal 2021, AdamW and EMA.

    python3 train_step.py golden out.safetensors                  # fixture of tools/train-demo's tests
    python3 train_step.py serve problem.safetensors threads       # for benchmarks/training/bench.mjs

The problem holds `weight.<name>` and, for one batch, `start`, `noise` [N, C, H, W], `t`, `y` [N].
"""

import json
import math
import sys

import numpy as np
import torch
from torch.distributions import Normal, kl_divergence

import dit
import safetensors_file
from serve import serve


def normal_probability(z):
    """The approximation that GELU is known for, as the published training programs have it."""
    return (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2


def grey_value_loss(start, mean, deviation):
    """Negative log likelihood of 8-bit grey values (Ho et al. 2020, equation 13), in nats."""
    upper = normal_probability((start - mean + 1 / 255) / deviation)
    lower = normal_probability((start - mean - 1 / 255) / deviation)
    upper = torch.where(start > 0.999, torch.ones_like(upper), upper)
    lower = torch.where(start < -0.999, torch.zeros_like(lower), lower)
    return -(upper - lower).clamp(min=1e-12).log()


def hybrid_loss(diffusion, output, x, start, noise, t):
    """-> loss, mean squared error of the noise, bound in bits per value"""
    eps, v = output.chunk(2, 1)
    mse = (eps - noise).square().mean()
    mean, log_variance = diffusion.reverse(x, t, eps.detach(), v)
    true_mean = diffusion.at("of_start", t) * start + diffusion.at("of_image", t) * x
    true = Normal(true_mean, (diffusion.at("log_variance", t) / 2).exp().expand_as(mean))
    deviation = (log_variance / 2).exp()
    terms = torch.where(
        (t == 0)[:, None, None, None],
        grey_value_loss(start, mean, deviation),
        kl_divergence(true, Normal(mean, deviation)),
    )
    bound = terms.mean() / math.log(2)
    return mse + bound, mse, bound


class Training:
    """The same step as tools/train-demo makes."""

    def __init__(self, weights, config, learning_rate=5e-4, ema=0.999):
        self.weights = weights
        self.config = config
        self.diffusion = dit.Diffusion(dtype=weights["pos_embed"].dtype)
        self.trained = [w for name, w in weights.items() if name != "pos_embed"]
        for w in self.trained:
            w.requires_grad_()
        self.optimizer = torch.optim.AdamW(self.trained, lr=learning_rate, weight_decay=0)
        self.averages = [w.detach().clone() for w in self.trained]
        self.ema = ema

    def loss(self, start, noise, t, y):
        x = self.diffusion.noisy(start, noise, t)
        output = dit.forward(self.weights, self.config, x, t, y)
        return hybrid_loss(self.diffusion, output, x, start, noise, t)

    def step(self, start, noise, t, y):
        loss, _, _ = self.loss(start, noise, t, y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_mul_(self.averages, self.ema)
            torch._foreach_add_(self.averages, self.trained, alpha=1 - self.ema)
        return loss.item()


GOLDEN_CONFIG = {
    "input_size": 12,
    "patch_size": 4,
    "in_channels": 1,
    "hidden_size": 16,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 2.0,
    "class_dropout_prob": 0.1,
    "num_classes": 3,
    "learn_sigma": True,
}


def random_weights(config):
    d, p, c = config["hidden_size"], config["patch_size"], config["in_channels"]
    wide = int(d * config["mlp_ratio"])
    shapes = {
        "pos_embed": [1, (config["input_size"] // p) ** 2, d],
        "x_embedder.proj": [d, c, p, p],
        "t_embedder.mlp.0": [d, 256],
        "t_embedder.mlp.2": [d, d],
        "y_embedder.embedding_table.weight": [config["num_classes"] + 1, d],
        "final_layer.linear": [p * p * 2 * c, d],
        "final_layer.adaLN_modulation.1": [2 * d, d],
    }
    for i in range(config["depth"]):
        shapes[f"blocks.{i}.attn.qkv"] = [3 * d, d]
        shapes[f"blocks.{i}.attn.proj"] = [d, d]
        shapes[f"blocks.{i}.mlp.fc1"] = [wide, d]
        shapes[f"blocks.{i}.mlp.fc2"] = [d, wide]
        shapes[f"blocks.{i}.adaLN_modulation.1"] = [6 * d, d]
    weights = {}
    for name, shape in shapes.items():
        whole = name == "pos_embed" or name.endswith(".weight")
        scale = 1 if whole else 1 / math.sqrt(math.prod(shape[1:]))
        weights[name if whole else name + ".weight"] = scale * torch.randn(shape)
        if not whole:
            weights[name + ".bias"] = 0.3 * torch.randn(shape[0])
    return weights


def golden(path):
    """Loss and gradients in float64 from float32 inputs; all weights are random, none is zero."""
    torch.manual_seed(1)
    config = GOLDEN_CONFIG
    weights = {name: w.double() for name, w in random_weights(config).items()}
    # Images 0 and 4 are at the last step of sampling, with black and white among their pixels.
    t = torch.tensor([0, 1, 57, 500, 0, 999])
    y = torch.tensor([0, 3, 1, 2, 2, 3])
    grey = torch.randint(0, 256, [6, 1, 12, 12])
    grey[torch.rand(grey.shape) < 0.2] = 0
    grey[torch.rand(grey.shape) < 0.2] = 255
    start = (grey / 127.5 - 1).float().double()
    noise = torch.randn(start.shape).double()
    training = Training(weights, config)
    losses = training.loss(start, noise, t, y)
    losses[0].backward()
    out = {"input.start": start, "input.noise": noise}
    out.update({"weight." + name: w.detach() for name, w in weights.items()})
    tensors = {name: np.float32(x.numpy()) for name, x in out.items()}
    for name, w in weights.items():
        if name != "pos_embed":
            tensors["grad." + name] = np.float32(w.grad.numpy())
    tensors["input.t"] = np.int32(t.numpy())
    tensors["input.y"] = np.int32(y.numpy())
    tensors["losses"] = np.float64([x.item() for x in losses])
    tensors.update(adamw_golden())
    about = {"config": json.dumps(config), "torch": torch.__version__}
    safetensors_file.write(path, tensors, about)
    print(path, dict(zip(["loss", "mse", "bound"], tensors["losses"])))


def adamw_golden():
    """Three steps of AdamW with weight decay on some numbers, in float64."""
    value = torch.randn(40).float().double().requires_grad_()
    tensors = {"adamw.start": np.float32(value.detach().numpy())}
    optimizer = torch.optim.AdamW([value], lr=1e-2, weight_decay=0.1)
    for i in range(3):
        grad = (10 ** torch.linspace(-6, 2, 40) * torch.randn(40)).float().double()
        tensors[f"adamw.grad.{i}"] = np.float32(grad.numpy())
        value.grad = grad
        optimizer.step()
    tensors["adamw.end"] = np.float32(value.detach().numpy())
    return tensors


def serve_problem(path, threads):
    torch.set_num_threads(threads)
    tensors, metadata = safetensors_file.read(path)
    tensors = {name: torch.from_numpy(array) for name, array in tensors.items()}
    weights = {name[7:]: x for name, x in tensors.items() if name.startswith("weight.")}
    training = Training(weights, json.loads(metadata["config"]))
    batch = [tensors["start"], tensors["noise"], tensors["t"].long(), tensors["y"].long()]
    serve(lambda _: training.step(*batch))


if __name__ == "__main__":
    if sys.argv[1:2] == ["golden"] and len(sys.argv) == 3:
        golden(sys.argv[2])
    elif sys.argv[1:2] == ["serve"] and len(sys.argv) == 4:
        serve_problem(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)

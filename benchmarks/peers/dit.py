"""A Diffusion Transformer in plain PyTorch, written from the paper (Peebles & Xie 2022, figure 3).

Functions of a dictionary of weights, so that any of them may be trained, replaced or frozen. Key
names are those of the original checkpoints.
"""

import math

import torch
import torch.nn.functional as F


def modulate(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


def layer(w, name, x):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def attention(qkv, heads):
    n, count, triple = qkv.shape
    q, k, v = qkv.reshape(n, count, 3, heads, triple // 3 // heads).permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
    return (weights @ v).transpose(1, 2).reshape(n, count, triple // 3)


def block(w, index, heads, tokens, conditioning):
    at = f"blocks.{index}."
    modulation = layer(w, at + "adaLN_modulation.1", F.silu(conditioning)).chunk(6, 1)
    shift1, scale1, gate1, shift2, scale2, gate2 = modulation
    qkv = layer(w, at + "attn.qkv", modulate(norm(tokens), shift1, scale1))
    tokens = tokens + gate1[:, None] * layer(w, at + "attn.proj", attention(qkv, heads))
    wide = layer(w, at + "mlp.fc1", modulate(norm(tokens), shift2, scale2))
    wide = F.gelu(wide, approximate="tanh")
    return tokens + gate2[:, None] * layer(w, at + "mlp.fc2", wide)


def embed(w, x, t, y):
    """Images [N, C, H, W], timesteps and labels [N] -> tokens [N, T, D], conditioning [N, D]."""
    kernel = w["x_embedder.proj.weight"]
    patches = F.conv2d(x, kernel, w["x_embedder.proj.bias"], stride=kernel.shape[-1])
    tokens = patches.flatten(2).transpose(1, 2) + w["pos_embed"]
    frequencies = torch.exp(-math.log(10000) * torch.arange(128, dtype=torch.float64) / 128)
    angles = t.double()[:, None] * frequencies
    sinusoids = torch.cat([angles.cos(), angles.sin()], 1).to(x.dtype)
    hidden = F.silu(layer(w, "t_embedder.mlp.0", sinusoids))
    labels = F.embedding(y, w["y_embedder.embedding_table.weight"])
    return tokens, layer(w, "t_embedder.mlp.2", hidden) + labels


def final_layer(w, patch, tokens, conditioning):
    modulation = layer(w, "final_layer.adaLN_modulation.1", F.silu(conditioning))
    shift, scale = modulation.chunk(2, 1)
    patches = layer(w, "final_layer.linear", modulate(norm(tokens), shift, scale))
    n, count, width = patches.shape
    side = math.isqrt(count)
    grid = patches.reshape(n, side, side, patch, patch, width // patch // patch)
    return torch.einsum("nhwpqc->nchpwq", grid).reshape(n, -1, side * patch, side * patch)


def forward(w, config, x, t, y, keep_blocks=False):
    """-> output [N, 2C, H, W], or tokens, conditioning, outputs of all blocks, and the output."""
    tokens, conditioning = embed(w, x, t, y)
    outputs = []
    current = tokens
    for index in range(config["depth"]):
        current = block(w, index, config["num_heads"], current, conditioning)
        outputs.append(current)
    output = final_layer(w, config["patch_size"], current, conditioning)
    return (tokens, conditioning, outputs, output) if keep_blocks else output


class Diffusion:
    """The linear process of 1000 steps, or some of its steps (Ho et al. 2020; float64)."""

    def __init__(self, timesteps=None, dtype=torch.float32):
        betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
        alphas = torch.cumprod(1 - betas, 0)
        if timesteps is not None:
            alphas = alphas[timesteps]
        before = torch.cat([torch.ones(1, dtype=torch.float64), alphas[:-1]])
        betas = 1 - alphas / before if timesteps is not None else betas
        variance = betas * (1 - before) / (1 - alphas)
        variance[0] = variance[1]
        tables = {
            "alphas": alphas,
            "log_betas": betas.log(),
            "log_variance": variance.log(),
            "of_start": betas * before.sqrt() / (1 - alphas),
            "of_image": (1 - before) * (1 - betas).sqrt() / (1 - alphas),
        }
        self.tables = {name: table.to(dtype) for name, table in tables.items()}

    def at(self, name, t):
        return self.tables[name][t][:, None, None, None]

    def noisy(self, start, noise, t):
        a = self.at("alphas", t)
        return a.sqrt() * start + (1 - a).sqrt() * noise

    def reverse(self, x, t, eps, v):
        """Mean and log variance of the model's step from x."""
        a = self.at("alphas", t)
        start = (x - (1 - a).sqrt() * eps) / a.sqrt()
        fraction = (v + 1) / 2
        log_variance = fraction * self.at("log_betas", t) + (1 - fraction) * self.at("log_variance", t)
        return self.at("of_start", t) * start + self.at("of_image", t) * x, log_variance

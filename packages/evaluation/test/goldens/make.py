"""Makes the goldens beside this file: metrics by NumPy and SciPy, features by PyTorch.

    python3 make.py

Needs numpy, scipy and torch. The Inception network here is a sixteenth as wide as the real one and
has random weights: the golden is about its structure.
"""
import json
import struct

import numpy as np
import scipy.linalg
import torch
import torch.nn.functional as F

rng = np.random.default_rng(2024)
torch.manual_seed(2024)


def write(path, tensors, metadata=None):
    names = {np.dtype("float32"): "F32", np.dtype("float64"): "F64", np.dtype("uint8"): "U8"}
    header, blobs, at = {}, [], 0
    if metadata:
        header["__metadata__"] = {k: repr(v) for k, v in metadata.items()}
    for name, array in tensors.items():
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + len(blob)],
        }
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


# ---- metrics


def frechet(a, b):
    m1, m2 = a.mean(0), b.mean(0)
    s1, s2 = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(s1 @ s2)
    return float(((m1 - m2) ** 2).sum() + np.trace(s1 + s2 - 2 * root.real))


def precision_recall(real, fake, k):
    def distances(x, y):
        return ((x[:, None, :] - y[None, :, :]) ** 2).sum(-1)

    radius = lambda x: np.sort(distances(x, x), axis=1)[:, k]
    between = distances(real, fake)
    precision = (between <= radius(real)[:, None]).any(0).mean()
    recall = (between <= radius(fake)[None, :]).any(1).mean()
    return float(precision), float(recall)


def kernel_distance(x, y):
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
    n, m = len(x), len(y)
    xx, yy, xy = kernel(x, x), kernel(y, y), kernel(x, y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(within - 2 * xy.mean())


def inception_score(logits, splits):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    scores = []
    for part in np.array_split(p, splits):
        kl = part * (np.log(part) - np.log(part.mean(0, keepdims=True)))
        scores.append(np.exp(kl.sum(1).mean()))
    return float(np.mean(scores)), float(np.std(scores))


mix = rng.normal(size=(24, 24))
real = (rng.normal(size=(300, 24)) @ mix + 3).astype(np.float32)
fake = (rng.normal(size=(240, 24)) @ (mix + 0.3 * rng.normal(size=(24, 24))) + 3.4).astype(np.float32)
# Fewer vectors than features: both covariances are singular.
few = fake[:10]
logits = (3 * rng.normal(size=(120, 11))).astype(np.float32)
r64, f64 = real.astype(np.float64), fake.astype(np.float64)
precision, recall = precision_recall(r64, f64, 3)
score1, _ = inception_score(logits.astype(np.float64), 1)
score4, deviation4 = inception_score(logits.astype(np.float64), 4)
write(
    "metrics.safetensors",
    {"real": real, "fake": fake, "logits": logits},
    {
        "frechet": frechet(r64, f64),
        "frechet_few": frechet(r64, few.astype(np.float64)),
        "precision": precision,
        "recall": recall,
        "kernel_distance": kernel_distance(r64[:240], f64),
        "inception_score": score1,
        "inception_score_4_mean": score4,
        "inception_score_4_deviation": deviation4,
    },
)

# ---- Inception-v3 as FID uses it, a sixteenth as wide

NARROW = 16
weights = {}


def conv(name, x, out, kernel, stride=1, padding=0):
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    inputs = x.shape[1]
    w = torch.randn(out, inputs, kh, kw) * (2.0 / (inputs * kh * kw)) ** 0.5
    gamma, beta = torch.rand(out) + 0.5, torch.randn(out) * 0.1
    mean, var = torch.randn(out) * 0.1, torch.rand(out) + 0.5
    weights[f"{name}.conv.weight"] = w
    for part, value in zip(
        ["weight", "bias", "running_mean", "running_var"], [gamma, beta, mean, var]
    ):
        weights[f"{name}.bn.{part}"] = value
    y = F.conv2d(x, w, stride=stride, padding=padding)
    return F.relu(F.batch_norm(y, mean, var, gamma, beta, eps=0.001))


def mean_pool(x):
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


n = lambda channels: channels // NARROW


def block_a(name, x, pool):
    b1 = conv(f"{name}.branch1x1", x, n(64), 1)
    b5 = conv(f"{name}.branch5x5_1", x, n(48), 1)
    b5 = conv(f"{name}.branch5x5_2", b5, n(64), 5, padding=2)
    b3 = conv(f"{name}.branch3x3dbl_1", x, n(64), 1)
    b3 = conv(f"{name}.branch3x3dbl_2", b3, n(96), 3, padding=1)
    b3 = conv(f"{name}.branch3x3dbl_3", b3, n(96), 3, padding=1)
    return torch.cat([b1, b5, b3, conv(f"{name}.branch_pool", mean_pool(x), n(pool), 1)], 1)


def block_c(name, x, c):
    b1 = conv(f"{name}.branch1x1", x, n(192), 1)
    b7 = conv(f"{name}.branch7x7_1", x, n(c), 1)
    b7 = conv(f"{name}.branch7x7_2", b7, n(c), (1, 7), padding=(0, 3))
    b7 = conv(f"{name}.branch7x7_3", b7, n(192), (7, 1), padding=(3, 0))
    d = conv(f"{name}.branch7x7dbl_1", x, n(c), 1)
    d = conv(f"{name}.branch7x7dbl_2", d, n(c), (7, 1), padding=(3, 0))
    d = conv(f"{name}.branch7x7dbl_3", d, n(c), (1, 7), padding=(0, 3))
    d = conv(f"{name}.branch7x7dbl_4", d, n(c), (7, 1), padding=(3, 0))
    d = conv(f"{name}.branch7x7dbl_5", d, n(192), (1, 7), padding=(0, 3))
    pooled = conv(f"{name}.branch_pool", mean_pool(x), n(192), 1)
    return torch.cat([b1, b7, d, pooled], 1), b1


def block_e(name, x, pool):
    b1 = conv(f"{name}.branch1x1", x, n(320), 1)
    b3 = conv(f"{name}.branch3x3_1", x, n(384), 1)
    b3a = conv(f"{name}.branch3x3_2a", b3, n(384), (1, 3), padding=(0, 1))
    b3b = conv(f"{name}.branch3x3_2b", b3, n(384), (3, 1), padding=(1, 0))
    d = conv(f"{name}.branch3x3dbl_1", x, n(448), 1)
    d = conv(f"{name}.branch3x3dbl_2", d, n(384), 3, padding=1)
    da = conv(f"{name}.branch3x3dbl_3a", d, n(384), (1, 3), padding=(0, 1))
    db = conv(f"{name}.branch3x3dbl_3b", d, n(384), (3, 1), padding=(1, 0))
    pooled = conv(f"{name}.branch_pool", pool(x), n(192), 1)
    return torch.cat([b1, b3a, b3b, da, db, pooled], 1)


def inception(x):
    x = conv("Conv2d_1a_3x3", x, n(32), 3, stride=2)
    x = conv("Conv2d_2a_3x3", x, n(32), 3)
    x = conv("Conv2d_2b_3x3", x, n(64), 3, padding=1)
    x = F.max_pool2d(x, 3, stride=2)
    x = conv("Conv2d_3b_1x1", x, n(80), 1)
    x = conv("Conv2d_4a_3x3", x, n(192), 3)
    x = F.max_pool2d(x, 3, stride=2)
    x = block_a("Mixed_5b", x, 32)
    x = block_a("Mixed_5c", x, 64)
    x = block_a("Mixed_5d", x, 64)
    b3 = conv("Mixed_6a.branch3x3", x, n(384), 3, stride=2)
    d = conv("Mixed_6a.branch3x3dbl_1", x, n(64), 1)
    d = conv("Mixed_6a.branch3x3dbl_2", d, n(96), 3, padding=1)
    d = conv("Mixed_6a.branch3x3dbl_3", d, n(96), 3, stride=2)
    x = torch.cat([b3, d, F.max_pool2d(x, 3, stride=2)], 1)
    x, _ = block_c("Mixed_6b", x, 128)
    x, _ = block_c("Mixed_6c", x, 160)
    x, spatial = block_c("Mixed_6d", x, 160)
    x, _ = block_c("Mixed_6e", x, 192)
    b3 = conv("Mixed_7a.branch3x3_1", x, n(192), 1)
    b3 = conv("Mixed_7a.branch3x3_2", b3, n(320), 3, stride=2)
    b7 = conv("Mixed_7a.branch7x7x3_1", x, n(192), 1)
    b7 = conv("Mixed_7a.branch7x7x3_2", b7, n(192), (1, 7), padding=(0, 3))
    b7 = conv("Mixed_7a.branch7x7x3_3", b7, n(192), (7, 1), padding=(3, 0))
    b7 = conv("Mixed_7a.branch7x7x3_4", b7, n(192), 3, stride=2)
    x = torch.cat([b3, b7, F.max_pool2d(x, 3, stride=2)], 1)
    x = block_e("Mixed_7b", x, mean_pool)
    x = block_e("Mixed_7c", x, lambda y: F.max_pool2d(y, 3, stride=1, padding=1))
    pooled = x.mean((2, 3))
    fc = torch.randn(1008, pooled.shape[1]) * 0.1
    weights["fc.weight"] = fc
    # [N, 17, 17, 7], as TensorFlow flattens it
    return pooled, spatial[:, :7].permute(0, 2, 3, 1).flatten(1), pooled @ fc.T


def resize(images, side):
    """TensorFlow 1's bilinear resize: no aligned corners, no half-pixel centres."""
    height, width = images.shape[1:3]
    y, x = np.arange(side) * height / side, np.arange(side) * width / side
    y0, x0 = np.floor(y).astype(int), np.floor(x).astype(int)
    y1, x1 = np.minimum(y0 + 1, height - 1), np.minimum(x0 + 1, width - 1)
    fy, fx = (y - y0)[None, :, None, None], (x - x0)[None, None, :, None]
    v = images.astype(np.float64)
    top = v[:, y0][:, :, x0] * (1 - fx) + v[:, y0][:, :, x1] * fx
    bottom = v[:, y1][:, :, x0] * (1 - fx) + v[:, y1][:, :, x1] * fx
    return (top * (1 - fy) + bottom * fy).astype(np.float32)


with torch.no_grad():
    images = rng.integers(0, 256, size=(2, 20, 24, 3), dtype=np.uint8)
    images[1] = images[1] // 4 + np.arange(24, dtype=np.uint8)[None, :, None] * 6
    x = (torch.from_numpy(resize(images, 299)) - 128) / 128
    pooled, spatial, logits = inception(x.permute(0, 3, 1, 2))
write("inception-narrow.safetensors", {k: v.numpy() for k, v in weights.items()})
write(
    "inception-narrow.golden.safetensors",
    {
        "images": images,
        "pooled": pooled.numpy(),
        "spatial": spatial.numpy(),
        "logits": logits.numpy(),
    },
)

# ---- an .npz as NumPy writes it
np.savez(
    "batch.npz",
    arr_0=images,
    mu=r64.mean(0),
    sigma=np.cov(r64, rowvar=False),
    labels=np.array([3, 999], dtype=np.int64),
)
np.savez_compressed("batch-compressed.npz", arr_0=images)

"""Records gptq.jsonl, one case a line: GPTQ on small matrices, in float64 with NumPy.

    python3 packages/core/test/goldens/gptq.py

Independent of the TypeScript: it removes columns from H^-1 one at a time (optimal brain quantization,
equations 2 and 3 of Frantar et al. 2022) and has no Cholesky factor, so that agreement also
checks the reformulation that the program uses.
"""

import json
import pathlib

import numpy as np


def ceil_float16(value):
    """The least float16 that is not below a number."""
    half = np.float16(value)
    return float(half if float(half) >= value else np.nextafter(half, np.float16(np.inf)))


def fit(values, bits):
    """Min-max grid with a float16 step; it holds 0."""
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    if low == high:
        return 1.0, 0
    levels = 2**bits - 1
    scale = ceil_float16((high - low) / levels)
    return scale, int(np.clip(np.floor(-low / scale + 0.5), 0, levels))


def quantize(value, scale, zero, bits):
    return int(np.clip(np.floor(value / scale + 0.5) + zero, 0, 2**bits - 1))


def gptq(weights, gram, bits, group, act_order):
    rows, columns = weights.shape
    hessian = gram + 0.01 * np.trace(gram) / columns * np.eye(columns)
    order = np.argsort(-np.diag(hessian), kind="stable") if act_order else np.arange(columns)
    work = weights.astype(np.float64)
    groups = -(-columns // group)
    codes = np.zeros((rows, columns), dtype=int)
    scales, zeros = np.zeros((rows, groups)), np.zeros((rows, groups), dtype=int)

    def fit_group(g, source):
        for r in range(rows):
            scales[r, g], zeros[r, g] = fit(source[r, g * group : (g + 1) * group], bits)

    if act_order or group >= columns:
        for g in range(groups):
            fit_group(g, weights.astype(np.float64))
    inverse = np.linalg.inv(hessian)
    for position, c in enumerate(order):
        g = c // group
        if not (act_order or group >= columns) and c % group == 0:
            fit_group(g, work)
        rest = order[position + 1 :]
        for r in range(rows):
            codes[r, c] = quantize(work[r, c], scales[r, g], zeros[r, g], bits)
            error = work[r, c] - scales[r, g] * (codes[r, c] - zeros[r, g])
            work[r, rest] -= error / inverse[c, c] * inverse[c, rest]
        inverse = inverse - np.outer(inverse[:, c], inverse[c, :]) / inverse[c, c]
    return codes, scales, zeros


def main():
    random = np.random.default_rng(20240)
    cases = []
    for bits, group, act_order in [(2, 24, False), (3, 24, False), (3, 8, False), (4, 10, False), (3, 8, True)]:
        columns, rows = 24, 5
        mixing = random.normal(size=(columns, 6)) * np.exp(random.normal(size=(columns, 1)))
        inputs = mixing @ random.normal(size=(6, 400)) + 0.1 * random.normal(size=(columns, 400))
        gram = inputs @ inputs.T / 400
        gram = (gram + gram.T) / 2
        weights = random.normal(size=(rows, columns)).astype(np.float32)
        codes, scales, zeros = gptq(weights, gram, bits, group, act_order)
        cases.append(
            {
                **{"bits": bits, "groupSize": group, "actOrder": act_order, "rows": rows, "columns": columns},
                "weights": [float(w) for w in weights.ravel()],
                "gram": [float(g) for g in gram.ravel()],
                "codes": codes.ravel().tolist(),
                "scales": scales.ravel().tolist(),
                "zeros": zeros.ravel().tolist(),
            }
        )
    path = pathlib.Path(__file__).with_name("gptq.jsonl")
    path.write_text("".join(f"{json.dumps(case)}\n" for case in cases))


main()

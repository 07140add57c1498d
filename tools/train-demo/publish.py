"""Makes a trained model the demo model: the checkpoint as PyTorch writes it, and a forward pass that
PyTorch computed, for the tests.

    python3 tools/train-demo/publish.py out/train-demo/model/dit-fashion.safetensors

Before anything is written, this PyTorch model must compute what was recorded of the model that is
there. The picture and the manifest are made afterwards, by publish.mjs.
"""

import pathlib
import sys

import numpy as np
import torch

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(root / "benchmarks" / "peers"))
import dit  # noqa: E402
import safetensors_file  # noqa: E402

package = root / "packages" / "demo-model"
checkpoint = package / "data" / "dit-fashion.pt"
fixture = package / "test" / "fixtures" / "dit-fashion.golden.safetensors"


def forward(weights, args, golden):
    """-> the recorded names with what these weights give for the recorded inputs"""
    x, t, y = (torch.from_numpy(golden[f"forward.{name}"]) for name in ("x", "t", "y"))
    with torch.no_grad():
        _, _, blocks, out = dit.forward(weights, args, x, t, y.long(), keep_blocks=True)
    outputs = {f"forward.block.{i}": block.numpy() for i, block in enumerate(blocks)}
    return {**outputs, "forward.out": out.numpy()}


def main(path):
    golden, metadata = safetensors_file.read(fixture)
    old = torch.load(checkpoint)
    for name, values in forward(old["ema"], old["args"], golden).items():
        error = np.abs(values - golden[name]).max() / np.abs(golden[name]).max()
        if not error < 1e-5:
            sys.exit(f"{name} of the model that is there differs by {error} from what was recorded.")

    tensors, _ = safetensors_file.read(path)
    missing = set(old["ema"]) ^ set(tensors)
    if missing:
        sys.exit(f"{path} does not hold the same tensors: {', '.join(sorted(missing))}.")
    weights = {name: torch.from_numpy(tensors[name]) for name in old["ema"]}
    torch.save({"ema": weights, "args": old["args"]}, checkpoint)
    inputs = {f"forward.{name}": golden[f"forward.{name}"] for name in ("x", "t", "y")}
    outputs = forward(weights, old["args"], golden)
    safetensors_file.write(fixture, {**inputs, **outputs}, metadata)
    print(f"Wrote {checkpoint.name} and {fixture.name}.")


main(sys.argv[1])

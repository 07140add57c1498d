"""Peers of the k-means benchmark: brute force in PyTorch, and scikit-learn. Run by bench.mjs.

    python3 peers.py versions
    python3 peers.py <method> <weights.f32> <seeds.f32> <d> <k> <iterations>

Prints one line of JSON: wall and processor seconds (all threads) of the k-means alone, and the
codebook's file. `iterations` counts updates of the codebook, from the given seeds.
"""

import json
import resource
import sys
import time

import numpy as np

# Rows of one distance table. 4096 x 256 floats stay in the cache; larger ones were slower.
CHUNK = 4096


def torch_brute_force(x, seeds, iterations):
    """|x|^2 - 2 x.c + |c|^2 by matrix products, argmin, and sums by index_add."""
    import torch

    x, c = torch.from_numpy(x), torch.from_numpy(seeds.copy())
    k, d = c.shape
    for _ in range(iterations):
        sums, counts = torch.zeros(k, d), torch.zeros(k)
        squares = (c * c).sum(1)
        for rows in x.split(CHUNK):
            # |x|^2 is the same for every codeword and does not change the argmin.
            nearest = torch.addmm(squares, rows, c.t(), alpha=-2).argmin(1)
            sums.index_add_(0, nearest, rows)
            counts += torch.bincount(nearest, minlength=k)
        c = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], c)
    return c.numpy()


def torch_one_hot(x, seeds, iterations):
    """The same with the table of all distances and an update by a one-hot matrix product."""
    import torch

    x, c = torch.from_numpy(x), torch.from_numpy(seeds.copy())
    k = c.shape[0]
    for _ in range(iterations):
        distances = (x * x).sum(1, keepdim=True) - 2 * x @ c.t() + (c * c).sum(1)
        one_hot = torch.nn.functional.one_hot(distances.argmin(1), k).to(x.dtype)
        del distances
        counts = one_hot.sum(0)
        sums = one_hot.t() @ x
        c = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], c)
    return c.numpy()


def scikit_learn(algorithm):
    def run(x, seeds, iterations):
        from sklearn.cluster import KMeans

        model = KMeans(len(seeds), init=seeds, n_init=1, max_iter=iterations, tol=0,
                       algorithm=algorithm)
        return model.fit(x).cluster_centers_

    return run


METHODS = {
    "torch": torch_brute_force,
    "torch-one-hot": torch_one_hot,
    "sklearn-lloyd": scikit_learn("lloyd"),
    "sklearn-elkan": scikit_learn("elkan"),
}


def versions():
    import sklearn
    import torch

    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "torchThreads": torch.get_num_threads(),
        "sklearn": sklearn.__version__,
        "numpy": np.__version__,
    }


def main():
    if sys.argv[1] == "versions":
        print(json.dumps(versions()))
        return
    method, weights, seeds, d, k, iterations = sys.argv[1:]
    x = np.fromfile(weights, np.float32).reshape(-1, int(d))
    c = np.fromfile(seeds, np.float32).reshape(int(k), int(d))
    run = METHODS[method]
    run(x[:8192], c, 1)  # imports and first-call costs are not counted
    wall, cpu = time.perf_counter(), time.process_time()
    codebook = run(x, c, int(iterations))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    out = seeds + "." + method
    np.ascontiguousarray(codebook, np.float32).tofile(out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"wall": wall, "cpu": cpu, "codebook": out, "peakMiB": peak / 1024}))


if __name__ == "__main__":
    main()

"""Reads and writes safetensors files: 8 bytes of header length, a JSON header, then the data."""

import json
import struct

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "I32": np.int32, "U8": np.uint8}


def read(path):
    """-> {name: array}, {key: text}"""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        part = np.frombuffer(data[8 + length + begin:8 + length + end], DTYPES[entry["dtype"]])
        tensors[name] = part.reshape(entry["shape"]).copy()
    return tensors, metadata


def write(path, tensors, metadata=None):
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    header, parts, at = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, array in sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0])):
        part = np.ascontiguousarray(array)
        header[name] = {
            "dtype": names[part.dtype],
            "shape": list(part.shape),
            "data_offsets": [at, at + part.nbytes],
        }
        parts.append(part.tobytes())
        at += part.nbytes
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))

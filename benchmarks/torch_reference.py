"""What PyTorch does in a training step: the reference for archsim's training graph.

    python benchmarks/torch_reference.py answers.json --onnx FOLDER [NETWORK ...]

For each network of `torch_networks.py`:

* `saved_bytes`: what autograd keeps between forward and backward, by saved-tensor hooks, each
  storage once, without parameters and buffers; `outputs.sum()` is the loss and keeps nothing;
* `gradients`: the parameters that autograd reaches;
* `macs`: multiply-accumulates of forward and backward by a dispatch-mode counter that looks at
  convolutions and matrix products (attention forced to its plain form), grouped convolutions
  counted as such.

With `--onnx` the networks are also exported, by both exporters, with their weights left out: a
tensor above 64 elements refers to a file that does not exist.  Needs torch, torchvision, onnx,
onnxscript and transformers; no part of archsim.
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch_networks import NETWORKS, build

# Today's exporter at two opsets, also without its optimiser (which folds batch normalisation), and
# the exporter by tracing.
EXPORTERS: Mapping[str, Mapping[str, Any]] = {
    "dynamo.op18": {"dynamo": True, "opset_version": 18},
    "dynamo.op18.plain": {"dynamo": True, "opset_version": 18, "optimize": False},
    "dynamo.op23": {"dynamo": True, "opset_version": 23},
    "legacy.op17": {
        "dynamo": False,
        "opset_version": 17,
        "do_constant_folding": False,
        "training": torch.onnx.TrainingMode.PRESERVE,
    },
}
_LARGEST_KEPT = 64


@contextmanager
def saved_storages(module: nn.Module) -> Iterator[dict[int, tuple[int, str, tuple[int, ...]]]]:
    """Fills with the storages that autograd saves: address -> (bytes, type, shape)."""
    owned = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    found: dict[int, tuple[int, str, tuple[int, ...]]] = {}
    alive = []  # an address is only unique while its storage lives

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            found[storage.data_ptr()] = storage.nbytes(), str(tensor.dtype), tuple(tensor.shape)
            alive.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


class MacCounter(TorchDispatchMode):
    """Counts multiply-accumulates of the matrix products and convolutions that run inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.total += _macs(func.overloadpacket._qualified_op_name, args, result)
        return result


def _macs(name: str, args: Any, result: Any) -> int:
    if name in {"aten::mm", "aten::bmm"}:
        return result.numel() * args[0].shape[-1]
    if name in {"aten::addmm", "aten::baddbmm"}:
        return result.numel() * args[1].shape[-1]
    if name == "aten::convolution":
        weight, transposed = args[1], args[6]
        spread = args[0] if transposed else result
        return spread.shape[0] * math.prod(spread.shape[2:]) * weight.numel()
    if name == "aten::convolution_backward":
        error, inputs, weight, transposed = args[0], args[1], args[2], args[7]
        spread = inputs if transposed else error
        one = spread.shape[0] * math.prod(spread.shape[2:]) * weight.numel()
        return one * sum(args[10][:2])
    return 0


def measure(module: nn.Module, example: tuple[torch.Tensor, ...]) -> dict[str, Any]:
    """The answers for one network; the gradients of its inputs are not asked for."""
    with saved_storages(module) as saved:
        output = module(*example)
    tensors = output if isinstance(output, tuple) else (output,)
    sum(t.sum() for t in tensors if t.is_floating_point()).backward()
    reached = sorted(name for name, p in module.named_parameters() if p.grad is not None)
    counts = {}
    plain = sdpa_kernel(SDPBackend.MATH)
    with plain, torch.backends.mkldnn.flags(enabled=False), MacCounter() as counter:
        output = module(*example)
        counts["forward"] = counter.total
        tensors = output if isinstance(output, tuple) else (output,)
        sum(t.sum() for t in tensors if t.is_floating_point()).backward()
        counts["step"] = counter.total
    return {
        "inputs": [list(t.shape) for t in example],
        "parameters": sum(p.numel() for p in module.parameters()),
        "frozen": sorted(n for n, p in module.named_parameters() if not p.requires_grad),
        "saved_bytes": sum(size for size, _, _ in saved.values()),
        "gradients": reached,
        "macs": counts,
    }


def export(
    module: nn.Module, example: tuple[torch.Tensor, ...], folder: Path, name: str
) -> list[str]:
    """Write the exports that succeed; the names of the files."""
    written = []
    for exporter, options in EXPORTERS.items():
        path = folder / f"{name}.{exporter}.onnx"
        try:
            torch.onnx.export(module, example, str(path), verbose=False, **options)
        except Exception as error:  # noqa: BLE001 (an exporter's failure is an answer)
            path.unlink(missing_ok=True)
            print(f"  {path.name}: {type(error).__name__}: {str(error)[:100]}")
            continue
        strip(path)
        written.append(path.name)
    return written


def strip(path: Path) -> None:
    """Leave out the values of large tensors, and the exporter's debugging notes."""
    model = onnx.load(path)
    Path(f"{path}.data").unlink(missing_ok=True)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                _strip(attribute.t)
    for function in model.functions:
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
    del model.graph.value_info[:]
    for tensor in model.graph.initializer:
        _strip(tensor)
    onnx.save(model, path)


def _strip(tensor: onnx.TensorProto) -> None:
    if math.prod(tensor.dims) <= _LARGEST_KEPT or tensor.data_type in {7, 9}:
        return
    for field in ("raw_data", "float_data", "int32_data", "int64_data", "double_data"):
        tensor.ClearField(field)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="absent")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("answers", type=Path)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--onnx", type=Path)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    answers: dict[str, Any] = {}
    for name in asked.networks:
        module, example = build(name)
        print(name)
        answers[name] = measure(module, example)
        if asked.onnx is not None:
            asked.onnx.mkdir(parents=True, exist_ok=True)
            answers[name]["files"] = export(module, example, asked.onnx, name)
    versions = {"torch": torch.__version__, "onnx": onnx.__version__}
    document = {
        "script": "benchmarks/torch_reference.py",
        "versions": versions,
        "networks": answers,
    }
    asked.answers.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""The built-in networks are genuine ONNX models of the published sizes.

Parameters and multiply-accumulates are counted here by a naive walk over ONNX's own shape
inference, which shares no code with archsim's reader.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from archsim.config.loading import load
from archsim.resources import data_folder
from archsim.workload.builders.writer import REAL_WEIGHTS
from archsim.workload.spec import WORKLOAD_MODEL, WorkloadSpec

NAMES = sorted(path.stem for path in Path(data_folder("workloads")).glob("*.yaml"))

# (parameters, multiply-accumulates with batch 1 and the default sequence, of these dynamic).
# mlp, lenet, ResNets, BERT, GPT-2 and ViT: an operation counter in PyTorch on torchvision's and
# transformers' networks.  vgg8: the DNN+NeuroSim V2.1 manual (weights and output pixels by layer).
# lstm-ptb: closed form with hidden size h = 650, vocabulary v = 10000, 35 steps.
# gpt3-175b: closed form with width d, vocabulary w, 96 layers, 2048 places and tokens.
H, V = 650, 10_000
D, W, P = 12_288, 50_257, 2048
PUBLISHED = {
    "mlp-digits": (
        64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10,
        64 * 128 + 128 * 64 + 64 * 10,
        0,
    ),
    "mlp": (235_146, 234_752, 0),
    "lenet": (61_706, 416_520, 0),
    "vgg8": (12_973_440, 615_917_568, 0),
    "resnet18": (11_689_512, 1_814_073_344, 0),
    "resnet50": (25_557_032, 4_089_184_256, 0),
    "bert-base": (109_482_240, 11_174_215_680, 301_989_888),
    "gpt2": (124_439_808, 16_114_089_984, 301_989_888),
    "vit-b16": (86_567_656, 17_563_828_224, 715_327_488),
    "gpt3-175b": (
        96 * (12 * D * D + 13 * D) + W * D + P * D + 2 * D,
        P * (96 * 12 * D * D + W * D) + 96 * 2 * P * P * D,
        96 * 2 * P * P * D,
    ),
    "lstm-ptb": (
        V * H + 2 * (2 * 4 * H * H + 8 * H) + H * V + V,
        35 * (2 * 2 * 4 * H * H + H * V),
        0,
    ),
}


def spec(name: str) -> WorkloadSpec:
    return load(name, WORKLOAD_MODEL, data_folder("workloads")).value


def tiny(**network: Any) -> WorkloadSpec:
    """A network small enough to run: with real random weights."""
    symbols = {"bert", "gpt2", "lstm"}
    dims = {"seq": 5} if network["kind"] in symbols else {}
    return WORKLOAD_MODEL.model_validate({"description": "x", "network": network, "dims": dims})


TINY = {
    "mlp": tiny(kind="mlp", widths=[7, 6, 3], activation="tanh"),
    "lenet": tiny(kind="lenet", activation="tanh", pooling="average"),
    "vgg": tiny(kind="vgg", side=8, stages=[[4, 5], [6]], hidden=[8], classes=3, bias=True),
    "basic": tiny(kind="resnet", block="basic", layers=[1, 1], classes=4, side=32),
    "bottleneck": tiny(kind="resnet", block="bottleneck", layers=[2], classes=4, side=32),
    "bert": tiny(kind="bert", layers=2, width=8, heads=2, inner=12, vocabulary=20, longest=9),
    "gpt2": tiny(kind="gpt2", layers=2, width=8, heads=2, vocabulary=20, longest=9),
    "lstm": tiny(kind="lstm", layers=2, width=6, vocabulary=20),
    "vit": tiny(kind="vit", layers=2, width=8, heads=2, inner=12, patch=8, side=16, classes=4),
}


def inferred_shapes(model: onnx.ModelProto, dims: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor, by onnx's own inference with the symbols bound."""
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    for value in (*bound.graph.input, *bound.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = dims[dim.dim_param]
    inferred = shape_inference.infer_shapes(bound, strict_mode=True, data_prop=True).graph
    shapes = {
        value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
        for value in (*inferred.input, *inferred.value_info, *inferred.output)
    }
    return shapes | {t.name: tuple(t.dims) for t in inferred.initializer}


def learned(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]]) -> dict[str, int]:
    """Learned tensors: called `.weight`, `.bias` and so on, but not running statistics."""
    constants = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT}
    constants |= {n.output[0] for n in model.graph.node if n.op_type == "ConstantOfShape"}
    endings = ("weight", "bias", "weight_ih", "weight_hh", "cls_token", "position_embeddings")
    return {name: math.prod(shapes[name]) for name in constants if name.split(".")[-1] in endings}


def naive_macs(
    model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]], weights: set[str]
) -> tuple[int, int]:
    """(all, dynamic) multiply-accumulates, one rule per operator type."""
    derived = set(weights)
    total = dynamic = 0
    for node in model.graph.node:
        shape = [shapes.get(name, ()) for name in node.input]
        out = shapes.get(node.output[0], ())
        if node.op_type in {"Transpose", "Identity"} and node.input[0] in derived:
            derived.add(node.output[0])
        if node.op_type == "Conv":
            total += math.prod(out) * math.prod(shape[1][1:])
        elif node.op_type == "Gemm":
            total += math.prod(out) * shape[0][1]
        elif node.op_type == "MatMul":
            macs = math.prod(out) * shape[0][-1]
            total += macs
            dynamic += macs if node.input[1] not in derived else 0
        elif node.op_type == "LSTM":
            seq, batch, width = shape[0]
            hidden = shape[2][2]
            total += seq * batch * 4 * hidden * (width + hidden)
    return total, dynamic


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> list[np.ndarray]:
    return ReferenceEvaluator(model).run(None, feeds)  # type: ignore[return-value]


def feeds_of(model: onnx.ModelProto, dims: dict[str, int], seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.input:
        shape = [dims.get(d.dim_param, d.dim_value) for d in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            feeds[value.name] = generator.normal(size=shape).astype(np.float32)
        else:
            feeds[value.name] = generator.integers(0, 2, size=shape)
    if "attention_mask" in feeds:
        feeds["attention_mask"][:] = 1
    return feeds


def test_every_shipped_network_has_published_counts() -> None:
    """No built-in network is without a row in the table of counts."""
    assert set(NAMES) == set(PUBLISHED)


@pytest.mark.parametrize("name", NAMES)
def test_shipped_network_has_the_published_size(name: str) -> None:
    """The checker accepts each network, and a naive count gives the published numbers."""
    network = spec(name)
    model = network.build()
    onnx.checker.check_model(model, full_check=True)
    shapes = inferred_shapes(model, {"batch": 1, **network.dims})
    weights = learned(model, shapes)
    parameters, macs, dynamic = PUBLISHED[name]
    assert sum(weights.values()) == parameters
    assert naive_macs(model, shapes, set(weights)) == (macs, dynamic)
    assert model.graph.name == name


@pytest.mark.parametrize("name", NAMES)
def test_the_same_specification_gives_the_same_small_file(name: str) -> None:
    """Two builds are equal byte for byte; above 1 M parameters the file carries no weights."""
    first, second = (spec(name).build().SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    parameters = PUBLISHED[name][0]
    if parameters > REAL_WEIGHTS:
        assert len(first) < 500_000
    else:
        assert len(first) > 4 * parameters


@pytest.mark.parametrize("name", sorted(TINY))
def test_samples_of_a_batch_do_not_see_each_other(name: str) -> None:
    """A batch of three gives what three batches of one give, so `batch` is free in the file."""
    model = TINY[name].build()
    onnx.checker.check_model(model, full_check=True)
    feeds = feeds_of(model, {"batch": 3, "seq": 5})
    together = run(model, **feeds)
    for row in range(3):
        alone = run(model, **{key: value[row : row + 1] for key, value in feeds.items()})
        for whole, single in zip(together, alone, strict=True):
            assert np.isfinite(single).all()
            np.testing.assert_allclose(whole[row : row + 1], single, rtol=1e-4, atol=1e-5)
    assert np.ptp(together[0]) > 0


def test_mlp_is_its_closed_form() -> None:
    """The perceptron computes tanh(x W1' + b1) W2' + b2 with the weights in the file."""
    model = TINY["mlp"].build()
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    x = feeds_of(model, {"batch": 4})["x"]
    hidden = np.tanh(x @ stored["fc1.weight"].T + stored["fc1.bias"])
    expected = hidden @ stored["fc2.weight"].T + stored["fc2.bias"]
    np.testing.assert_allclose(run(model, x=x)[0], expected, rtol=1e-5, atol=1e-6)


def test_a_decoder_does_not_see_the_future() -> None:
    """Changing the last token changes only the last position of GPT-2's output."""
    model = TINY["gpt2"].build()
    ids = np.array([[3, 1, 4, 1, 5]])
    changed = np.array([[3, 1, 4, 1, 9]])
    before, after = run(model, input_ids=ids)[0], run(model, input_ids=changed)[0]
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4] - after[:, 4]).max() > 0


def test_an_encoder_does_not_see_padding() -> None:
    """A masked token of BERT has no influence on the others; an unmasked one has."""
    model = TINY["bert"].build()
    ids, other = np.array([[3, 1, 4, 1, 5]]), np.array([[3, 1, 4, 1, 9]])
    types = np.zeros_like(ids)
    padded, full = np.array([[1, 1, 1, 1, 0]]), np.ones_like(ids)

    def hidden(tokens: np.ndarray, mask: np.ndarray) -> np.ndarray:
        feeds = {"input_ids": tokens, "token_type_ids": types, "attention_mask": mask}
        return run(model, **feeds)[0][:, :4]

    np.testing.assert_array_equal(hidden(ids, padded), hidden(other, padded))
    assert np.abs(hidden(ids, full) - hidden(other, full)).max() > 0


def test_a_recurrent_model_does_not_see_the_future() -> None:
    """Changing the last token changes only the last position of the LSTM's output."""
    model = TINY["lstm"].build()
    before = run(model, input_ids=np.array([[3, 1, 4, 1, 5]]))[0]
    after = run(model, input_ids=np.array([[3, 1, 4, 1, 9]]))[0]
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4] - after[:, 4]).max() > 0


def test_random_weights_have_the_kaiming_spread() -> None:
    """Weights before a ReLU have standard deviation sqrt(2 / fan-in) within sampling error."""
    stored = {t.name: numpy_helper.to_array(t) for t in spec("mlp").build().graph.initializer}
    weight = stored["fc1.weight"]
    assert weight.std() == pytest.approx(math.sqrt(2 / 784), rel=5 / math.sqrt(2 * weight.size))
    assert not stored["fc1.bias"].any()

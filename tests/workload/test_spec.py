"""Specifications of built-in networks are checked before anything is built."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from archsim.workload.spec import WORKLOAD_MODEL
from archsim.workload.training import TrainingOptions

BERT: dict[str, Any] = {"kind": "bert"}


def validate(network: dict[str, Any], **more: Any) -> Any:
    return WORKLOAD_MODEL.model_validate({"description": "x", "network": network, **more})


@pytest.mark.parametrize(
    ("network", "more", "says"),
    [
        ({"kind": "resnet51"}, {}, "resnet"),
        ({"kind": "mlp", "widths": [4]}, {}, "at least 2"),
        ({"kind": "mlp", "widths": [4, 0]}, {}, "at least 1"),
        ({"kind": "mlp", "widht": [4, 2]}, {}, "Extra inputs"),
        ({"kind": "vgg", "side": 36}, {}, "not divisible by 8"),
        ({"kind": "vit", "side": 225}, {}, "not divisible by patch 16"),
        ({"kind": "bert", "heads": 7}, {"dims": {"seq": 8}}, "not divisible by 7 heads"),
        (BERT, {}, "needs a default for the dimension 'seq'"),
        (BERT, {"dims": {"seq": 0}}, "at least 1"),
        (BERT, {"dims": {"seq": 8, "sqe": 8}}, "Did you mean 'seq'?"),
        ({"kind": "lenet"}, {"dims": {"seq": 8}}, "none besides the batch"),
        ({"kind": "lenet"}, {"training": {"loss": "hinge"}}, "cross_entropy"),
    ],
)
def test_wrong_specification_is_refused(
    network: dict[str, Any], more: dict[str, Any], says: str
) -> None:
    """Each wrong specification is refused with a message that names what is wrong."""
    with pytest.raises(ValidationError, match=says.replace("?", r"\?")):
        validate(network, **more)


def test_training_section_becomes_training_options() -> None:
    """Loss, optimizer and frozen patterns of the file are the options of the training graph."""
    training = {"loss": "mse", "optimizer": "adam", "frozen": ["fc1.*"]}
    made = validate({"kind": "lenet"}, training=training).training.options()
    assert made == TrainingOptions(loss="mse", optimizer="adam", frozen=("fc1.*",))


def test_specifications_do_not_import_onnx() -> None:
    """Reading a specification is fast: onnx is imported only when a network is built."""
    code = "import sys, archsim.workload.spec; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

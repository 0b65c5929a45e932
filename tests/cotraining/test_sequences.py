"""Networks over words and over time train as they are, in float32 and on tiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from archsim.cotraining.plan import KINDS, Plan
from archsim.cotraining.training import Training
from archsim.errors import InputError
from archsim.workload.builders.gpt2 import gpt2
from archsim.workload.builders.layers import gemm
from archsim.workload.builders.lstm import lstm_language_model
from archsim.workload.builders.writer import ZEROS, GraphWriter, Init
from archsim.workload.executable import executable
from tests.cotraining.plans import small_plan

WORDS, LENGTH = 7, 6
CLEAN = (("device", "devices/ideal"), ("read.voltage", "1 V"))


def sentences(folder: Path, shift: int = 0) -> str:
    """Words that count up by one or by two: the next word follows from the last two."""
    rng = np.random.default_rng(0)
    start, stride = rng.integers(0, WORDS, (300, 1)), rng.integers(1, 3, (300, 1))
    text = (start + stride * np.arange(LENGTH + 1)) % WORDS + shift
    path = folder / "words.npz"
    x, y = text[:, :-1], text[:, 1:] % WORDS
    np.savez(path, x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    return str(path)


def language_models() -> dict[str, Callable[[], onnx.ModelProto]]:
    """Tiny ones of the shipped kinds; the head of the second is its embedding."""
    return {
        "lstm": lambda: lstm_language_model("lstm", layers=1, width=10, vocabulary=WORDS),
        "gpt2": lambda: gpt2("gpt2", layers=1, width=8, heads=2, vocabulary=WORDS, longest=LENGTH),
    }


def language_plan(name: str, data: str, **recipe: Any) -> Plan:
    """Next-word prediction over every position."""
    graph = executable(language_models()[name](), dims={"seq": LENGTH})
    asked: dict[str, Any] = {
        "data": data,
        "epochs": 5,
        "learning_rate": {"kind": "constant", "rate": 0.5},
        "optimizer": {"kind": "adam", "rate_factor": 0.03},
        **recipe,
    }
    return small_plan(*CLEAN, graph=graph, **asked)


@pytest.mark.parametrize("name", language_models())
def test_language_models_learn_the_next_word(name: str, tmp_path: Path) -> None:
    """Better than the commonest word by far, on both machines, from targets [sample, position]."""
    plan = language_plan(name, sentences(tmp_path))
    for kind in KINDS:
        training = Training(plan, kind, 0)
        training.run()
        last = training.curve[-1]
        assert last.test_loss < 0.7 * training.curve[0].test_loss
        assert last.accuracy is not None
        assert last.accuracy > 0.5


def test_a_tied_embedding_is_one_matrix_on_tiles(tmp_path: Path) -> None:
    """Rows looked up and the head's products move the same devices, once per minibatch."""
    plan = language_plan("gpt2", sentences(tmp_path), epochs=1, train_samples=30)
    training = Training(plan, "analog", 0)
    training.run()
    assert "wte.weight" not in training.parameters
    holder = training.machine.holders[
        next(m.name for m in plan.graph.matrices.values() if m.parameter == "wte.weight")
    ]
    (block,) = holder.statistics()  # type: ignore[attr-defined]
    assert block.totals.minibatches == 3
    # Both uses of all words of all sentences.
    assert block.totals.update_vectors == 2 * 30 * LENGTH


def test_words_beyond_the_vocabulary_are_refused_before_training(tmp_path: Path) -> None:
    """Though only some sentences have them."""
    with pytest.raises(InputError, match=f"axis of {WORDS}"):
        language_plan("lstm", sentences(tmp_path, shift=2))


def gru() -> onnx.ModelProto:
    """Eight lines of an image, one after the other; the last state is classified."""
    g = GraphWriter("gru")
    x = g.node("Transpose", [g.input("x", ["batch", 8, 8])], "time_first", perm=[1, 0, 2])
    draw, width = Init(std=0.2), 16
    operands = [
        x,
        g.parameter("gru.w", (1, 3 * width, 8), draw),
        g.parameter("gru.r", (1, 3 * width, width), draw),
        g.parameter("gru.b", (1, 6 * width), ZEROS),
    ]
    states = g.node_with_outputs(
        "GRU", operands, "gru", 2, hidden_size=width, linear_before_reset=1
    )
    last = g.node("Squeeze", [states[1], g.integers("direction", 0)], "last")
    g.output("logits", gemm(g, last, "fc", width, 10), ["batch", 10])
    return g.model()


def test_a_recurrent_classifier_learns_on_tiles() -> None:
    """One label for a sequence: the gradient comes through all time steps."""
    plan = small_plan(
        *CLEAN,
        graph=executable(gru()),
        train_samples=600,
        epochs=4,
        learning_rate={"kind": "constant", "rate": 0.3},
    )
    for kind in KINDS:
        training = Training(plan, kind, 0)
        training.run()
        last = training.curve[-1]
        assert last.accuracy is not None
        assert last.accuracy > 0.4

"""A small tree of components, and files to load it from."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from archsim.config.loading import Loaded, load
from archsim.errors import InputError
from archsim.fields import Component, Quantity, Scalar


class Linear(Component):
    kind: Literal["linear"]
    pulse_s: Annotated[Scalar, Quantity("s", above=0, maximum=1)]
    range_siemens: Annotated[Scalar, Quantity("S", above=0)]


class Soft(Component):
    kind: Literal["soft"]
    pulse_s: Annotated[Scalar, Quantity("s", above=0, maximum=1)]
    bound: Annotated[Scalar, Quantity(minimum=0)]


class Adc(Component):
    bits: Annotated[Scalar, Quantity(integer=True, minimum=1, maximum=16)]
    rate_hz: Annotated[Scalar, Quantity("Hz", above=0)]
    coding: Literal["binary", "thermometer"] = "binary"
    shared: bool = False
    leakage_w: Annotated[Scalar, Quantity("W", minimum=0)] | None = None
    margin_v: Annotated[Scalar, Quantity("V")] = 0.5

    @model_validator(mode="after")
    def _fits(self) -> Adc:
        if self.bits == 13:
            raise ValueError("bits must not be 13: nobody builds such a converter")
        return self


class Toy(Component):
    name: str
    description: str = ""
    device: Annotated[Linear | Soft, Field(discriminator="kind")]
    adc: Adc
    pitches_m: tuple[Annotated[Scalar, Quantity("m", above=0)], ...] = ()
    stages: tuple[Adc, ...] = ()
    extra: dict[str, Adc] = {}


FILES = {
    "base.yaml": """\
        name: base
        description: the one that others extend
        device:
          extends: devices/linear
        adc:
          bits: 8
          rate: 100 MHz   # a comment
        sources:
          adc.bits: murmann
          adc.rate: "assumed: a round number"
        """,
    "devices/linear.yaml": """\
        kind: linear
        pulse: 5 ns
        range: 222e-9
        sources:
          pulse: onen22.pulse_width
          range: {ref: [onen22.g_range, onen22.r_range], note: difference of the bounds}
        """,
    "devices/soft.yaml": """\
        kind: soft
        pulse: 1 us
        bound: 0.6
        sources: {pulse: gokmen}
        """,
}

Write = Callable[[str, str], Path]
LoadToy = Callable[..., Loaded[Toy]]
Refusal = Callable[[str], str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files above, which is also the working directory."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes a dedented file into the folder."""

    def write_file(name: str, text: str) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def load_toy(folder: Path, write: Write) -> LoadToy:
    """Loads a toy by name, after writing its text to that name if one is given."""

    def load_it(name: str = "base", text: str = "") -> Loaded[Toy]:
        if text:
            write(f"{name}.yaml", text)
        return load(name, Toy, folder)

    return load_it


@pytest.fixture
def refusal(load_toy: LoadToy) -> Refusal:
    """The message with which the file `bad.yaml` of this text is refused."""

    def refuse(text: str) -> str:
        with pytest.raises(InputError) as caught:
            load_toy("bad", text)
        return str(caught.value)

    return refuse

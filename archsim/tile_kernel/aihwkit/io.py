"""Input/output parameters of aihwkit as read parameters, and back."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from archsim.errors import InputError
from archsim.tile_kernel.aihwkit.document import (
    Document,
    difference,
    known_only,
    number,
    refuse_active,
    word,
)
from archsim.tile_kernel.parameters import BoundManagement, NoiseManagement, ReadParameters
from archsim.tile_kernel.quantiser import Quantiser

_Word = TypeVar("_Word", bound=str)
_WHAT = "IOParameters"
# Defaults of aihwkit's IOParameters.
_DEFAULTS: Document = {
    "is_perfect": False,
    "mv_type": "ONE_PASS",
    "inp_bound": 1.0,
    "inp_noise": 0.0,
    "inp_res": 1.0 / 126.0,
    "inp_sto_round": False,
    "inp_asymmetry": 0.0,
    "out_bound": 12.0,
    "out_noise": 0.06,
    "out_noise_std": 0.0,
    "out_res": 1.0 / 510.0,
    "out_sto_round": False,
    "out_scale": 1.0,
    "out_asymmetry": 0.0,
    "bound_management": "ITERATIVE",
    "noise_management": "ABS_MAX",
    "w_noise": 0.0,
    "w_noise_type": "NONE",
    "ir_drop": 0.0,
    "ir_drop_g_ratio": 1.0 / 0.35 / 5e-6,
    "out_nonlinearity": 0.0,
    "out_nonlinearity_std": 0.0,
    "slope_calibration": 0.0,
    "v_offset_std": 0.0,
    "v_offset_w_min": -1.0,
    "r_series": 0.0,
    "w_read_asymmetry_dtod": 0.0,
    "max_bm_factor": 1000,
    "max_bm_res": 0.25,
    "bm_test_negative_bound": True,
    "nm_thres": 0.0,
}
# Values at which what is not modelled changes nothing.
_NEUTRAL: Document = {
    name: _DEFAULTS[name]
    for name in (
        "mv_type",
        "inp_asymmetry",
        "out_noise_std",
        "out_scale",
        "out_asymmetry",
        "ir_drop",
        "out_nonlinearity",
        "out_nonlinearity_std",
        "slope_calibration",
        "v_offset_std",
        "r_series",
        "w_read_asymmetry_dtod",
        "bm_test_negative_bound",
    )
}
_NOISE: Mapping[str, NoiseManagement] = {
    "NONE": "none",
    "ABS_MAX": "abs_max",
    "CONSTANT": "constant",
}
_BOUND: Mapping[str, BoundManagement] = {
    "NONE": "none",
    "ITERATIVE": "iterative",
    "ITERATIVE_WORST_CASE": "worst_case",
}
# The weight that its worst-case bound management assumes; no field of the document sets it.
_WORST_WEIGHT = 0.6


@dataclass(frozen=True, slots=True)
class ImportedRead:
    """Read parameters, and all values of the document that they do not hold."""

    parameters: ReadParameters
    left_out: Document


def import_read(document: Document, leave_out: Collection[str] = ()) -> ImportedRead:
    """Read parameters that do what aihwkit's IOParameters say.

    Fields that are missing have aihwkit's defaults.  Raises `InputError` for unknown fields, and
    for fields that are set to something that the kernel does not compute unless `leave_out` names
    them (its IR drop is another model: give `IrDrop` instead).  Its transposed read ignores bound
    management; ours does what the parameters say.
    """
    known_only(document, _DEFAULTS, _WHAT)
    values = {**_DEFAULTS, **document}
    if values["is_perfect"]:
        parameters = ReadParameters()
    else:
        refuse_active(values, _NEUTRAL, leave_out, _WHAT)
        parameters = _parameters(values)
    return ImportedRead(parameters, difference(document, export_read(parameters)))


def _parameters(values: Document) -> ReadParameters:
    noise = _choice(values, "noise_management", _NOISE)
    threshold = number(values, "nm_thres")
    if noise == "constant" and threshold <= 0:
        raise InputError(
            f"nm_thres is {threshold:g}, but noise_management CONSTANT divides by it",
            place="aihwkit",
            remedy="Give a number above 0.",
        )
    return ReadParameters(
        dac=_quantiser(values, "inp"),
        adc=_quantiser(values, "out"),
        noise_management=noise,
        constant_scale=threshold if noise == "constant" else 1.0,
        largest_scale=threshold if noise == "abs_max" and threshold > 0 else math.inf,
        bound_management=_choice(values, "bound_management", _BOUND),
        largest_division=number(values, "max_bm_factor"),
        coarsest_resolution=number(values, "max_bm_res"),
        assumed_weight=_WORST_WEIGHT,
        input_noise=number(values, "inp_noise"),
        weight_noise=_weight_noise(values),
        output_noise=number(values, "out_noise"),
    )


def _choice(values: Document, name: str, known: Mapping[str, _Word]) -> _Word:
    spelled = {key.replace("_", "").lower(): value for key, value in known.items()}
    chosen = spelled.get(word(values, name))
    if chosen is None:
        raise InputError(
            f"{name} is {values[name]}, which archsim does not model; it has {', '.join(known)}",
            place="aihwkit",
        )
    return chosen


def _weight_noise(values: Document) -> float:
    kind, size = word(values, "w_noise_type"), number(values, "w_noise")
    if kind == "none" or size == 0:
        return 0.0
    if kind != "additiveconstant":
        raise InputError(
            f"w_noise_type is {values['w_noise_type']}, which archsim does not model; it has "
            "NONE and ADDITIVE_CONSTANT",
            place="aihwkit",
        )
    return size


def _quantiser(values: Document, side: str) -> Quantiser:
    bound, resolution = number(values, f"{side}_bound"), number(values, f"{side}_res")
    # Resolutions above 1 count the steps.
    share = 1.0 / resolution if resolution > 1 else max(resolution, 0.0)
    return Quantiser(bound, 2.0 * bound * share, bool(values[f"{side}_sto_round"]))


def export_read(parameters: ReadParameters) -> dict[str, object]:
    """aihwkit's IOParameters that do what read parameters say, with every field.

    Raises `InputError` for what aihwkit has no field for: its own IR drop is another model, so
    give parameters `without_ir_drop`.
    """
    if parameters == ReadParameters():
        return {**_DEFAULTS, "is_perfect": True}
    if parameters.ir_drop is not None or parameters.serial_bits:
        what = "wire resistance" if parameters.ir_drop is not None else "bit-serial inputs"
        raise InputError(
            f"aihwkit has no field for {what} as archsim computes it",
            place="aihwkit",
            remedy="Export the parameters without.",
        )
    noise, bound = parameters.noise_management, parameters.bound_management
    scale = {"constant": parameters.constant_scale, "abs_max": parameters.largest_scale}.get(noise)
    return {
        **_DEFAULTS,
        **_converter("inp", parameters.dac),
        **_converter("out", parameters.adc),
        "inp_noise": parameters.input_noise,
        "out_noise": parameters.output_noise,
        "w_noise": parameters.weight_noise,
        "w_noise_type": "ADDITIVE_CONSTANT" if parameters.weight_noise > 0 else "NONE",
        "noise_management": next(key for key, value in _NOISE.items() if value == noise),
        "bound_management": next(key for key, value in _BOUND.items() if value == bound),
        "max_bm_factor": parameters.largest_division,
        "max_bm_res": parameters.coarsest_resolution,
        "nm_thres": scale if scale is not None and math.isfinite(scale) else 0.0,
    }


def _converter(side: str, quantiser: Quantiser) -> dict[str, object]:
    if not math.isfinite(quantiser.bound):
        raise InputError(
            f"the {side}ut converter has no bound, but aihwkit asks for one",
            place="aihwkit",
            remedy="Give it a finite bound.",
        )
    resolution = quantiser.step / (2.0 * quantiser.bound) if quantiser.step > 0 else -1.0
    return {
        f"{side}_bound": quantiser.bound,
        f"{side}_res": resolution,
        f"{side}_sto_round": quantiser.stochastic,
    }

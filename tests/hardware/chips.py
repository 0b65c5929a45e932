"""Chips that together use every kind of circuit, as changes to `protonic_256`."""

from __future__ import annotations

from typing import Any

from archsim.architecture import Architecture
from archsim.config.files import names_in
from archsim.config.loading import load
from archsim.config.overriding import override
from archsim.fields import Component
from archsim.resources import data_folder

CONFIGS = data_folder("arch_configs")
PROTONIC = load("protonic_256", Architecture, CONFIGS)

ACCESS = {
    "array.access": {"extends": "access/transistor_10v"},
    "array.line_map.gate": "column",
    "array.line_map.floating_in_update": "none",
    "update.select": "access_transistor",
}


def _extends(path: str, folder: str) -> dict[str, dict[str, Any]]:
    """One chip for each library file of a folder."""
    return {
        f"{folder}/{name}": {path: {"extends": f"{folder}/{name}"}}
        for name in names_in(CONFIGS / folder)
    }


CHANGES: dict[str, dict[str, Any]] = {
    "as shipped": {},
    **_extends("adc", "adcs"),
    "drivers/isaac_1bit": {
        "read.encoding": "bit_serial",
        "periphery.input_driver": {"extends": "drivers/isaac_1bit"},
    },
    "drivers/brahms_dac": {
        "read.encoding": "amplitude",
        "read.time_step": "80 ns",
        "periphery.input_driver": {"extends": "drivers/brahms_dac"},
    },
    **_extends("periphery.supply", "supplies"),
    **_extends("chip.power_gating", "power_gating"),
    "thirds": {"update.select": "third"},
    "access transistors": ACCESS,
    "transimpedance": {
        "periphery.sensing": {
            "kind": "transimpedance",
            "area": "200 um^2",
            "supply": "0.8 V",
            "gm_per_current": "15 1/V",
            "settling_bits": 9,
        }
    },
    "wide registers": {"periphery.registers": {"output_bits": 16}},
    "no registers": {"periphery.registers": None},
    "digital tables": {
        "vector_unit.lane_area": None,
        "vector_unit.lane": {"precision": "fp16", "node": "22 nm", "registers": 32},
        "vector_unit.cycles": {"extends": "cycles/fp16"},
        "matrix_unit.mac_energy": None,
        "matrix_unit.mac_area": None,
        "matrix_unit.mac": {"product": "bf16", "sum": "fp32", "node": "22 nm"},
    },
    "spare lines": {"array.spare_rows": 8, "array.spare_cols": 4},
    "current drive": {
        "device.drive": {
            "kind": "current",
            "energy": "1 fJ",
            "area": "0.5 um^2",
            "residual_asymmetry": 0.1,
        }
    },
    "shared sides": {"periphery.sides": "shared"},
    "sequential": {
        "schedule.mode": "sequential",
        "chip.power_gating": {"extends": "power_gating/idle_arrays"},
    },
}


def chip(name: str, **more: Any) -> Architecture:
    """The architecture of that name in `CHANGES`; `a__b=1` sets `a.b` as well."""
    extra = {path.replace("__", "."): value for path, value in more.items()}
    return override(PROTONIC, {**CHANGES[name], **extra}).value


def scaled(component: Any, factor: float) -> Any:
    """The component with every number that need not be whole times `factor`, unvalidated."""
    update: dict[str, Any] = {}
    for name in type(component).model_fields:
        value = getattr(component, name)
        if isinstance(value, Component):
            update[name] = scaled(value, factor)
        elif isinstance(value, float) and not value.is_integer():
            update[name] = value * factor
    return component.model_copy(update=update)

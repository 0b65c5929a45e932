"""Fields of the device classes of aihwkit 1.2.0, their defaults, and which change nothing here."""

from __future__ import annotations

from collections.abc import Mapping

from archsim.tile_kernel.aihwkit.document import Document

# Presets of aihwkit and the device class that each is made of.
PRESETS: Mapping[str, str] = {
    "CapacitorPresetDevice": "LinearStepDevice",
    "EcRamPresetDevice": "LinearStepDevice",
    "EcRamMOPresetDevice": "LinearStepDevice",
    "GokmenVlasovPresetDevice": "ConstantStepDevice",
    "IdealizedPresetDevice": "ConstantStepDevice",
    "PCMPresetDevice": "ExpStepDevice",
    "ReRamESPresetDevice": "ExpStepDevice",
    "ReRamSBPresetDevice": "SoftBoundsReferenceDevice",
    "ReRamArrayOMPresetDevice": "SoftBoundsReferenceDevice",
    "ReRamArrayHfO2PresetDevice": "SoftBoundsReferenceDevice",
}
# Fields of all pulsed devices, with aihwkit's defaults.
COMMON: Document = {
    "dw_min": 0.001,
    "dw_min_dtod": 0.3,
    "dw_min_dtod_log_normal": False,
    "dw_min_std": 0.3,
    "up_down": 0.0,
    "up_down_dtod": 0.01,
    "w_max": 0.6,
    "w_max_dtod": 0.3,
    "w_min": -0.6,
    "w_min_dtod": 0.3,
    "corrupt_devices_prob": 0.0,
    "diffusion": 0.0,
    "lifetime": 0.0,
    "perfect_bias": False,
}
# Fields that move no weight while the active ones are neutral: bookkeeping, and what happens when
# a device is reset or set by hand.
INERT = frozenset(
    [
        "apply_write_noise_on_set",
        "construction_seed",
        "corrupt_devices_range",
        "count_pulses",
        "diffusion_dtod",
        "drift",
        "enforce_consistency",
        "lifetime_dtod",
        "reset",
        "reset_dtod",
        "reset_std",
        "reverse_offset",
    ]
)
_WRITE_NOISE: Document = {"write_noise_std": 0.0}
OWN: Mapping[str, Document] = {
    "ConstantStepDevice": {},
    "LinearStepDevice": {
        **_WRITE_NOISE,
        "gamma_up": 0.0,
        "gamma_down": 0.0,
        "gamma_up_dtod": 0.05,
        "gamma_down_dtod": 0.05,
        "allow_increasing": False,
        "mean_bound_reference": True,
        "mult_noise": True,
        "reverse_up": False,
        "reverse_down": False,
    },
    "SoftBoundsDevice": {
        **_WRITE_NOISE,
        "mult_noise": True,
        "reverse_up": False,
        "reverse_down": False,
    },
    "SoftBoundsReferenceDevice": {
        **_WRITE_NOISE,
        "mult_noise": False,
        "slope_up_dtod": 0.0,
        "slope_down_dtod": 0.0,
        "reference_mean": 0.0,
        "reference_std": 0.0,
        "subtract_symmetry_point": False,
    },
    "PowStepDevice": {
        **_WRITE_NOISE,
        "pow_gamma": 1.0,
        "pow_gamma_dtod": 0.1,
        "pow_up_down": 0.0,
        "pow_up_down_dtod": 0.0,
    },
    "ExpStepDevice": {
        **_WRITE_NOISE,
        "A_up": 0.00081,
        "A_down": 0.36833,
        "gamma_up": 12.44625,
        "gamma_down": 12.78785,
        "a": 0.244,
        "b": 0.2425,
        "dw_min_std_add": 0.0,
        "dw_min_std_slope": 0.0,
    },
}
# Values at which what is not modelled changes nothing.
NEUTRAL: Document = {
    "corrupt_devices_prob": 0.0,
    "diffusion": 0.0,
    "lifetime": 0.0,
    "perfect_bias": False,
    "dw_min_dtod_log_normal": False,
    "gamma_up_dtod": 0.0,
    "gamma_down_dtod": 0.0,
    "allow_increasing": False,
    "mean_bound_reference": True,
    "reverse_up": False,
    "reverse_down": False,
    "slope_up_dtod": 0.0,
    "slope_down_dtod": 0.0,
    "reference_mean": 0.0,
    "reference_std": 0.0,
    "subtract_symmetry_point": False,
    "pow_gamma_dtod": 0.0,
    "pow_up_down": 0.0,
    "pow_up_down_dtod": 0.0,
    "dw_min_std_add": 0.0,
    "dw_min_std_slope": 0.0,
}

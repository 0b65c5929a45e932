"""The contract of `result.json` as a JSON Schema (draft 2020-12).

Version 1.  Additions are allowed everywhere; a key keeps its meaning within a version.  All
quantities are SI and carry their unit in their name.
"""

from __future__ import annotations

from typing import Any, Final

SCHEMA_VERSION: Final = 1

_Schema = dict[str, Any]

LAYER_PHASES: Final = (
    "forward",
    "input_gradient",
    "update",
    "digital",
    "transfer",
    "static",
)


def result_schema() -> dict[str, Any]:
    """The JSON Schema of a result."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archsim result",
        "description": "Cost of one training step on an accelerator, against a GPU.",
        **_object(
            ("limits", {"type": "array", "items": _limit()}),
            ("cycle", _or_null(_cycle())),
            ("evaluation", _or_null(_evaluation())),
            schema_version={"const": SCHEMA_VERSION},
            archsim_version=_text("Version of archsim that wrote the result."),
            created=_text("Date and time, ISO 8601."),
            seed={"type": ["integer", "null"]},
            command=_text("Command line that gives the result again; paths are relative."),
            workload=_workload(),
            architecture=_architecture(),
            accelerator=_accelerator(),
            baseline={"anyOf": [{"type": "null"}, _baseline()]},
            ratios={"anyOf": [{"type": "null"}, _object(speedup=_ratio(), energy_ratio=_ratio())]},
            fidelity=_object(
                ("difference", _or_null(_difference())),
                ("other_step_energy_j", _or_null(_amount("Energy of a step by the other."))),
                mode={"enum": ["analytic", "cycle"]},
                other_mode={"enum": ["analytic", "cycle", None]},
                other_step_latency_s=_or_null(_amount("Step time by the other fidelity.")),
            ),
            accuracy={"type": ["object", "null"]},
            layers={"type": "array", "items": _layer()},
            assumptions={"type": "array", "items": _assumption()},
            warnings={"type": "array", "items": _warning()},
        ),
    }


def _workload() -> _Schema:
    return _object(
        ("notes", {"type": "array", "description": "What was found in the file."}),
        name=_text("Name of the network."),
        onnx_sha256=_text("Hash of the ONNX file."),
        batch=_count("Samples in a step.", minimum=1),
        parameters=_count("Learned elements, ties once."),
        analog_parameters=_count("Of these, on arrays."),
        forward_macs=_count("Multiply-accumulates of one sample's forward pass."),
        training_macs=_count("Multiply-accumulates of one sample's training step."),
        saved_activation_bytes=_amount(
            "Bytes of one sample that PyTorch keeps for its backward pass."
        ),
    )


def _architecture() -> _Schema:
    return _object(
        ("description", _text("What the architecture is, in a sentence.")),
        ("schedule", {"type": "object", "description": "Mode, update, normalisation, segments."}),
        ("system", _system()),
        ("rounds", _rounds()),
        ("packing", _packing()),
        ("arrays_by_role", _map("Arrays in use by what the update algorithm uses them for.")),
        name=_text("Name of the architecture."),
        sha256=_text("Hash of the resolved configuration."),
        device=_text("Name of the device."),
        algorithm=_text("Update algorithm."),
        arrays_used=_count("Arrays that hold weights."),
        arrays_available=_or_null(_count("Arrays on all chips; null if unlimited.")),
        chips=_count("Chips.", minimum=1),
        replication={"description": "Policy, synchronisation, and copies by weight matrix."},
    )


def _system() -> _Schema:
    return _object(
        link=_text("Name of the link between neighbouring chips."),
        links=_count("Links, one direction each."),
        link_bytes=_amount("Bytes that all links carry in a step."),
        busiest_link_bytes=_amount("Bytes that the busiest link carries in a step."),
        cut_matrices=_count("Weight matrices that lie on several chips."),
        chips_of={"type": "object", "description": "First and last chip of each weight matrix."},
    )


def _rounds() -> _Schema:
    return _object(
        rounds=_count("Rounds in which weights come to the arrays.", minimum=2),
        writing_s=_amount("Time of a step in which weights are written and read back."),
        most_writes=_count("How often the weights of a matrix are written in a step, at most."),
        dram_bytes=_amount("DRAM kept for weights that leave the arrays."),
        round_of={
            "type": "object",
            "description": "Round of each weight matrix; null for one that is there in all.",
        },
    )


def _packing() -> _Schema:
    return _object(
        arrays_saved=_count("Arrays fewer than if every weight matrix had its own."),
        shared={
            "type": "array",
            "description": "Weight matrices of each array that holds several.",
        },
    )


def _accelerator() -> _Schema:
    shares = {"minimum": 0, "maximum": 1}
    return _object(
        ("area_by_component_m2", _map("Area by component; the sum is area_m2.")),
        ("power_density_w_per_m2", _amount("Average power over area.")),
        ("latency_by_resource_s", _map("Busy time of each resource in a step.")),
        ("saved_activation_bytes_on_chip", _amount("Saved activations that fit on the chip.")),
        ("saved_activation_bytes_spilled", _amount("Saved activations in off-chip memory.")),
        ("critical", _text("What limits the step, in a short sentence.")),
        ("update", {"type": "object", "description": "Energy of a step's updates by component."}),
        ("algorithm", _algorithm()),
        ("latency_by_limit_s", _map("Step time by what limits it; the sum is step_latency_s.")),
        ("cell_utilisation", {"type": "number", **shares}),
        ("adc_energy_j", _map("Energy of the converters, at each point of the published spread.")),
        ("programming", _map("What writing all weights and setting references takes, once.")),
        ("tile_power_w", _map("Power of a tile whose arrays all do the same at once.")),
        ("tile_power_density_w_per_m2", _amount("The largest of these over a tile's area.")),
        ("read", _map("Integration, conversion and interval of a read of a full array.")),
        step_latency_s=_amount("Time of a step."),
        samples_per_s=_amount("Throughput."),
        step_energy_j=_amount("Energy of a step."),
        energy_per_sample_j=_amount("Energy of a sample."),
        average_power_w=_amount("Energy over time."),
        area_m2=_amount("Area of all chips."),
        latency_by_phase_s=_map("Time by phase."),
        energy_by_phase_j=_map("Energy by phase; the sum is step_energy_j."),
        energy_by_component_j=_map("Energy by component; the sum is step_energy_j."),
        array_utilisation={"type": "number", **shares},
        bottleneck={"type": ["string", "object", "null"]},
        staleness_samples=_amount("Samples that read weights before an earlier one's update."),
        retention=_or_null(
            _object(
                drift_per_step=_amount("Relative change of an untouched weight in a step."),
                drift_per_run=_amount("The same over a training run of 450,000 steps."),
            )
        ),
        endurance=_object(
            pulses_per_device_per_step=_or_null(_amount("Pulses of a device in a step.")),
            steps_to_wear_out=_or_null(_amount("Steps until the demonstrated pulses are used up.")),
        ),
    )


def _algorithm() -> _Schema:
    wear = {"type": "object", "additionalProperties": _or_null(_amount("Steps of that array."))}
    return _object(
        kind=_text("Update algorithm."),
        state_bytes=_amount("Digital state of the update algorithm."),
        state_bytes_off_chip=_amount("Of these, in DRAM."),
        state_area_m2=_amount("Area of the state in a memory like the activation buffer."),
        array_area_m2=_amount("Area of the arrays of a chip with their periphery."),
        pulses_per_step_by_role=_map("Most pulses of a device in a step, by role of its array."),
        steps_to_wear_out_by_role=wear,
    )


def _baseline() -> _Schema:
    return _object(
        ("optimizer", _text("Optimizer of the step.")),
        ("calibrated", {"type": "boolean", "description": "Fitted on measured throughput?"}),
        ("notes", {"type": "array", "items": {"type": "string"}}),
        ("usual_optimizer", {"type": ["object", "null"]}),
        ("average_power_w", _amount("Energy over time.")),
        ("usable_memory_bytes", _amount("Memory that tensors can have.")),
        ("fits", {"type": "boolean", "description": "Does the batch asked for fit?"}),
        ("compared", {"enum": ["asked", "best_batch"], "description": "Batch of the ratios."}),
        ("largest_batch", _count("The largest batch that fits.")),
        gpu=_text("Name of the GPU."),
        precision=_text("Number format of the matrix products."),
        batch=_count("Samples in a step.", minimum=1),
        step_latency_s=_amount("Time of a step."),
        samples_per_s=_amount("Throughput."),
        step_energy_j=_amount("Energy of a step."),
        memory_bytes=_amount("Memory needed."),
        mfu=_or_null(_amount("Share of the peak rate that is reached.")),
        best_batch={"type": ["object", "null"], "description": "The batch best for the GPU."},
    )


def _layer() -> _Schema:
    return _object(
        ("op_type", _text("Operator type in the file.")),
        ("matrix", {"type": ["string", "null"]}),
        ("reason", _text("Why it runs there.")),
        ("busy", {"type": "number", "minimum": 0, "maximum": 1}),
        ("chip", _count("First of the chips that it is on, from 0, if there are several.")),
        name=_text("Node of the network, or what the row is about."),
        kind=_text("Kind of operator."),
        phase={"enum": list(LAYER_PHASES)},
        where=_text("arrays, vector unit, matrix unit, memory, mesh or chip."),
        arrays=_or_null(_count("Arrays of one copy times copies.")),
        copies=_or_null(_count("Copies of the matrix.")),
        vectors=_or_null(_amount("Vectors that one sample sends through the matrix.")),
        latency_s=_amount("Busy time in a step."),
        energy_j=_amount("Energy in a step."),
        utilisation=_or_null(_amount("Share of the cells that hold weights.")),
    )


def _limit() -> _Schema:
    unit = "in units of weight 1 times input 1, one sigma."
    return _object(
        ("device_noise", _amount(f"Johnson noise of the devices, {unit}")),
        ("integrator_noise", _amount(f"Reset noise of the integrator, {unit}")),
        ("converter_noise", _amount(f"Quantisation of the converter, {unit}")),
        ("ir_drop_farthest", _amount("Share that the output farthest from the drivers loses.")),
        matrix=_text("Name of the weight matrix."),
        rows=_amount("Rows that it uses of its fullest array."),
        cols=_amount("Physical columns that it uses of its fullest array."),
        read_noise=_amount(f"Noise of a read, {unit}"),
        ir_drop=_amount("Mean share of the output lost in the wires at full input."),
        settling_read=_amount("RC delay of a line over the time of a read."),
        settling_update=_amount("RC delay of a line over the width of a pulse."),
        far_step=_amount("Step of the device at the far ends of its lines over the near ones'."),
        half_selects_per_pulse=_or_null(_amount("Half-selected slots per wanted pulse.")),
        disturb_per_pulse=_or_null(_amount("Unasked steps per wanted pulse.")),
        pulses_per_device_per_step=_or_null(_amount("Pulses of a device in a step.")),
        steps_to_wear_out=_or_null(_amount("Steps until the demonstrated pulses are used up.")),
    )


def _evaluation() -> _Schema:
    shares = {"minimum": 0, "maximum": 1}
    return _object(
        ("bottleneck_busy", {"type": "number", **shares}),
        ("samples_in_flight", _or_null(_count("Samples on their way at once.", minimum=1))),
        latency_s=_amount("Time of one sample's forward pass, alone."),
        samples_per_s=_amount("Forward passes per second, one sample after the other."),
        energy_per_sample_j=_amount("Energy of one sample's forward pass, static energy included."),
        bottleneck=_text("The resource that sets the pace."),
    )


def _difference() -> _Schema:
    space = "Time of it that goes back to space in the activation buffer for what waits in queues."
    return _object(
        ("buffer_space_s", _amount(space)),
        (
            "by_component_j",
            {
                "type": "object",
                "description": "Cycle less analytic energy of a step, of components that differ.",
                "additionalProperties": {"type": "number"},
            },
        ),
        relative=_number("Step time by the cycle fidelity over that by the analytic one, less 1."),
        by_limit_s={
            "type": "object",
            "description": "Cycle less analytic time by what limits; the sum is the difference.",
            "additionalProperties": {"type": "number"},
        },
        resource=_or_null(_text("Where most of the difference is; null if there is none.")),
        explanation=_text("The same in a sentence."),
    )


def _cycle() -> _Schema:
    path = _object(
        steps=_count("Steps of the critical path."),
        waited_for_s=_map(
            "Its time by what the next step waited for; the sum is the step without recalibration."
        ),
        queues_s=_map("Its time for which the next step queued, by resource, longest first."),
        tasks={"type": "array", "items": _task_on_path()},
        first={"type": "array", "items": _path_step()},
        longest={"type": "array", "items": _path_step()},
    )
    stalls = _object(
        resource=_text("The resource of highest utilisation."),
        utilisation={"type": "number", "minimum": 0, "maximum": 1},
        seconds=_map(
            "What it does meanwhile: works, or waits for what; the sum is the step without recalibration."
        ),
    )
    return _object(
        ("mesh", _mesh()),
        ("utilisation", _utilisation()),
        (
            "copies_tried",
            _count("Choices of copies simulated, of which the fastest is reported.", minimum=1),
        ),
        (
            "activation_buffer",
            _map("Most bytes that wait in queues at once, room for them, shares that spill."),
        ),
        tick_s=_amount("Seconds of a tick, in which the schedule counts."),
        tasks=_count("Tasks of all samples."),
        samples_in_flight=_or_null(_count("Samples on their way at once, at most.", minimum=1)),
        stalls=stalls,
        critical_path=path,
    )


def _utilisation() -> _Schema:
    links = _object(
        busiest=_map("The busiest links of the mesh, by name."),
        others=_count("Further links that carry data."),
        others_mean=_amount("Their mean utilisation."),
    )
    return _object(
        units=_map(
            "Busy share of the schedule of each unit, memory, power cap and link of a chip."
        ),
        arrays=_map("The same of the arrays of each weight matrix."),
        mesh_links={**_or_null(links), "description": "Null where data travel a mean distance."},
    )


def _mesh() -> _Schema:
    bit_hops = "Bits times hops of one sample"
    distance = _object(
        mean_hops=_amount("Mean distance of two tiles."),
        bit_hops_per_sample=_amount(f"{bit_hops}."),
        energy_per_sample_j=_amount("Energy of the mesh for one sample."),
    )
    link = _object(
        link=_text("The tiles that it joins, 'mesh:x,y->x,y'."),
        utilisation={"type": "number", "minimum": 0, "maximum": 1},
        bits_per_sample=_amount("Bits of one sample that it carries."),
        tasks=_map("Of these, bits of the tasks that send most over it."),
    )
    tile = _object(
        x=_count("Column of the mesh."),
        y=_count("Row of the mesh."),
        arrays=_map("Arrays that it holds of each weight matrix, in rounds one after the other."),
    )
    return _object(
        ("side", _count("Tiles along a side.", minimum=1)),
        ("tiles_used", _count("Tiles that hold weights.")),
        (
            "copies_bit_hops_per_sample",
            _object(
                snake=_amount(f"{bit_hops} between copies that exchange data, along the snake."),
                placed=_amount("The same as placed."),
            ),
        ),
        ("mean_hops", _amount("Mean distance of copies, weighted by the data they exchange.")),
        ("bit_hops_per_sample", _amount(f"{bit_hops} on all links of its routes.")),
        ("energy_per_sample_j", _amount("Energy of the mesh for one sample.")),
        ("mean_distance", {**distance, "description": "What the analytic estimate takes."}),
        ("links", {"type": "object", "description": "Links of the mesh, and how many matter."}),
        ("busiest", {"type": "array", "items": link}),
        ("tiles", _or_null({"type": "array", "items": tile})),
        placement={
            "enum": ["snake", "improved", None],
            "description": "Rule of placement; null if data travel a mean distance.",
        },
    )


def _task_on_path() -> _Schema:
    return _object(
        task=_text("Name of the task."),
        steps=_count("How often it is on the critical path."),
        seconds=_amount("Its time there."),
    )


def _path_step() -> _Schema:
    return _object(
        task=_text("Name of the task."),
        sample=_or_null(_count("Its sample; null if it happens once for all.")),
        begin_s=_amount("Begin, from the start of the step."),
        seconds=_amount("How long it is on the path."),
        by=_or_null(_text("The resource that works; null for the task's own time.")),
        waited_for={"enum": ["start", "input", "buffer", "unit", "link", "power"]},
        through=_or_null(_text("The resource or buffer that it waited for.")),
    )


def _number(description: str) -> _Schema:
    return {"type": "number", "description": description}


def _assumption() -> _Schema:
    return _object(
        ("note", _text("Remark.")),
        path=_text("Dotted path of the setting."),
        value={"description": "The value that was used."},
        source=_text("Keys of the bibliography, 'measured' (by archsim) or 'assumed'."),
    )


def _warning() -> _Schema:
    return _object(
        code=_text("Stable code of the warning."),
        message=_text("A readable sentence."),
        layer={"type": ["string", "null"], "description": "The layer it is about, if one."},
    )


def _ratio() -> _Schema:
    number = {"type": ["number", "null"], "exclusiveMinimum": 0}
    return _object(value=number, low=number, high=number)


def _object(*optional: tuple[str, _Schema], **required: _Schema) -> _Schema:
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **dict(optional)},
        "additionalProperties": True,
    }


def _map(description: str) -> _Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": {"type": "number", "minimum": 0},
    }


def _amount(description: str) -> _Schema:
    return {"type": "number", "minimum": 0, "description": description}


def _count(description: str, minimum: int = 0) -> _Schema:
    return {"type": "integer", "minimum": minimum, "description": description}


def _text(description: str) -> _Schema:
    return {"type": "string", "description": description}


def _or_null(schema: _Schema) -> _Schema:
    return {"anyOf": [schema, {"type": "null"}]}

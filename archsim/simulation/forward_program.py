"""The forward pass of a training step as a program of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from archsim.simulation.image_rows import ImageRows
from archsim.simulation.program import IntArray, Products, Program, SavedTable
from archsim.workload.training import TaskKind


def forward_part(program: Program) -> tuple[Program, IntArray]:
    """The forward tasks of one sample, and the number of each task in `program`, [T].

    Those that run again in the backward pass come once.  Nothing is saved, and nothing is a barrier:
    normalisations use stored statistics.  The tasks that close a step are there, since matrices have
    one each; a forward pass does not do them.
    """
    chosen = np.concatenate([_first_reads(program), program.closing])
    number = np.full(program.size, -1, dtype=np.intp)
    number[chosen] = np.arange(chosen.size)
    edges = np.flatnonzero((number[program.edge_from] >= 0) & (number[program.edge_to] >= 0))
    names = chosen.tolist()
    part = replace(
        program,
        names=tuple(program.names[t] for t in names),
        ops=tuple(program.ops[t] for t in names),
        kind=tuple(program.kind[t] for t in names),
        op_kind=tuple(program.op_kind[t] for t in names),
        matrix=program.matrix[chosen],
        transposed=program.transposed[chosen],
        vectors=program.vectors[chosen],
        serial_steps=program.serial_steps[chosen],
        input_signs=program.input_signs[chosen],
        work=program.work[chosen],
        moved_elements=program.moved_elements[chosen],
        parameter_elements=program.parameter_elements[chosen],
        input_elements=program.input_elements[chosen],
        output_elements=program.output_elements[chosen],
        host_elements=program.host_elements[chosen],
        barrier=np.zeros(chosen.size, dtype=bool),
        per_step=program.per_step[chosen],
        edge_from=number[program.edge_from[edges]],
        edge_to=number[program.edge_to[edges]],
        edge_data=program.edge_data[edges],
        products=_products(program.products, number),
        saved=_NOTHING_SAVED,
        errors_stored=np.zeros(chosen.size),
        image=ImageRows(program.image.rows[chosen], program.image.reach[edges]),
    )
    return part, chosen


def _first_reads(program: Program) -> IntArray:
    """Forward tasks of every sample, without those that run again in the backward pass."""
    found: dict[str, int] = {}
    for task in program.select(TaskKind.FORWARD).tolist():
        if not program.per_step[task]:
            found.setdefault(program.ops[task], task)
    return np.array(list(found.values()), dtype=np.intp)


def _products(products: Products, number: IntArray) -> Products:
    """Those of tasks that have a new `number` [T] (-1: none)."""
    kept = np.flatnonzero(number[products.task] >= 0)
    return Products(
        task=number[products.task[kept]],
        count=products.count[kept],
        m=products.m[kept],
        k=products.k[kept],
        n=products.n[kept],
    )


_NO_TASKS = np.zeros(0, dtype=np.intp)
_NOTHING_SAVED = SavedTable(
    writer=_NO_TASKS,
    reader=_NO_TASKS,
    use_of=_NO_TASKS,
    use_by=_NO_TASKS,
    values=np.zeros(0),
    fixed_bits=np.zeros(0),
)

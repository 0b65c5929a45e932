"""Words of the report that a reader from a neighbouring field may not know."""

from __future__ import annotations

GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "Step",
        "One training step: forward pass, backward pass and weight update of one minibatch.",
    ),
    (
        "Array",
        (
            "A crossbar of programmable resistors that holds part of a weight matrix and multiplies "
            "it by a vector where it is stored."
        ),
    ),
    ("Forward", "Reads of the arrays with the activations of a layer."),
    (
        "Input gradient",
        "Transposed reads of the same arrays with the error that comes back through the network.",
    ),
    (
        "Update",
        (
            "Outer product of input and error, written into all devices of an array by coincident "
            "pulses on its rows and columns."
        ),
    ),
    (
        "Digital",
        (
            "Everything on vector and matrix units: normalisation, activations, attention products, "
            "optimizer of the parameters that are not on arrays."
        ),
    ),
    (
        "Transfer",
        (
            "Movement of data between arrays, buffers and off-chip memory, and of weights between "
            "the arrays of one layer."
        ),
    ),
    ("Static", "Leakage and bias power of everything that is switched on, over the whole step."),
    (
        "Copies",
        (
            "Arrays that hold the same weights to work on different vectors at once; keeping them "
            "equal is part of the cost."
        ),
    ),
    (
        "Vectors",
        "Input vectors that one sample sends through a layer's matrix; a step has a batch of samples.",
    ),
    (
        "Utilisation",
        "Share of the cells of a layer's arrays that hold weights.",
    ),
    (
        "Staleness",
        "Samples that read weights before an update that they would see if processed in order.",
    ),
    ("Calibrated", "Efficiency parameters of the GPU model were fitted on measured throughput."),
)

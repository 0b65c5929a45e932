"""Training latency, energy and area of neural networks on protonic-resistor crossbars."""

__version__ = "0.1.0"

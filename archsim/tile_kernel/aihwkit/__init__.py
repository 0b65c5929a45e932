"""Exchange of parameters with IBM's Analog Hardware Acceleration Kit, as dictionaries or JSON.

Nothing here imports that package.  Fields and defaults are those of its version 1.2.0.
"""

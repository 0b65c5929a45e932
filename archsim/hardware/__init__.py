"""What a piece of hardware costs: devices, arrays, converters, digital units, memories, mesh."""

"""What an update rule asks of the arrays: operations, extra arrays, digital state."""

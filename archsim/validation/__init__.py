"""Published results against estimates, without fitting a case."""

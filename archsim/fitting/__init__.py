"""From a measured potentiation/depression curve to the response of a device."""

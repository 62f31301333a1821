"""The benchmarks: costs of a pass and of the listener, compared with bare programs that do only what is necessary."""

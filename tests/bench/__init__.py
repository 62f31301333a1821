"""The bench: what a pass and the listener cost, beside bare programs that do only what is necessary."""

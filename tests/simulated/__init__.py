"""Histories of several machines in simulated time: thousands, where real processes allow for dozens.

The leases and the fence are the product's own; simulated are the engine (below tooz), the clock, and who writes.
"""

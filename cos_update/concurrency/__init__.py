"""Waiting that ends: calls with a deadline, whatever happens to the thread that makes them."""

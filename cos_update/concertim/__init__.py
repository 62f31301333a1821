"""Concertim's REST API: the client, and the codec between its JSON and the model.

The only package that talks to Concertim; what it should show is decided elsewhere.
"""

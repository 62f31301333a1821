"""Concertim's REST API: the client and the codec between its JSON and the model."""

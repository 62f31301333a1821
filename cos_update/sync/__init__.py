"""Reconciliation: reads both sides, posts the plan, saves the view, pass after pass."""

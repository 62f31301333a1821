"""Calls with deadlines, and the limit on open files."""

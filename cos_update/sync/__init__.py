"""Acting: both sides read, the plan carried out, and the view kept; pass after pass."""

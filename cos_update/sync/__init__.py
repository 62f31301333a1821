"""What acts: both sides read, the plan posted, the view kept; pass after pass."""

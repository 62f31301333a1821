"""cos-update keeps Concertim's racks and devices true to an OpenStack cloud."""

__version__ = "0.2.0"

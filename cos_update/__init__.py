"""cos-update keeps Concertim's racks and devices in sync with an OpenStack cloud."""

__version__ = "0.2.0"

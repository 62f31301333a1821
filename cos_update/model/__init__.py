"""The data types that all packages share: OpenStack's objects (`openstack`), Concertim's (`concertim`), and settings.

Frozen, slotted dataclasses with no behaviour beyond their own fields. Mappings and lists in them are read-only by
convention.
"""

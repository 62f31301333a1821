"""The words that all rooms share: what OpenStack holds (`openstack`), what Concertim shows (`concertim`), and settings.

Frozen, slotted dataclasses without behaviour beyond what follows from their own fields. Mappings and lists inside
them are read-only by convention.
"""

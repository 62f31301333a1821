"""The two vocabularies: what OpenStack holds (`cloud`) and what Concertim shows (`racks`).

Frozen, slotted dataclasses without behaviour beyond what follows from their own fields. Mappings and lists inside
them are read-only by convention.
"""

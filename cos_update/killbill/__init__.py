"""Killbill, which knows the order ids that racks are billed by."""

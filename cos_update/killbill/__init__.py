"""Killbill, as far as it knows the orders by which racks are billed."""

"""Several machines, one set of racks: which machine may post what, agreed through tooz."""

"""Several machines, one set of racks: which of them may post what, agreed on through tooz."""

"""Reading the cloud: sessions, raw paged listings, and an inventory that records which listings are incomplete."""

"""Reading the cloud: sessions, raw paged reads, and the inventory that says of each listing whether it is whole."""

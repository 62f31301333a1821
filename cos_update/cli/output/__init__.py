"""What is printed: tables, plans, rack diagrams and progress, for terminals and pipes."""

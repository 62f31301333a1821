"""Output for terminals and pipes: tables, plans, rack diagrams and progress."""

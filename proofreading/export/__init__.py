"""What leaves the session: edits to the graph, exactly once, and tables of decisions."""

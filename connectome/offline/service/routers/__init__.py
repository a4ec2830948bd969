"""One module per CAVE service; each gives its `ROUTES`."""

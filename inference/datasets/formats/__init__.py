"""Data sets of others, read and written: operation banks, ConnectomeBench files, cube splits."""

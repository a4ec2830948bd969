"""The fault campaign: edits under every fault and kill -9, and a count of what went wrong."""

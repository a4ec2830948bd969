"""The ledger: what happened in a session, append-only, and the state that it adds up to."""

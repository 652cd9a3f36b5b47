"""The imperative shell: it sees, asks the domain, and does what the domain says."""

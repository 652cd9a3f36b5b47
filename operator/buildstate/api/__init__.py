"""What the cluster sees of a build: the contract, its schema, the way to the domain and back."""

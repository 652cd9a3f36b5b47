"""How fast the operator is, beside the floor: a script that only makes the same Pods."""

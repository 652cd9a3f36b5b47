"""The rules of a build, pure: no clock, no chance, no input or output, nothing but the language."""

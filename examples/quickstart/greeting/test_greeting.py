"""The tests of the greeting."""

import unittest

from greeting import greet


class GreetingTest(unittest.TestCase):
    """Greets somebody, and nobody else."""

    def test_greets_by_name(self) -> None:
        """A name is greeted, without the space around it."""
        self.assertEqual("Hello, Kubernetes!", greet(" Kubernetes "))

    def test_does_not_greet_nobody(self) -> None:
        """No name is an error."""
        with self.assertRaises(ValueError):
            greet("  ")

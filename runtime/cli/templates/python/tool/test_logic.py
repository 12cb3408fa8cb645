import unittest

from logic import greet
from pawl.failure import Failure


class Greeting(unittest.TestCase):
    def test_whoever_has_a_name_is_greeted(self):
        self.assertEqual(greet({"name": "Ada"}, None), {"text": "Good morning, Ada."})
        with self.assertRaises(Failure) as raised:
            greet({"name": " "}, None)
        self.assertEqual(raised.exception.kind, "permanent")

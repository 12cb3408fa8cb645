import unittest

from logic import title


class Title(unittest.TestCase):
    def test_the_question_names_item_and_amount(self):
        self.assertEqual(title({"item": "desk lamp", "amount": 49.9}), "Refund 49.90 EUR for the desk lamp?")

"""The logic: plain functions that call nothing of the host, so that tests can run them."""


def title(order):
    """What a person is asked."""
    return f"Refund {order['amount']:.2f} EUR for the {order['item']}?"

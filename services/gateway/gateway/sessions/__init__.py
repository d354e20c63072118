"""Who a browser is: cookies, and the keys under which their values are stored."""

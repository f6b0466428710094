"""The few pages a person opens in a browser: signing in, the home page, lists. Reports are pages of their own room."""

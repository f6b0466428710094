"""The edge: what every request meets before the application and every answer on its way out."""

"""日提醒: a digest for every unit each working day, yellow and red cards, and calls about urgent work orders (measure 31)."""

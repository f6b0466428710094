"""督办: orders by phone, in writing, on site; proposed by rule or raised by a person, replied to, concluded (measure 31)."""

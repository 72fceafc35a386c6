"""How does one process offer its share of the load, exactly when it is due?"""

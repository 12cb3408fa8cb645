"""Write tools and agents for pawl in Python. As it was in the pawl that made this folder."""

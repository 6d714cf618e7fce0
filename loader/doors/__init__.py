"""The ways in. Each hands bytes or rows to intake and gives back its receipt."""

"""The pages: what arrived, what is stuck, what is late, and forms for people's own data."""

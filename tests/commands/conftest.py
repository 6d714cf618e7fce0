from tests.pages.desk import desk, desk_template

__all__ = ["desk", "desk_template"]

"""The signed objects, one module a family, each laid out by its dataclass."""

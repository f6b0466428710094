"""A column whose text is sealed at rest and plain in the program: what a caller said, what a person wrote."""

from sqlalchemy import Dialect, Text, TypeDecorator

from app.sealing import installed_sealer


class Sealed(TypeDecorator[str]):
    """Free text, sealed on its way in and opened on its way out; nothing can be searched in it, nor compared."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        """Return the sealed form."""
        return None if value is None else installed_sealer().seal(value)

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        """Return the text.

        Raises:
            SealError: it was changed, or its key is not given.
        """
        return None if value is None else installed_sealer().open(value)

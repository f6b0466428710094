"""The service's own errors: a stable English code, an HTTP status, a Chinese sentence a clerk understands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FieldFault:
    """One field's fault.

    Attributes:
        pointer: JSON pointer into the request body (`/enterprise/credit_code`), or `?name` for a query parameter.
        message: what is wrong and what would be right, in Chinese.
    """

    pointer: str
    message: str


class HotlineError(Exception):
    """Base of every refusal; `status` is the HTTP status it is answered with, `retry_after` the seconds to wait if known."""

    code = "internal"
    status = 500

    def __init__(
        self,
        message: str,
        *,
        faults: tuple[FieldFault, ...] = (),
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.faults = faults
        self.code = code or type(self).code
        self.retry_after = retry_after


class InvalidInputError(HotlineError):
    """The request cannot be understood or breaks a rule of its fields."""

    code = "invalid-input"
    status = 422


class UnauthenticatedError(HotlineError):
    """Nobody is signed in, or the token is not valid any more."""

    code = "unauthenticated"
    status = 401


class ForbiddenError(HotlineError):
    """The caller is known but may not do this."""

    code = "forbidden"
    status = 403


class NotFoundError(HotlineError):
    """There is no such thing, or the caller may not know whether there is."""

    code = "not-found"
    status = 404


class ConflictError(HotlineError):
    """The thing is in a state that does not allow this verb; the message says what is possible instead."""

    code = "conflict"
    status = 409


class PreconditionFailedError(HotlineError):
    """`If-Match` names a version that is not the present one."""

    code = "precondition-failed"
    status = 412


class UnavailableError(HotlineError):
    """What is needed for this is not there now; the rest of the service works."""

    code = "unavailable"
    status = 503


class TooLargeError(HotlineError):
    """The request body is over the limit."""

    code = "body-too-large"
    status = 413


class TooManyRequestsError(HotlineError):
    """Too many attempts; wait."""

    code = "too-many-requests"
    status = 429

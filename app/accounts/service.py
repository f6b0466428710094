"""Staff: opening, changing and closing accounts, and setting passwords. Whatever narrows an account ends its sessions."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import clock
from app.accounts import lockout, passwords, sessions
from app.accounts.access import Role
from app.accounts.tables import Staff
from app.errors import ConflictError, FieldFault, InvalidInputError, NotFoundError
from app.paging import Page, cut, decode_cursor


def add_staff(
    session: Session, *, login: str, name: str, role: Role, unit: str = "", password: str, takes_special: bool = False,
    must_change: bool = False,
) -> Staff:  # fmt: skip
    """Add a person.

    Raises:
        InvalidInputError: the password is weak or the role lacks its unit.
        ConflictError: the login is taken.
    """
    passwords.check_password(password, login, name)
    _check_place(role, unit, takes_special=takes_special)
    if session.scalar(select(Staff.id).where(Staff.login == login)):
        raise ConflictError(f"登录名“{login}”已存在")
    staff = Staff(
        login=login, name=name, role=role.value, unit=unit if role.of_unit else "", takes_special=takes_special,
        password_hash=passwords.hash_password(password), created_at=clock.now(), active=True, must_change=must_change,
    )  # fmt: skip
    session.add(staff)
    session.flush()
    return staff


def _check_place(role: Role, unit: str, *, takes_special: bool) -> None:
    faults = []
    if role.of_unit and not unit:
        faults.append(FieldFault("/unit", f"{role.label}须指定承办单位"))
    if role is Role.CHANNEL:
        faults.append(FieldFault("/role", "渠道系统用密钥接入，不设人员账号"))
    if takes_special and role is not Role.SUPERVISOR:
        faults.append(FieldFault("/takes_special", "专办件只能由督办人员办理"))
    if faults:
        raise InvalidInputError("；".join(fault.message for fault in faults), faults=tuple(faults))


def find_staff(session: Session, login: str) -> Staff | None:
    """Return the person with a login, if there is one."""
    return session.scalar(select(Staff).where(Staff.login == login))


def require_staff(session: Session, login: str) -> Staff:
    """Return the person with a login, locked until the transaction ends.

    Raises:
        NotFoundError: there is no such login.
    """
    staff = session.scalar(select(Staff).where(Staff.login == login).with_for_update())
    if staff is None:
        raise NotFoundError(f"没有登录名为“{login}”的人员")
    return staff


def list_staff(session: Session, cursor: str | None, limit: int, *, only_active: bool) -> Page[Staff]:
    """Return a page of people in the order their accounts were opened."""
    statement = select(Staff)
    if only_active:
        statement = statement.where(Staff.active.is_(True))
    if cursor:
        (after,) = decode_cursor(cursor, (int,))
        statement = statement.where(Staff.id > after)
    rows = list(session.scalars(statement.order_by(Staff.id).limit(limit + 1)))
    return cut(rows, limit, lambda staff: [staff.id])


@dataclass(frozen=True)
class StaffChange:
    """What an account is changed to; None: left as it is."""

    name: str | None = None
    role: Role | None = None
    unit: str | None = None
    takes_special: bool | None = None
    active: bool | None = None


def change_staff(session: Session, login: str, change: StaffChange) -> tuple[Staff, list[str]]:
    """Change an account; a change of rights, and closing, end its sessions at once. Returns it and what changed.

    Raises:
        NotFoundError: there is no such login.
        InvalidInputError: the role lacks its unit, or cannot take 专办件.
        ConflictError: nobody would be left to administer.
    """
    staff = require_staff(session, login)
    before = _rights(staff)
    role = change.role or Role(staff.role)
    unit = change.unit if change.unit is not None else staff.unit
    special = staff.takes_special if change.takes_special is None else change.takes_special
    if change.role and change.takes_special is None:
        special = special and role is Role.SUPERVISOR
    _check_place(role, unit, takes_special=special)
    staff.name = change.name or staff.name
    staff.role, staff.unit, staff.takes_special = role.value, unit if role.of_unit else "", special
    staff.active = staff.active if change.active is None else change.active
    after = _rights(staff)
    _keep_an_administrator(session, before, after)
    changed = [f"{key}={value}" for key, value in after.items() if before[key] != value]
    if changed:
        sessions.end_all(session, staff.id)
    return staff, changed


def _rights(staff: Staff) -> dict[str, object]:
    """Return what decides what an account may do; none of it personal."""
    return {"role": staff.role, "unit": staff.unit, "takes_special": staff.takes_special, "active": staff.active}


def _keep_an_administrator(session: Session, before: dict[str, object], after: dict[str, object]) -> None:
    """Refuse to take away the last administrator over the interface; nobody could open an account there any more."""
    admin = {"role": Role.ADMIN.value, "active": True}
    was, remains = (admin.items() <= rights.items() for rights in (before, after))
    if not was or remains:
        return
    session.flush()
    # Locked, so that two administrators closing each other at once do not both succeed.
    statement = select(Staff.id).where(Staff.role == Role.ADMIN.value, Staff.active.is_(True)).with_for_update()
    if not session.scalars(statement).all():
        raise ConflictError("这是最后一个在用的系统管理员，请先新增另一个")


def revoke_staff(session: Session, login: str) -> Staff:
    """Close a person's account and end all of its sessions.

    Raises:
        InvalidInputError: there is no such login.
    """
    staff = find_staff(session, login)
    if staff is None:
        raise InvalidInputError(f"没有登录名为“{login}”的人员", faults=(FieldFault("/login", "没有这个登录名"),))
    staff.active = False
    sessions.end_all(session, staff.id)
    return staff


def set_password(session: Session, staff: Staff, password_hash: str, *, must_change: bool) -> None:
    """Give a person another password: all sessions end, failures are forgotten.

    Args:
        session: database session.
        staff: whose.
        password_hash: made by `passwords.hash_password`, outside the transaction, for it takes long.
        must_change: whether somebody else set it.
    """
    staff.password_hash, staff.must_change = password_hash, must_change
    sessions.end_all(session, staff.id)
    lockout.forget(session, staff.login)


def special_supervisor(session: Session) -> int | None:
    """Return the id of the supervisor named for 专办件; None while nobody is named."""
    statement = select(Staff.id).where(
        Staff.role == Role.SUPERVISOR.value, Staff.takes_special.is_(True), Staff.active.is_(True)
    )
    return session.scalar(statement.order_by(Staff.id))


def acting_supervisor(session: Session, named: int | None) -> int | None:
    """Return the id of the supervisor who has a 专办件 now: the one named on it while active, else whoever is named today.

    None while nobody is.
    """
    staff = session.get(Staff, named) if named else None
    return staff.id if staff is not None and staff.active else special_supervisor(session)


def count_staff(session: Session) -> int:
    """Return how many accounts there are, closed ones too."""
    return session.scalars(select(func.count()).select_from(Staff)).one()

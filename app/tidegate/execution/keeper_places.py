"""The keeper's relay: requests that wait for the place of a run, so that a place is taken the moment it is left.

Standard library only. What waits here has never begun; called back, it never will.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tidegate.execution.keeper_spawn import Request


class Places:
    """Who follows whom. At most one request waits for a place; others wait for that one's, in a row."""

    def __init__(self) -> None:
        self._followers: dict[str, Request] = {}
        self._waiting: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __contains__(self, token: str) -> bool:
        return token in self._waiting

    def wait(self, token: str, request: Request, behind: str) -> None:
        """Keep it until that run has left its place, or until the last of those who wait there already has."""
        while behind in self._followers:
            behind = str(self._followers[behind]["token"])
        self._followers[behind] = request
        self._waiting[token] = behind

    def follow(self, token: str) -> Request | None:
        """This run has left its place: the request that takes it, if there is one."""
        request = self._followers.pop(token, None)
        if request is not None:
            del self._waiting[str(request["token"])]
        return request

    def revoke(self, token: str) -> list[str]:
        """Forget this one and all behind it; their tokens, none when it does not wait."""
        behind = self._waiting.get(token)
        revoked = []
        while behind is not None and (request := self.follow(behind)) is not None:
            behind = str(request["token"])
            revoked.append(behind)
        return revoked

    def revoke_all(self) -> list[str]:
        revoked = list(self._waiting)
        self._followers.clear()
        self._waiting.clear()
        return revoked
